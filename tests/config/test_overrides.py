"""What commands set, through restarts, edits of config.yaml, damage and full disks."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.cli import main
from edge.commands.check import check
from edge.config import Config
from edge.config.file import load_config
from edge.config.overrides import Overrides
from edge.config.overrides_file import FILE_NAME, OverridesDamagedError, OverridesUnreadableError, read_overrides
from edge.config.settable import Settable
from edge.store.outbox import Outbox
from edge.store.record import Record
from tests.support.laid_over import overrides_over
from tests.support.transitions import passers_by

PRIVACY = Settable("privacy")
DOOR = Settable("enabled", "door")
GATE = Settable("enabled", "gate")
SCORE = Settable("min_score", "door")
CAMERAS: dict[str, Any] = {"door": {"source": "0"}, "gate": {"source": "1", "enabled": False}}


class Restarts:
    """One state folder and one config.yaml, over the starts of a daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "config.yaml"
        self.write()

    def write(self, **values: Any) -> None:
        self.path.write_text(yaml.safe_dump({"cameras": CAMERAS, **values}), encoding="utf-8")

    def start(self) -> tuple[Config, Overrides]:
        """What is in effect after a start."""
        overrides = Overrides(self.folder, self.path)
        overrides.read()
        layers = overrides.over(load_config(self.path))
        overrides.take(layers)
        return layers.effective, overrides

    def command(self, *changes: tuple[Settable, Any]) -> None:
        _, overrides = self.start()
        for each, value in changes:
            overrides.set(each, value)
        assert overrides.save()


@pytest.fixture
def device(tmp_path: Path) -> Restarts:
    return Restarts(tmp_path)


def cameras(**changes: dict[str, Any]) -> dict[str, Any]:
    return {name: {**camera, **changes.get(name, {})} for name, camera in CAMERAS.items()}


def test_what_commands_set_beats_the_file_at_the_next_start(device: Restarts) -> None:
    device.command((PRIVACY, "aggregate"), (DOOR, False), (GATE, True), (SCORE, 0.625))
    config, overrides = device.start()
    assert config.privacy == "aggregate"
    assert [camera.enabled for camera in config.cameras.values()] == [False, True]
    assert Settable("min_score", "door").value_in(config) == 0.625
    first, *rest = overrides.problems()
    assert len(rest) == 3
    assert first.startswith("privacy is aggregate, set by a command at 20")
    assert first.endswith(f", and {device.path} says events; to undo it, change it there or set it by a command")


@pytest.mark.parametrize(
    ("edit", "privacy", "door"),
    [
        ({"log_level": "debug"}, "aggregate", False),
        ({"privacy": "events"}, "events", False),
        ({"privacy": "aggregate"}, "aggregate", False),
        ({"cameras": cameras(door={"enabled": True})}, "aggregate", True),
        ({"cameras": cameras(door={"enabled": False})}, "aggregate", False),
        ({"cameras": cameras(door={"source": "5", "width": 640})}, "aggregate", False),
        ({"cameras": cameras(gate={"enabled": True})}, "aggregate", False),
    ],
)
def test_an_edit_of_that_very_key_wins_and_no_other(
    device: Restarts, edit: dict[str, Any], privacy: str, door: bool
) -> None:
    device.command((PRIVACY, "aggregate"), (DOOR, False))
    device.write(**edit)
    config, overrides = device.start()
    assert (config.privacy, config.cameras["door"].enabled) == (privacy, door)
    assert overrides.save()
    device.write()  # the edit is undone, which is no command
    config, _ = device.start()
    edited = "privacy" in edit or "enabled" in edit.get("cameras", CAMERAS)["door"]
    assert edited or (config.privacy, config.cameras["door"].enabled) == ("aggregate", False)


def test_a_line_that_is_removed_while_it_says_the_default_relaxes_nothing(device: Restarts) -> None:
    device.write(privacy="events")
    device.command((PRIVACY, "aggregate"))
    device.write()
    assert device.start()[0].privacy == "aggregate"


def test_a_camera_that_is_missing_for_a_while_is_still_off_when_it_is_back(device: Restarts) -> None:
    device.command((DOOR, False))
    device.write(cameras={"gate": {"source": "1"}})
    _, overrides = device.start()
    assert list(overrides.problems()) == []
    overrides.set(Settable("hold_s", "gate"), 2.0)
    assert overrides.save()
    device.write()
    assert not device.start()[0].cameras["door"].enabled


