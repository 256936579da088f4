"""What is said of a disk that refuses."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from edge.store.disk_health import DiskHealth


def test_reasons_that_come_in_turn_are_each_logged_once_until_the_disk_works(caplog: pytest.LogCaptureFixture) -> None:
    disk = DiskHealth(Path("/state"))
    errors = [sqlite3.OperationalError("disk I/O error"), OSError(errno.EROFS, "Read-only file system")]
    for error in errors * 20:
        disk.failed(error)
    assert len(caplog.records) == 2
    problem = disk.problem
    disk.failed(errors[0])
    assert disk.problem == problem
    disk.works()
    assert not disk.refuses
    disk.failed(errors[0])
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 3
