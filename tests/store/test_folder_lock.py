from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import MaskdError
from edge.store.folder_lock import FolderLock, is_locked
from edge.store.outbox import Outbox
from tests.store.test_outbox import new_outbox
from tests.support.places import ROOT

SECOND = """
import sys
from pathlib import Path
from edge.errors import MaskdError
from edge.store.folder_lock import FolderLock
try:
    FolderLock(Path(sys.argv[1])).acquire()
except MaskdError as error:
    print(error)
"""


def second_maskd(folder: Path) -> str:
    """What another process is told."""
    command = [sys.executable, "-c", SECOND, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_no_file_that_is_deleted_lets_a_second_maskd_in(tmp_path: Path) -> None:
    with closing(new_outbox(tmp_path)):
        for file in [*tmp_path.iterdir()]:
            file.unlink()
        assert "is in use by another maskd; stop that one" in second_maskd(tmp_path)
        with pytest.raises(MaskdError, match="in use by another maskd"):
            new_outbox(tmp_path)
    assert second_maskd(tmp_path) == ""


def test_another_name_of_the_folder_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "storage")
    with closing(new_outbox(tmp_path / "storage")):
        assert "in use by another maskd" in second_maskd(tmp_path / "link")


def test_a_lock_notices_that_its_folder_is_not_the_one_at_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    folder.mkdir()
    lock = FolderLock(folder)
    assert not lock.holds_the_path
    lock.acquire()
    assert lock.holds_the_path
    assert is_locked(folder) is True
    folder.rename(tmp_path / "moved")
    assert not lock.holds_the_path
    folder.mkdir()
    assert not lock.holds_the_path
    assert is_locked(folder) is False
    lock.release()
    assert is_locked(tmp_path / "moved") is False


def test_looking_leaves_the_folder_free(tmp_path: Path) -> None:
    assert is_locked(tmp_path) is False
    assert is_locked(tmp_path / "missing") is False
    outbox = Outbox(tmp_path, max_events=10, max_bytes=10_000)
    outbox.open()
    outbox.close()