def test_a_command_back_to_what_the_file_says_leaves_nothing(device: Restarts) -> None:
    device.command((PRIVACY, "aggregate"), (DOOR, False))
    device.command((PRIVACY, "events"), (DOOR, True))
    config, overrides = device.start()
    assert (config.privacy, list(overrides.problems())) == ("events", [])
    assert read_overrides(device.folder / FILE_NAME) == []


def test_what_is_written_to_the_file_is_no_override_any_more(device: Restarts) -> None:
    device.command((PRIVACY, "aggregate"))
    _, overrides = device.start()
    overrides.set(PRIVACY, "aggregate")
    device.write(privacy="aggregate")
    overrides.written(PRIVACY, "aggregate")
    assert list(overrides.problems()) == []
    assert overrides.save()
    device.write(privacy="events")
    assert device.start()[0].privacy == "events"


def test_a_value_that_does_not_fit_the_file_any_more_is_dropped_with_a_warning(
    device: Restarts, caplog: pytest.LogCaptureFixture
) -> None:
    device.command((GATE, True), (PRIVACY, "aggregate"))
    device.write(cameras={"door": {"source": "0"}, "gate": {"source": "0", "enabled": False}})
    with caplog.at_level(logging.WARNING):
        config, _ = device.start()
    assert (config.cameras["gate"].enabled, config.privacy) == (False, "aggregate")
    assert 'the camera "door" uses' in caplog.text


