"""Odd files where maskd keeps its own: one sentence, at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.checks.storage import check_storage
from edge.config import StorageSettings
from edge.errors import MaskdError
from edge.store.state_files import require_own_files

NAMES = ["outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.db.new", "outbox.lock", "seq", "overrides.json"]
NAMES += ["announced.json", "announced.json.new", "accelerator.json", "totals.json", "totals.json.new"]
DAY = "record/2026-11-28.jsonl"


def directory(path: Path) -> str:
    path.mkdir()
    return "is a directory"


def fifo(path: Path) -> str:
    os.mkfifo(path)
    return "is a FIFO"


def a_socket(path: Path) -> str:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
    return "is a socket"


def device(path: Path) -> str:
    path.symlink_to("/dev/zero")
    return "is a device"


def symlink_loop(path: Path) -> str:
    path.symlink_to(path)
    return "cannot be examined (Too many levels of symbolic links)"


odd = pytest.mark.parametrize("make", [directory, fifo, a_socket, device, symlink_loop])


@odd
@pytest.mark.parametrize("name", [*NAMES, DAY])
def test_an_odd_file_is_told_in_one_sentence(tmp_path: Path, name: str, make: Callable[[Path], str]) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    problem = make(path)
    for look in (require_own_files, lambda folder: check_storage(StorageSettings(path=folder), is_running=False)):
        with pytest.raises(MaskdError) as told:
            look(tmp_path)
        assert str(told.value) == (
            f"{path} {problem}, where maskd keeps a file of its own; move it away, or set storage.path to another "
            "folder"
        )


@pytest.mark.parametrize("make", [fifo, a_socket, device, symlink_loop])
def test_a_record_that_is_no_folder(tmp_path: Path, make: Callable[[Path], str]) -> None:
    problem = make(tmp_path / "record")
    with pytest.raises(MaskdError, match="where maskd keeps a directory of its own") as told:
        require_own_files(tmp_path)
    assert problem in str(told.value)


@pytest.mark.parametrize("make", [fifo, a_socket, device, symlink_loop])
def test_a_state_folder_that_is_no_folder(tmp_path: Path, make: Callable[[Path], str]) -> None:
    problem = make(tmp_path / "storage")
    with pytest.raises(MaskdError) as told:
        require_own_files(tmp_path / "storage")
    assert str(told.value).startswith(f"{tmp_path / 'storage'} {problem}, where maskd keeps a directory of its own;")


def test_what_others_keep_there_does_not_matter(tmp_path: Path) -> None:
    fifo(tmp_path / "theirs")
    directory(tmp_path / "lost+found")
    (tmp_path / "record").mkdir()
    fifo(tmp_path / "record" / "theirs")
    require_own_files(tmp_path)
    require_own_files(tmp_path / "nothing")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").touch(mode=0)
    with pytest.raises(MaskdError, match="cannot be read by this user"):
        require_own_files(tmp_path)


@pytest.mark.parametrize("name", ["outbox.db", "seq"])
def test_the_daemon_ends_with_the_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "storage").mkdir()
    fifo(tmp_path / "storage" / name)
    (tmp_path / "config.yaml").write_text(f"storage: {{path: {tmp_path}/storage}}\ncameras: {{a: {{source: demo}}}}\n")
    command = [sys.executable, "-m", "edge.cli", "run", "-c", str(tmp_path / "config.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert "storage.path to another folder\n" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_events_do_not_wait_for_a_fifo(tmp_path: Path) -> None:
    (tmp_path / "storage" / "record").mkdir(parents=True)
    fifo(tmp_path / "storage" / DAY)
    (tmp_path / "config.yaml").write_text(f"storage: {{path: {tmp_path}/storage}}\n")
    command = [sys.executable, "-m", "edge.cli", "events", "-c", str(tmp_path / "config.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert "is a FIFO, where maskd keeps a file of its own" in run.stderr
