"""A configuration that changes by commands while the daemon runs, as a process, with a real broker."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.publish import single

from tests.support.mjpeg_server import MjpegServer
from tests.support.mosquitto import HOST, Mosquitto, Subscriber
from tests.support.pictures import numbered, write_video

pytest.importorskip("skimage", reason="the clip is made from scikit-image's portrait")

from tests.daemon.test_daemon import assert_each_person_ends, availability, events, running, write_config
from tests.support.waiting import PATIENCE_S, wait_until
from tools.demo_clip.clip import make_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds in which A, with a mask, is there from the second to the seventh, and B comes."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    make_clip(path, duration_s=9)
    return path


class Device:
    """A running daemon as a subscriber knows it."""

    def __init__(self, subscriber: Subscriber, port: int, process: subprocess.Popen[bytes], config: Path) -> None:
        self.subscriber = subscriber
        self.process = process
        self.config = config
        self._port = port

    @property
    def log(self) -> str:
        return self.config.with_suffix(".log").read_text(encoding="utf-8")

    def command(self, where: str, payload: str) -> None:
        single(f"maskd/lobby/{where}/set", payload, qos=1, hostname=HOST, port=self._port)

    def latest(self, topic: str) -> dict[str, Any] | None:
        """The latest message of maskd/lobby/<topic>; None: there was none, or the topic was cleared."""
        for message in reversed(self.subscriber.messages.copy()):
            if message.topic == f"maskd/lobby/{topic}":
                return dict(json.loads(message.payload)) if message.payload else None
        return None

    def status(self) -> dict[str, Any]:
        wait_until(lambda: self.latest("status"), what="a status")
        return self.latest("status") or {}

    def present(self, camera: str = "door") -> int:
        presence = self.latest(f"{camera}/presence")
        return 0 if presence is None else int(presence["people"])

    def events(self, camera: str = "door") -> list[dict[str, Any]]:
        return [event for event in events(self.subscriber) if event["camera"] == camera]

    def here(self, camera: str = "door") -> set[str]:
        """Tracks that were started and not ended."""
        tracks = {event["track"] for event in self.events(camera)}
        return tracks - {event["track"] for event in self.events(camera) if event["type"] == "ended"}


@contextmanager
def watched_device(
    folder: Path, broker: Mosquitto, environment: Mapping[str, str] | None = None, **changes: Any
) -> Iterator[Device]:
    """Stops it at the end, and sees that this is in order."""
    mqtt = {"host": HOST, "port": broker.port, "commands": True, "homeassistant": {"enabled": False}}
    config = write_config(folder, broker.port, mqtt=mqtt, **changes)
    with Subscriber(broker.port, "maskd/#") as subscriber, running(config, **(environment or {})) as process:
        device = Device(subscriber, broker.port, process, config)
        wait_until(lambda: availability(subscriber), what="the connection")
        yield device
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0, device.log
        wait_until(lambda: availability(subscriber)[-1:] == [b"offline"], what="the goodbye")
        assert device.present() == 0
        assert "Traceback" not in device.log


def test_a_camera_is_switched_off_and_on_by_a_command(tmp_path: Path, mosquitto: Mosquitto, clip: Path) -> None:
    source = {"source": str(clip), "loop": True}
    with watched_device(tmp_path, mosquitto, cameras={"door": source, "gate": source}) as device:
        wait_until(lambda: device.here("door") and device.here("gate"), what="somebody at both cameras")
        wait_until(lambda: device.present("door") and device.present("gate"), what="presence")
        at_gate = device.status()["cameras"]["gate"]["frames"]
        device.command("door/enabled", "off")
        wait_until(lambda: not device.status()["cameras"]["door"]["enabled"], what="the status")
        wait_until(lambda: not device.here("door") and not device.present("door"), what="the end of who was there")
        wait_until(lambda: device.status()["problems"], what="what differs from the file")
        [differs] = device.status()["problems"]
        assert differs.startswith("camera door: enabled is false, set by a command at ")
        assert device.status()["cameras"]["gate"]["frames"] >= at_gate, "the other one was not opened anew"
        count = len(device.events("door"))
        device.command("door/enabled", "on")
        wait_until(lambda: device.status()["cameras"]["door"]["connected"], what="pictures")
        wait_until(lambda: device.here("door"), what="somebody new")
        assert len(device.events("door")) > count
    assert_each_person_ends(events(device.subscriber))


def test_privacy_is_switched_while_somebody_is_there(tmp_path: Path, mosquitto: Mosquitto, clip: Path) -> None:
    with watched_device(tmp_path, mosquitto, cameras={"door": {"source": str(clip), "loop": True}}) as device:
        wait_until(lambda: device.here() and device.present(), what="somebody")
        here = device.here()
        device.command("privacy", "aggregate")
        wait_until(lambda: device.latest("door/presence") is None, what="the cleared presence")
        wait_until(lambda: device.status()["privacy"] == "aggregate", what="the status")
        wait_until(lambda: device.status()["outbox"]["withheld"], what="their end, which waits")
        count = len(device.events())
        device.command("privacy", "events")
        wait_until(lambda: device.present(), what="who is there again, or still")
        wait_until(lambda: not here & device.here(), what="their end")
        wait_until(lambda: device.here(), what="the next visit")
        later = [event["type"] for event in device.events()[count:]]
        assert later[: later.index("started")] == ["ended"] * later.index("started")
    assert_each_person_ends(events(device.subscriber))


def test_a_camera_that_is_lost_is_a_problem_until_it_is_back(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with MjpegServer() as camera:
        port, source = camera.port, {"source": camera.url}
        with watched_device(tmp_path, mosquitto, cameras={"door": source}) as device:
            wait_until(lambda: device.status()["cameras"]["door"]["connected"], what="pictures")
            assert device.status()["problems"] == []
            camera.__exit__(None, None, None)
            wait_until(lambda: device.status()["problems"], what="the problem")
            (problem,) = device.status()["problems"]
            assert problem.startswith("camera door: the stream http://127.0.0.1:")
            assert not device.status()["cameras"]["door"]["connected"]
            with MjpegServer(port):
                wait_until(lambda: not device.status()["problems"], what="the camera's return")
                assert device.status()["cameras"]["door"]["connected"]


def test_all_cameras_off_wait_for_a_command_and_one_that_cannot_be_opened_is_a_problem(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    video = write_video(tmp_path / "grey.avi", [numbered(number) for number in range(10)])
    off = {"enabled": False, "loop": True}
    cameras = {"door": {"source": str(video), **off}, "gate": {"source": str(tmp_path / "gone.mp4"), **off}}
    with watched_device(tmp_path, mosquitto, cameras=cameras) as device:
        assert [camera["enabled"] for camera in device.status()["cameras"].values()] == [False, False]
        assert device.status()["problems"] == []
        device.command("gate/enabled", "true")
        wait_until(lambda: any("gone.mp4" in problem for problem in device.status()["problems"]), what="the problem")
        device.command("gate/enabled", "false")
        wait_until(lambda: not device.status()["problems"], what="its end")
        device.command("door/enabled", "true")
        wait_until(lambda: device.status()["cameras"]["door"]["connected"], what="pictures")


@contextmanager
def crashing_device(config: Path, broker: Mosquitto) -> Iterator[Device]:
    """Killed at the end."""
    with Subscriber(broker.port, "maskd/#") as subscriber, running(config) as process:
        yield Device(subscriber, broker.port, process, config)


def test_what_commands_set_outlives_a_crash_until_that_key_is_edited(
    tmp_path: Path, mosquitto: Mosquitto, clip: Path
) -> None:
    cameras = {"door": {"source": str(clip), "loop": True}, "gate": {"source": str(clip), "loop": True}}
    mqtt = {"host": HOST, "port": mosquitto.port, "commands": True, "homeassistant": {"enabled": False}}

    config = write_config(tmp_path, mosquitto.port, mqtt=mqtt, cameras=cameras)
    with crashing_device(config, mosquitto) as device:
        wait_until(lambda: device.here("door"), what="somebody")
        device.command("privacy", "aggregate")
        device.command("door/enabled", "off")
        wait_until(lambda: not (device.latest("door/enabled/state") or {"value": True})["value"], what="the answer")
    write_config(tmp_path, mosquitto.port, mqtt=mqtt, cameras=cameras, log_level="debug")
    with crashing_device(config, mosquitto) as device:
        wait_until(lambda: "is watching gate with" in device.log, what="the start with what holds")
        wait_until(lambda: len(device.status()["problems"]) == 2, what="what differs")
        assert device.status()["privacy"] == "aggregate"
        assert not device.status()["cameras"]["door"]["enabled"]
        write_config(tmp_path, mosquitto.port, mqtt=mqtt, cameras=cameras, privacy="events")
        process = device.process
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: device.status()["privacy"] == "events", what="the edit")
        assert not device.status()["cameras"]["door"]["enabled"]
    with crashing_device(config, mosquitto) as device:
        wait_until(lambda: device.log.count("is watching gate with") == 2, what="the start")
        device.command("door/enabled", '{"value": true, "persist": true}')
        wait_until(lambda: device.status()["cameras"]["door"]["enabled"], what="the command")
        wait_until(lambda: not device.status()["problems"], what="no difference")


def test_the_only_camera_stays_off_after_a_restart_without_commands(
    tmp_path: Path, mosquitto: Mosquitto, clip: Path
) -> None:
    cameras = {"door": {"source": str(clip), "loop": True}}
    with watched_device(tmp_path, mosquitto, cameras=cameras) as device:
        device.command("door/enabled", "off")
        wait_until(lambda: not device.status()["cameras"]["door"]["enabled"], what="the command")
    mqtt = {"host": HOST, "port": mosquitto.port, "commands": False}
    config = write_config(tmp_path, mosquitto.port, mqtt=mqtt, cameras=cameras)
    with Subscriber(mosquitto.port, "maskd/#") as subscriber, running(config) as process:
        device = Device(subscriber, mosquitto.port, process, config)
        wait_until(lambda: device.status()["problems"], what="the status")
        wait_until(lambda: "watching nothing until a camera is switched on" in device.log, what="the start")
        write_config(tmp_path, mosquitto.port, mqtt=mqtt, cameras={"door": {**cameras["door"], "enabled": True}})
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: device.status()["cameras"]["door"]["connected"], what="the edit of that key")