def flip(data: bytes) -> bytes:
    return data.replace(b"door", b"doos")


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "zeros": lambda data: bytes(len(data)),
    "torn": lambda data: data[: len(data) // 2],
    "flipped": flip,
    "no UTF-8": lambda _: b"\xff\xfe\x00",
    "nested": lambda _: b"[" * 100_000,
    "newer": lambda data: data.replace(b'"layout": 1', b'"layout": 2'),
    "another type": lambda _: b"[1, 2]",
    "nonsense": lambda _: b'{"layout": 1, "crc": 0, "overrides": [{"setting": "device"}]}',
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_relaxes_nothing(device: Restarts, damage: str) -> None:
    """A restart, a power cut or a damaged file neither switches on a camera that was switched off nor relaxes
    `aggregate`."""
    device.command((PRIVACY, "aggregate"), (DOOR, False), (GATE, True))
    path = device.folder / FILE_NAME
    data = DAMAGES[damage](path.read_bytes())
    path.write_bytes(data)
    with pytest.raises(OverridesDamagedError):
        read_overrides(path)
    config, overrides = device.start()
    assert config.privacy == "aggregate"
    assert not any(camera.enabled for camera in config.cameras.values())
    assert str(path) in next(overrides.problems())
    assert overrides.save()
    assert path.with_name("overrides.json.damaged").read_bytes() == data
    # Each is set again by itself, and the rest stays strict over the next start as well.
    device.command((DOOR, True))
    config, overrides = device.start()
    assert (config.privacy, config.cameras["door"].enabled) == ("aggregate", True)
    device.command((PRIVACY, "events"))
    config, overrides = device.start()
    assert (config.privacy, list(overrides.problems())) == ("events", [])


def test_a_file_that_cannot_be_read_relaxes_nothing(device: Restarts) -> None:
    (device.folder / FILE_NAME).mkdir()
    with pytest.raises(OverridesUnreadableError):
        read_overrides(device.folder / FILE_NAME)
    config, _ = device.start()
    assert (config.privacy, config.cameras["door"].enabled) == ("aggregate", False)


def test_a_disk_that_refuses_is_told_and_tried_again(device: Restarts) -> None:
    _, overrides = device.start()
    overrides.set(PRIVACY, "aggregate")
    blocked = device.folder / (FILE_NAME + ".new")
    blocked.mkdir()
    assert not overrides.save()
    assert not overrides.is_saved
    reason = overrides.unkept(PRIVACY)
    assert reason is not None
    assert "cannot be written" in reason
    assert overrides.unkept(DOOR) is None
    assert not overrides.save()
    assert "would be gone after a restart" in next(overrides.problems())
    blocked.rmdir()
    assert overrides.save()
    assert overrides.unkept(PRIVACY) is None
    assert device.start()[0].privacy == "aggregate"


def test_the_file_is_for_its_owner_and_replaced_as_a_whole(device: Restarts, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    device.command((PRIVACY, "aggregate"))
    path = device.folder / FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(synced) == 2, "the file and its folder"
    [row] = json.loads(path.read_text())["overrides"]
    assert (row["setting"], row["value"], row["file_value"]) == ("privacy", "aggregate", "events")


def test_without_a_file_the_defaults_are_what_is_overridden(tmp_path: Path) -> None:
    overrides = overrides_over(Config(), tmp_path)
    overrides.set(PRIVACY, "aggregate")
    assert "and the default says events" in next(overrides.problems())


def test_config_show_tells_what_is_in_effect_and_what_differs(
    device: Restarts, capsys: pytest.CaptureFixture[str]
) -> None:
    device.write(storage={"path": str(device.folder)})
    device.command((PRIVACY, "aggregate"), (DOOR, False))
    assert main(["config", "show", "-c", str(device.path)]) == 0
    out = capsys.readouterr().out
    shown = yaml.safe_load(out)
    assert (shown["privacy"], shown["cameras"]["door"]["enabled"]) == ("aggregate", False)
    notes = [line for line in out.splitlines() if line.startswith("# ")]
    assert [note.partition(",")[0] for note in notes] == ["# privacy is aggregate", "# camera door: enabled is false"]
    [row] = [row for row in check(device.path) if row.what == "configuration"]
    assert row.result == "warn"
    assert "privacy is aggregate, set by a command" in (row.problem or "")


def test_another_user_than_the_daemons_is_told_that_overrides_are_left_out(
    device: Restarts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device.write(storage={"path": str(device.folder)})
    device.command((PRIVACY, "aggregate"))
    real = Path.open

    def refused(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == FILE_NAME:
            raise PermissionError(13, "Permission denied")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    assert main(["config", "show", "-c", str(device.path)]) == 0
    out = capsys.readouterr().out
    assert yaml.safe_load(out)["privacy"] == "events"
    assert "may not be read by this user" in out
    assert "sudo -u maskd" in out


def test_config_show_explains_a_damaged_file_and_leaves_it_alone(
    device: Restarts, capsys: pytest.CaptureFixture[str]
) -> None:
    device.write(storage={"path": str(device.folder)})
    (device.folder / FILE_NAME).write_text("{")
    assert main(["config", "show", "-c", str(device.path)]) == 0
    out = capsys.readouterr().out
    assert yaml.safe_load(out)["privacy"] == "aggregate"
    assert "cannot be read (it was changed by something other than maskd)" in out
    assert (device.folder / FILE_NAME).read_text() == "{"


@pytest.mark.parametrize("by", ["the file", "a command"])
def test_events_of_single_people_are_not_shown_in_aggregate(
    device: Restarts, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    record = Record(device.folder, keep_days=30, keep_bytes=10**6)
    outbox = Outbox(device.folder, max_events=100, max_bytes=10**6, record=record)
    outbox.open()
    outbox.append(passers_by(2))
    outbox.close()
    device.write(storage={"path": str(device.folder)})
    assert main(["events", "-c", str(device.path)]) == 0
    assert "without_mask" in capsys.readouterr().out
    if by == "the file":
        device.write(storage={"path": str(device.folder)}, privacy="aggregate")
    else:
        device.command((PRIVACY, "aggregate"))
    assert main(["events", "-c", str(device.path)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "privacy is aggregate, so no event about a single person is shown" in shown.err


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_changed_byte_relaxes_anything(device: Restarts, data: st.DataObject) -> None:
    path = device.folder / FILE_NAME
    if not (device.folder / "whole").exists():
        device.command((PRIVACY, "aggregate"), (DOOR, False), (SCORE, 0.5))
        path.rename(device.folder / "whole")
    content = bytearray((device.folder / "whole").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[place : place + data.draw(st.integers(1, 40))]
    path.write_bytes(content)
    config, _ = device.start()
    assert (config.privacy, config.cameras["door"].enabled) == ("aggregate", False)
