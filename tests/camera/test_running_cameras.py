"""Which cameras run as the configuration changes, and which of its settings wait for a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.config.live import settings_awaiting_restart
from edge.control.changes import require_a_camera
from edge.daemon.running_cameras import RunningCameras
from edge.errors import MaskdError, UsageError
from edge.vision.thresholds import Recommendations
from tests.support.pictures import numbered, write_photo
from tests.support.waiting import wait_until

RECOMMENDED = Recommendations(min_score=0.5, min_confidence=0.5)


def a_config(cameras: dict[str, Any] | None = None, **sections: Any) -> Config:
    return Config.model_validate({"cameras": cameras or {"door": {"source": "0"}}, **sections})


@pytest.mark.parametrize(
    ("sections", "waiting"),
    [
        ({}, []),
        ({"cameras": {"gate": {"source": "1", "min_score": 0.3}}, "privacy": "aggregate", "log_level": "debug"}, []),
        ({"detector": {"min_score": 0.3, "min_face_px": 1}, "tracking": {"min_hits": 1}}, []),
        ({"compliance": {"compliant": ["x"]}, "mqtt": {"window_s": 5, "status_interval_s": 5}}, []),
        ({"mqtt": {"host": "other", "tls": {}, "commands": True}, "storage": {"keep_days": 1, "max_events": 1}}, []),
        ({"mqtt": {"enabled": False, "prefix": "other"}}, ["mqtt.enabled", "mqtt.prefix"]),
        ({"detector": {"model": "x"}, "device": "other"}, ["detector.model", "device"]),
        ({"storage": {"path": "/x"}, "runtime": {"threads": 2}}, ["runtime.threads", "storage.path"]),
    ],
)
def test_what_waits_for_a_restart_is_named(sections: dict[str, Any], waiting: list[str]) -> None:
    before = a_config(device="lobby")
    after = a_config(**{"device": "lobby", **sections})
    assert settings_awaiting_restart(before, after) == settings_awaiting_restart(after, before) == waiting


def test_a_daemon_that_could_never_see_anything_is_refused() -> None:
    dark = a_config({"door": {"source": "0", "enabled": False}})
    require_a_camera(dark, commands=True)
    require_a_camera(a_config(), commands=False)
    with pytest.raises(UsageError, match=r"enable a camera, or set mqtt\.commands to true"):
        require_a_camera(dark, commands=False)


class Photos:
    """Cameras that show a folder of photos for ever, as fast as they are taken."""

    def __init__(self, folder: Path) -> None:
        self.folders = {}
        for name in ("door", "gate"):
            self.folders[name] = folder / name
            self.folders[name].mkdir()
            write_photo(self.folders[name] / "1.png", numbered(1))
        self.failures: list[Exception] = []
        self.cameras = RunningCameras(RECOMMENDED, self.failures.append)

    def config(self, **cameras: dict[str, Any]) -> Config:
        base = {"loop": True, "photo_seconds": 0.05}
        return a_config({name: {"source": str(self.folders[name]), **base, **own} for name, own in cameras.items()})

    def apply(self, **cameras: dict[str, Any]) -> None:
        self.cameras.apply(self.config(**cameras))

    def wait_for_pictures(self, name: str) -> None:
        wait_until(lambda: self.cameras.running[name].capture.connected, what=f"pictures of {name}")


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Photos]:
    photos = Photos(tmp_path)
    photos.cameras.start()
    yield photos
    photos.cameras.stop()
    assert photos.failures == []


def test_a_camera_goes_on_when_only_its_rules_change(photos: Photos) -> None:
    photos.apply(door={}, gate={})
    before = photos.cameras.running
    photos.apply(door={"min_score": 0.9, "zones": {"z": {"corners": [[0, 0], [1, 0], [1, 1]]}}}, gate={})
    assert photos.cameras.running == before
    assert before["door"].watched.rules.thresholds.min_score == 0.9
    assert list(before["door"].watched.rules.people.zones) == ["z"]
    assert before["gate"].watched.rules.thresholds.min_score == RECOMMENDED.min_score


def test_a_camera_whose_source_changes_is_opened_anew_alone(photos: Photos) -> None:
    photos.apply(door={}, gate={})
    before = photos.cameras.running
    for name in before:
        photos.wait_for_pictures(name)
    photos.apply(door={"rotate": 90}, gate={})
    after = photos.cameras.running
    assert after["gate"] is before["gate"]
    assert after["door"] is not before["door"]
    assert not before["door"].capture.connected
    assert before["door"].watched.latest.closed or before["door"].watched.latest.waiting
    photos.wait_for_pictures("door")
    frame = after["door"].watched.latest.take(timeout=5)
    assert frame is not None
    assert frame.image.shape == (64, 48, 3)


def test_cameras_are_added_removed_and_switched(photos: Photos) -> None:
    photos.apply(door={})
    first = photos.cameras.running["door"]
    photos.apply(door={}, gate={})
    assert list(photos.cameras.running) == ["door", "gate"]
    photos.wait_for_pictures("gate")
    photos.apply(gate={})
    assert list(photos.cameras.running) == ["gate"]
    photos.apply(door={"enabled": False}, gate={"enabled": False})
    assert photos.cameras.running == {}
    assert photos.cameras.watched == []
    assert photos.cameras.describe(0) == "every camera is switched off"
    photos.apply(door={}, gate={"enabled": False})
    assert photos.cameras.running["door"] is not first
    photos.wait_for_pictures("door")


def test_a_file_that_could_not_be_played_is_tried_again(photos: Photos) -> None:
    photos.apply(door={})
    picture = photos.folders["gate"] / "1.png"
    picture.unlink()
    photos.apply(door={}, gate={})
    before = photos.cameras.running
    wait_until(lambda: before["gate"].capture.failed, what="the failure")
    assert not before["gate"].watched.latest.closed, "it may come yet"
    write_photo(picture, numbered(1))
    photos.apply(door={}, gate={})
    assert photos.cameras.running["door"] is before["door"]
    photos.wait_for_pictures("gate")
    assert photos.failures == []


def test_a_file_that_cannot_be_played_ends_a_start_and_not_a_run(tmp_path: Path) -> None:
    failures: list[Exception] = []
    cameras = RunningCameras(RECOMMENDED, failures.append)
    missing, fine = {"source": str(tmp_path / "gone.mp4")}, {"source": str(tmp_path), "loop": True}
    write_photo(tmp_path / "1.png", numbered(1))
    cameras.apply(a_config({"door": fine}))
    cameras.start()
    cameras.apply(a_config({"door": fine, "gate": missing}))
    wait_until(lambda: cameras.running["gate"].capture.last_error, what="the error")
    assert failures == []
    cameras.stop()
    again = RunningCameras(RECOMMENDED, failures.append)
    again.apply(a_config({"gate": missing}))
    again.start()
    wait_until(lambda: failures, what="the failure")
    assert isinstance(failures[0], MaskdError)
    again.stop()
