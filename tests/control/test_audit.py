"""Who changed which setting, by which door."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.commands.audit_table import print_audit
from edge.config import Config
from edge.config.file import config_from_values
from edge.config.settable import Settable
from edge.control.audit import Audit, By, kept_lines
from edge.control.audit_note import note
from edge.control.changes import Changes
from edge.control.local_door import LocalDoor
from edge.errors import MaskdError
from edge.store.monthly_file import MonthlyFile
from edge.system.deadline import Deadline
from tests.support.waiting import wait_until

CAMERA = "rtsp://viewer:s3cret@10.0.0.7/stream1"


def a_config(folder: Path, **more: object) -> Config:
    values = {"device": "lobby", "cameras": {"door": {"source": CAMERA}}, "storage": {"path": str(folder)}}
    return config_from_values({**values, **more})


class Running:
    def __init__(self, config: Config, path: Path | None = None) -> None:
        self.audit = Audit(config)
        self.changes = Changes(config, path)
        self.changes.on_change = self.audit.apply
        self.changes.on_changed = self.audit.changed
        self.audit.start()

    def stop(self) -> None:
        self.audit.stop(Deadline(5))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(a_config(tmp_path))
    yield running
    running.stop()


def noted(folder: Path) -> list[tuple[str, str | None, str, object, object]]:
    return [(each["door"], each["who"], each["setting"], each["old"], each["new"]) for each in kept_lines(folder)]


def test_each_door_is_noted_with_old_and_new_value(running: Running, tmp_path: Path) -> None:
    running.changes.set(Settable("min_votes", "door"), 7, By("command"))
    running.changes.set(Settable("privacy"), "aggregate", By("page", "owner from 127.0.0.1"))
    running.changes.set(Settable("privacy"), "aggregate", By("command"))  # nothing changes
    wait_until(lambda: len(noted(tmp_path)) >= 2)
    assert noted(tmp_path) == [
        ("command", None, "cameras.door.min_votes", None, 7),
        ("page", "owner from 127.0.0.1", "privacy", "events", "aggregate"),
    ]


def test_a_reload_and_a_start_with_another_file_are_noted_without_secrets(tmp_path: Path) -> None:
    """The log of changed settings shows no secret."""
    file = tmp_path / "config.yaml"

    def write(source: str, votes: int) -> Config:
        text = json.dumps(
            {"device": "lobby", "cameras": {"door": {"source": source}}, "storage": {"path": str(tmp_path)}}
            | {"compliance": {"min_votes": votes}}
        )
        file.write_text(text)
        return config_from_values(json.loads(text))

    running = Running(write(CAMERA, 5), file)
    write(CAMERA.replace("s3cret", "0ther"), 6)
    running.changes.reload()
    running.stop()
    assert sorted(noted(tmp_path), key=lambda each: each[2]) == [
        (
            "file",
            str(file),
            "cameras.door.source",
            "rtsp://viewer:***@10.0.0.7/stream1",
            "rtsp://viewer:***@10.0.0.7/stream1",
        ),
        ("file", str(file), "compliance.min_votes", 5, 6),
    ]
    again = Running(write(CAMERA, 9), file)
    again.stop()
    assert noted(tmp_path)[-1] == ("start", "config.yaml", "compliance.min_votes", 6, 9)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "audit").iterdir())
    assert b"s3cret" not in kept
    assert b"0ther" not in kept


def test_a_broken_disk_blocks_no_change(running: Running, tmp_path: Path) -> None:
    wait_until(lambda: (tmp_path / "audit" / "last.json").exists())
    (tmp_path / "audit").rename(tmp_path / "away")
    (tmp_path / "audit").write_text("not a folder")
    running.changes.set(Settable("min_votes", "door"), 8, By("command"))
    assert Settable("min_votes", "door").value_in(running.changes.config) == 8
    wait_until(lambda: running.audit.status().problems, what="the problem")
    assert "cannot be noted" in next(iter(running.audit.status().problems))
    (tmp_path / "audit").unlink()
    running.changes.set(Settable("min_votes", "door"), 9, By("command"))
    wait_until(lambda: [each[4] for each in noted(tmp_path)] == [8, 9], what="both changes")
    wait_until(lambda: not running.audit.status().problems)


def test_a_command_on_the_device_is_noted_with_and_without_a_daemon(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    note(config, "page.password", None, "set")
    running = Running(config)
    door = LocalDoor(config, {"audit": running.audit.answer})
    door.start()
    try:
        note(config, "page.password", None, "removed")
        with pytest.raises(MaskdError):
            running.audit.answer({"setting": 3})
    finally:
        door.stop(Deadline(1))
        running.stop()
    assert [(each[0], each[2], each[4]) for each in noted(tmp_path)] == [
        ("command line", "page.password", "set"),
        ("command line", "page.password", "removed"),
    ]
    assert noted(tmp_path)[0][1]


def test_old_months_go_and_what_is_torn_is_left_out(tmp_path: Path) -> None:
    file = MonthlyFile(tmp_path / "audit")
    now = time.time()
    for age_days in (400, 380, 30, 0):
        file.append([{"age": age_days}], now - age_days * 86_400)
    file.drop_older(365, now)
    assert {each["age"] for each in file.lines()} >= {30, 0}
    assert 400 not in {each["age"] for each in file.lines()}
    newest = max((tmp_path / "audit").iterdir())
    with newest.open("ab") as torn:
        torn.write(b'{"age": 1, "to')
    file.append([{"age": -1}], now)
    assert [each["age"] for each in file.lines()][-2:] == [0, -1]
    assert newest.stat().st_mode & 0o7 == 0 or os.geteuid() != 0


def test_the_table_shows_what_was_noted(running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_audit(tmp_path, begin=None, as_json=False, count=None)
    assert "no change" in capsys.readouterr().out
    running.changes.set(Settable("privacy"), "aggregate", By("page", "owner"))
    wait_until(lambda: noted(tmp_path))
    print_audit(tmp_path, begin=None, as_json=False, count=None)
    assert "page (owner)              privacy: events -> aggregate" in capsys.readouterr().out
    print_audit(tmp_path, begin=time.time() - 60, as_json=True, count=1)
    assert json.loads(capsys.readouterr().out)["new"] == "aggregate"
