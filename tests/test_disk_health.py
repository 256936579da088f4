from __future__ import annotations

import errno
import logging
import sqlite3
from pathlib import Path

import pytest

from edge.messaging.disk_health import LATEST_COMMITS, SLOW_S, DiskHealth, ReplacedError, remedy
from tests.people import passers_by
from tests.test_outbox import new_outbox


def test_a_slow_disk_is_told_until_a_row_of_commits_is_fast(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    disk = DiskHealth(tmp_path)
    for seconds in (0.5, 0.01, 0.01, 0.5):  # a moment of other work is not a slow disk
        disk.took(seconds)
    assert disk.problem("") is None
    disk.took(0.5)
    for _ in range(LATEST_COMMITS - 1):
        problem = disk.problem("")
        assert problem is not None
        assert f"the disk of {tmp_path} is slow: writing an event takes more than {SLOW_S:g} s" in problem
        assert "replace a worn memory card, or set storage.path to another disk" in problem
        disk.took(0.01)
    disk.took(0.01)
    assert disk.problem("") is None
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_slow_commit_of_the_outbox_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("edge.messaging.disk_health.time.monotonic", lambda: float(next(clock)))
    outbox = new_outbox(tmp_path)
    for number in range(3):
        outbox.append(passers_by(1, first=number))
    assert ["is slow" in problem for problem in outbox.problems] == [True]
    outbox.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "full"), "free some space there"),
        (sqlite3.OperationalError("database or disk is full"), "free some space there"),
        (OSError(errno.EROFS, "read-only"), "replace a memory card that has failed"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "replace a memory card that has failed"),
        (OSError(errno.EFBIG, "too large"), "`ulimit -f`"),
        (sqlite3.OperationalError("database is locked"), "end the other program"),
        (ReplacedError("gone"), "restart maskd"),
    ],
)
def test_each_refusal_has_its_remedy(error: Exception, expected: str) -> None:
    assert expected in remedy(error)
