"""`maskd check` on real folders, disks, outboxes and records."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.checks.outbox import outbox_row, record_row
from edge.checks.storage import Filesystem, filesystem_of, storage_row
from edge.config import StorageSettings
from edge.store.folder_lock import is_locked
from edge.store.outbox import Outbox
from edge.store.record import Record
from tests.support.check_config import rows_of, write_config
from tests.support.disks import small_disk
from tests.support.transitions import drafts, transition


def settings(folder: Path, **more: int) -> StorageSettings:
    return StorageSettings.model_validate({"path": folder, **more})


@contextmanager
def opened(folder: Path) -> Iterator[Outbox]:
    record = Record(folder, keep_days=36_500, keep_bytes=10**7)
    outbox = Outbox(folder, max_events=1000, max_bytes=10**7, record=record)
    outbox.open()
    with closing(outbox):
        yield outbox


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- the disk ---


def test_a_file_in_the_place_of_the_storage_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed = rows_of(write_config(tmp_path, storage={"path": str(tmp_path / "file" / "below")}))["storage"]
    assert failed.result == "FAIL"
    assert f"{tmp_path / 'file'} is not a folder" in (failed.problem or "")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_fails(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir(mode=0o500)
    failed = rows_of(write_config(tmp_path))["storage"]
    assert failed.result == "FAIL"
    assert "is not writable by" in (failed.problem or "")


def test_a_small_disk_fails_and_memory_is_warned_of(tmp_path: Path) -> None:
    with small_disk(tmp_path / "storage") as disk, disk.full():
        row = rows_of(write_config(tmp_path))["storage"]
    assert row.result == "FAIL"
    assert "has only 0 MB free; free some space there" in (row.problem or "")
    assert "is in memory (tmpfs), so a power cut loses events" in (row.problem or "")
    assert row.figures == {"filesystem": "tmpfs", "free_bytes": 0}


def test_a_disk_that_is_mounted_read_only_fails(tmp_path: Path) -> None:
    with small_disk(tmp_path / "storage"):
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "storage")], check=True)
        row = rows_of(write_config(tmp_path))["storage"]
    assert row.result == "FAIL"
    assert "is mounted read-only, perhaps because of disk errors" in (row.problem or "")


@pytest.mark.parametrize(
    ("filesystem", "result", "says"),
    [
        (Filesystem("ext4", 5 * 10**9, 1000), "ok", ""),
        (Filesystem("btrfs", 5 * 10**9), "ok", ""),
        (Filesystem("ext4", 5 * 10**9, 3), "FAIL", "cannot hold more files"),
        (Filesystem("ext4", 10**9, 1000), "warn", "may grow to 1.1 GB, but the disk is too small for that"),
        (Filesystem("ext4", 10**7, 1000), "FAIL", "has only 10 MB free"),
        (Filesystem("ext4", 0, 1000, is_read_only=True), "FAIL", "is mounted read-only"),
        (Filesystem("overlay", 5 * 10**9), "warn", "is lost with the container"),
    ],
)
def test_judging_a_disk(filesystem: Filesystem, result: str, says: str) -> None:
    row = storage_row(settings(Path("/var/lib/maskd")), filesystem, taken_bytes=0, state="writable by maskd")
    assert row.result == result
    assert says in (row.problem or "")


def test_what_the_outbox_has_already_is_not_asked_for_twice() -> None:
    disk, folder = Filesystem("ext4", 600_000_000), Path("/var/lib/maskd")
    assert storage_row(settings(folder, keep_days=0), disk, taken_bytes=0, state="").result == "warn"
    assert storage_row(settings(folder, keep_days=0), disk, taken_bytes=400_000_000, state="").result == "ok"
    assert storage_row(settings(folder), disk, taken_bytes=400_000_000, state="").result == "warn", "the record as well"


def test_the_innermost_and_latest_mount_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a card"
    inner.mkdir()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"22 21 0:5 / {tmp_path} rw,relatime shared:7 - xfs /dev/sdb rw\n"
        f"23 22 0:6 / {str(inner).replace(' ', chr(92) + '040')} rw - vfat /dev/sdc rw\n"
        f"24 22 0:7 / {str(inner).replace(' ', chr(92) + '040')} rw - f2fs /dev/sdd rw\n"
    )
    assert filesystem_of(inner, mounts).kind == "f2fs"
    assert filesystem_of(tmp_path, mounts).kind == "xfs"
    assert filesystem_of(Path("/"), mounts).kind == "ext4"
    assert filesystem_of(Path("/"), tmp_path / "none").kind == "unknown"


# --- outbox and record ---


def test_events_that_wait_are_counted_beside_a_running_maskd_and_after_it(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    with opened(folder) as outbox:
        outbox.append(drafts(*[transition(track=f"t{number}") for number in range(3)]))
        assert is_locked(folder) is True
        assert outbox_row(folder / "outbox.db", is_running=True).figures["depth"] == 3
        crashed = tmp_path / "crashed"
        shutil.copytree(folder, crashed)
    before = snapshot(folder)
    assert is_locked(folder) is False
    row = outbox_row(folder / "outbox.db", is_running=False)
    assert (row.result, row.detail, row.figures) == ("ok", "3 events wait for the broker", {"depth": 3, "lost": 0})
    assert record_row(settings(folder)).figures["days"] == 1
    assert snapshot(folder) == before, "nothing was changed"
    assert (crashed / "outbox.db-wal").exists()
    content = (crashed / "outbox.db").read_bytes(), (crashed / "outbox.db-wal").read_bytes()
    assert outbox_row(crashed / "outbox.db", is_running=False).figures["depth"] == 3
    assert content == ((crashed / "outbox.db").read_bytes(), (crashed / "outbox.db-wal").read_bytes())
    with opened(crashed) as outbox:
        assert (outbox.depth, outbox.damaged) == (3, None), "and the next start finds what it needs"


def test_a_damaged_outbox_is_warned_of_and_then_those_aside(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    with opened(folder) as outbox:
        outbox.append(drafts(*[transition(track=f"t{number}") for number in range(20)]))
    path = folder / "outbox.db"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"with_mask", b"with_cask"))
    damaged = outbox_row(path, is_running=False)
    assert damaged.result == "warn"
    assert "a row of the table events has changed" in (damaged.problem or "")
    path.write_bytes(b"no database at all" * 100)
    assert "is damaged (file is not a database)" in (outbox_row(path, is_running=False).problem or "")
    with opened(folder):
        pass
    aside = outbox_row(path, is_running=False)
    assert (aside.result, aside.figures["depth"]) == ("warn", 20)
    assert "1 damaged outbox(es) were set aside by earlier starts, the latest outbox.db.damaged-" in (
        aside.problem or ""
    )


def test_events_that_were_lost_are_warned_of(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, max_events=2, max_bytes=10**6)
    outbox.open()
    with closing(outbox):
        outbox.append(drafts(*[transition(track=f"t{number}") for number in range(5)]))
    row = outbox_row(tmp_path / "outbox.db", is_running=False)
    assert row.result == "warn"
    assert (row.problem or "").startswith("3 events were lost")


def test_lines_of_the_record_that_cannot_be_read_are_warned_of(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append(drafts(*[transition(track=f"t{number}") for number in range(5)]))
    assert record_row(settings(tmp_path)).result == "ok"
    (day,) = (tmp_path / "record").iterdir()
    with day.open("ab") as file:
        file.write(b'{"seq": 6, "dev')
    row = record_row(settings(tmp_path))
    assert row.result == "warn"
    assert (row.problem or "").startswith("1 of its last 6 lines cannot be read")
    assert record_row(settings(tmp_path, keep_days=0)).result == "skipped"
    shutil.rmtree(tmp_path / "record")
    assert record_row(settings(tmp_path)).result == "ok"
    (tmp_path / "record").write_text("")
    assert record_row(settings(tmp_path)).result == "warn"
