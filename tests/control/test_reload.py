"""config.yaml read again by SIGHUP: a running daemon, real files, real brokers."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.config import Config
from edge.config.live import settings_awaiting_restart, without_awaiting_restart
from edge.control.reload import ReloadNews, read_again
from edge.errors import UsageError
from tests.support.mjpeg_server import MjpegServer
from tests.support.mosquitto import HOST, Mosquitto, Subscriber
from tests.support.pictures import numbered, write_photo
from tests.support.supervisor import Supervisor

pytest.importorskip("skimage", reason="the clip is made from scikit-image's portrait")

from tests.control.test_apply import Device, watched_device
from tests.daemon.test_daemon import availability, events, running, write_config
from tests.support.waiting import wait_until
from tools.demo_clip.clip import make_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine seconds in which A, with a mask, is there from the second to the seventh, and B comes."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    make_clip(path, duration_s=9)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Any]:
    """A camera on which nobody ever is."""
    (tmp_path / "photos").mkdir()
    write_photo(tmp_path / "photos" / "1.png", numbered(1))
    return {"source": str(tmp_path / "photos"), "loop": True, "photo_seconds": 0.05}


class Editor:
    """The person who edits a running device's file and reloads it."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._reloads = 0

    def write(self, **changes: Any) -> None:
        """Changes values, by their dotted names, with `__` for the dots."""
        path = self._device.config
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, value in changes.items():
            *sections, key = name.split("__")
            section = config
            for each in sections:
                section = section.setdefault(each, {})
            section[key] = value
        path.write_text(yaml.safe_dump(config), encoding="utf-8")

    def reload(self) -> None:
        """Returns when it is in effect, or was refused."""
        done = self._outcomes()
        self._device.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self._outcomes() > done, what="the reload")

    def change(self, **changes: Any) -> None:
        self.write(**changes)
        self.reload()

    def _outcomes(self) -> int:
        log = self._device.log
        return log.count("was reloaded and is in effect") + log.count("was rejected")


def state(device: Device, setting: str, camera: str | None = "door") -> dict[str, Any]:
    return device.latest(f"{camera}/{setting}/state" if camera else f"{setting}/state") or {}


def wait_for_value(device: Device, setting: str, value: object) -> None:
    wait_until(lambda: state(device, setting).get("value") == value, what=f"{setting} {value}")


def assert_no_gap(received: list[dict[str, Any]]) -> None:
    assert sorted(event["seq"] for event in received) == list(range(1, len(received) + 1))


def test_new_thresholds_hold_at_once_and_nobody_is_lost(tmp_path: Path, mosquitto: Mosquitto, clip: Path) -> None:
    with watched_device(tmp_path, mosquitto, cameras={"door": {"source": str(clip), "loop": True}}) as device:
        wait_until(lambda: device.here(), what="somebody")
        [person] = device.here()
        began = time.time()
        Editor(device).change(
            cameras__door__min_score=0.41,
            cameras__door__zones={"all": {"corners": [[0, 0], [1, 0], [1, 1], [0, 1]]}},
            tracking__lost_after_s=1.5,
            compliance__compliant=["without_mask"],
            mqtt__status_interval_s=5,
            log_level="debug",
        )
        wait_for_value(device, "min_score", 0.41)
        assert state(device, "min_score")["persisted"]
        wait_until(lambda: person not in device.here(), what="the end of the visit")
        visit = [event for event in device.events() if event["track"] == person]
        assert [event["type"] for event in visit] == ["started", "changed", "ended"]
        assert [event["zones"] for event in visit] == [[], ["all"], ["all"]], "the new rules are told at once"
        assert [event["compliant"] for event in visit] == [True, False, False]
        assert visit[2]["duration_s"] > time.time() - began - 20
        assert device.status()["mqtt"]["connections"] == 1
        assert device.status()["problems"] == []
        assert_no_gap(device.events())


def test_a_file_with_mistakes_changes_nothing_and_is_told(
    tmp_path: Path, mosquitto: Mosquitto, photos: dict[str, Any]
) -> None:
    supervisor = Supervisor(tmp_path)
    with supervisor, watched_device(tmp_path, mosquitto, supervisor.environment, cameras={"door": photos}) as device:
        editor = Editor(device)
        editor.change(mqtt__status_interval_s=1)
        device.command("door/hold_s", "2.5")
        wait_for_value(device, "hold_s", 2.5)
        good = device.config.read_text(encoding="utf-8")
        editor.change(cameras__door__min_score=0.41, compliance__min_vote=3, tracking__min_hits=0)
        assert 'compliance.min_vote: there is no such setting; did you mean "min_votes"?' in device.log
        assert "tracking.min_hits" in device.log
        wait_until(lambda: len(device.status()["problems"]) == 2, what="the problem")
        [problem, _differs] = device.status()["problems"]
        assert problem.startswith(f"{device.config} is not in effect; correct it and reload maskd: ")
        assert problem.endswith("(and 1 more, see the log)")
        assert problem.isprintable()
        wait_until(lambda: "has an error and is not in effect" in supervisor.status(), what="the line")
        assert state(device, "hold_s")["value"] == 2.5, "what a command changed holds"
        frames = device.status()["cameras"]["door"]["frames"]
        wait_until(lambda: device.status()["cameras"]["door"]["frames"] > frames, what="pictures")
        assert state(device, "min_score")["value"] != 0.41
        supervisor.wait_for(["READY=1", *["RELOADING=1", "READY=1"] * 2])

        device.config.write_text(good, encoding="utf-8")
        editor.change(device="hall", mqtt__prefix="elsewhere", runtime__threads=2)
        wait_until(lambda: "restart" in str(device.status()["problems"]), what="what waits")
        waits, differs = device.status()["problems"]
        assert waits == (
            f"these changes in {device.config} take effect at the next restart: device, mqtt.prefix, runtime.threads"
        )
        assert differs.startswith("camera door: hold_s is 2.5, set by a command at ")
        assert device.status()["device"] == "lobby"
        assert state(device, "hold_s")["value"] == 2.5, "what a command set holds until that key is edited"
        wait_until(lambda: "restart for device" in supervisor.status(), what="the line")

        device.config.write_text(good, encoding="utf-8")
        editor.change(cameras__door__hold_s=1.5)
        wait_for_value(device, "hold_s", 1.5)
        wait_until(lambda: not device.status()["problems"], what="all well")


def test_a_file_that_is_not_there_is_told_and_waited_for(
    tmp_path: Path, mosquitto: Mosquitto, photos: dict[str, Any]
) -> None:
    with watched_device(tmp_path, mosquitto, cameras={"door": photos}) as device:
        editor = Editor(device)
        editor.change(cameras__door__source=str(tmp_path / "later.png"))
        wait_until(lambda: device.status()["problems"], what="the problem")
        assert "there is no folder or photo" in str(device.status()["problems"])
        write_photo(tmp_path / "later.png", numbered(2))
        editor.reload()
        wait_until(lambda: not device.status()["problems"], what="all well")
        wait_until(lambda: device.status()["cameras"]["door"]["connected"], what="pictures")


def test_a_changed_camera_starts_anew_and_the_other_goes_on(
    tmp_path: Path, mosquitto: Mosquitto, photos: dict[str, Any]
) -> None:
    cameras = {"door": photos, "gate": photos, "yard": photos}
    with watched_device(tmp_path, mosquitto, cameras=cameras) as device:

        def frames() -> dict[str, int]:
            return {name: int(camera["frames"]) for name, camera in device.status()["cameras"].items()}

        editor = Editor(device)
        editor.change(mqtt__status_interval_s=1)
        wait_until(lambda: min(frames().values()) > 30, what="pictures of each")
        before = frames()
        editor.write(cameras={"door": photos, "gate": {**photos, "rotate": 90}, "hall": photos})
        editor.reload()
        wait_until(lambda: set(frames()) == {"door", "gate", "hall"} and frames()["hall"] > 0, what="the new camera")
        after = frames()
        assert after["door"] > before["door"]
        assert after["gate"] < before["gate"]
        assert device.log.count("camera door: connected") == 1
        assert device.log.count("camera gate: connected") == 2
        assert device.status()["problems"] == []


def test_events_go_on_at_another_broker(
    tmp_path: Path, mosquitto: Mosquitto, clip: Path, request: pytest.FixtureRequest
) -> None:
    other = Mosquitto(tmp_path / "other", users={"lobby": "secret"})
    other.start()
    request.addfinalizer(other.stop)
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    mqtt = {"host": HOST, "port": mosquitto.port, "commands": True}
    config = write_config(tmp_path, mosquitto.port, mqtt=mqtt, cameras={"door": {"source": str(clip), "loop": True}})
    with (
        Subscriber(mosquitto.port, "maskd/#") as old,
        Subscriber(other.port, "maskd/#", username="lobby", password="secret") as new,
        running(config) as process,
    ):
        device = Device(old, mosquitto.port, process, config)
        wait_until(lambda: events(old), what="the first event")
        mosquitto.freeze()
        count = device.log.count(" seq ")
        wait_until(lambda: device.log.count(" seq ") > count, what="an event that nobody acknowledges")
        editor = Editor(device)
        editor.change(
            mqtt__port=other.port,
            mqtt__username="lobby",
            mqtt__password_file=str(tmp_path / "password"),
            mqtt__client_id="moved",
            mqtt__keepalive_s=20,
            mqtt__protocol="3.1.1",
        )
        wait_until(lambda: availability(new) == [b"online"], what="the new connection")
        mosquitto.thaw()
        wait_until(lambda: availability(old)[-1:] == [b"offline"], what="the goodbye, or the will")
        wait_until(lambda: events(new), what="events there")
        last = max(event["seq"] for event in events(new))
        wait_until(lambda: max(event["seq"] for event in events(new)) > last, what="more events there")
        assert "as moved" in device.log
        process.terminate()
        assert process.wait(timeout=30) == 0
        wait_until(lambda: availability(new)[-1:] == [b"offline"], what="the goodbye")
        received = {event["id"]: event for event in [*events(old), *events(new)]}
        assert_no_gap(list(received.values()))
        tracks = [event["track"] for event in received.values() if event["type"] == "started"]
        assert sorted(tracks) == sorted(event["track"] for event in received.values() if event["type"] == "ended")
        assert "Traceback" not in device.log


def test_a_broker_whose_files_are_of_no_use_is_not_moved_to(
    tmp_path: Path, mosquitto: Mosquitto, photos: dict[str, Any]
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    (tmp_path / "password").write_text("")
    with watched_device(tmp_path, mosquitto, cameras={"door": photos}) as device:
        editor = Editor(device)
        good = device.config.read_text(encoding="utf-8")
        editor.change(mqtt__tls={"ca_file": str(tmp_path / "ca.pem")})
        assert "it contains no PEM certificate" in device.log
        device.config.write_text(good, encoding="utf-8")
        editor.change(mqtt__username="lobby", mqtt__password_file=str(tmp_path / "password"))
        assert "it is empty" in device.log
        wait_until(lambda: "it is empty" in str(device.status()["problems"]), what="the problem")
        assert device.status()["mqtt"]["connections"] == 1
        device.config.write_text(good, encoding="utf-8")
        editor.reload()
        wait_until(lambda: not device.status()["problems"], what="all well")
        assert device.status()["mqtt"]["connections"] == 1


def test_commands_and_home_assistant_are_switched(tmp_path: Path, mosquitto: Mosquitto, photos: dict[str, Any]) -> None:
    with (
        watched_device(tmp_path, mosquitto, cameras={"door": photos}) as device,
        Subscriber(mosquitto.port, "+/device/#") as homeassistant,
    ):
        editor = Editor(device)
        wait_until(lambda: state(device, "hold_s"), what="a state")
        editor.change(mqtt__commands=False)
        wait_until(lambda: not state(device, "hold_s"), what="states that are cleared")
        # Two reloads in a row may share a connection.
        wait_until(lambda: device.status()["mqtt"]["connections"] == 2, what="a connection without the subscription")
        device.command("door/hold_s", "2.5")
        editor.change(mqtt__commands=True)
        wait_for_value(device, "hold_s", 1.0)  # what came meanwhile was not kept for later
        wait_until(lambda: device.status()["mqtt"]["connections"] == 3, what="the new subscription")
        device.command("door/hold_s", "3.5")
        wait_for_value(device, "hold_s", 3.5)
        assert homeassistant.messages == []

        editor.change(mqtt__homeassistant={"enabled": True, "prefix": "one"})
        homeassistant.wait_for(1)
        assert homeassistant.messages[-1].topic.startswith("one/device/")
        editor.change(mqtt__homeassistant={"enabled": True, "prefix": "two"})

        def latest(prefix: str) -> bytes | None:
            found = [m.payload for m in homeassistant.messages.copy() if m.topic.startswith(f"{prefix}/device/")]
            return found[-1] if found else None

        wait_until(lambda: latest("two") and latest("one") == b"", what="the move")
        editor.change(mqtt__homeassistant={"enabled": False})
        wait_until(lambda: latest("two") == b"", what="the farewell")


def test_a_command_and_a_reload_at_the_same_moment_both_hold(
    tmp_path: Path, mosquitto: Mosquitto, photos: dict[str, Any]
) -> None:
    with MjpegServer() as camera:
        cameras = {"door": photos, "gate": {"source": camera.url}}
        with watched_device(tmp_path, mosquitto, cameras=cameras) as device:
            editor = Editor(device)
            wait_until(lambda: device.status()["cameras"]["gate"]["connected"], what="pictures")
            camera.silent.set()
            time.sleep(0.3)  # its read hangs now, and so it takes a while to be closed
            editor.write(cameras__door__min_votes=7)
            device.command("gate/enabled", '{"value": false, "persist": true}')
            time.sleep(0.4)  # the command is being carried out
            editor.reload()
            wait_for_value(device, "min_votes", 7)
            wait_until(lambda: state(device, "enabled", "gate").get("persisted"), what="that it is kept")
            assert state(device, "enabled", "gate")["value"] is False
            assert yaml.safe_load(device.config.read_text(encoding="utf-8"))["cameras"]["gate"]["enabled"] is False


def test_of_many_commands_and_reloads_none_is_lost(
    tmp_path: Path, mosquitto: Mosquitto, photos: dict[str, Any]
) -> None:
    values = {"min_score": 0.6, "min_confidence": 0.7, "min_votes": 9, "majority": 0.8, "hold_s": 4.5}
    with watched_device(tmp_path, mosquitto, cameras={"door": photos}) as device:
        over = threading.Event()

        def reload_on_and_on() -> None:
            while not over.wait(0.03):
                device.process.send_signal(signal.SIGHUP)

        reloading = threading.Thread(target=reload_on_and_on)
        reloading.start()
        try:
            for factor in (0.9, 1):
                for setting, value in values.items():
                    wanted = round(value * factor) if setting == "min_votes" else round(value * factor, 3)
                    device.command(f"door/{setting}", json.dumps({"value": wanted, "persist": True}))
            for setting, value in values.items():
                wait_until(lambda s=setting, v=value: state(device, s).get("value") == v, what=setting)  # type: ignore[misc]
        finally:
            over.set()
            reloading.join()
        for setting, value in values.items():
            wait_until(lambda s=setting: state(device, s)["persisted"], what=setting)  # type: ignore[misc]
            assert state(device, setting)["value"] == value
            assert yaml.safe_load(device.config.read_text(encoding="utf-8"))["cameras"]["door"][setting] == value
        # A status from between a command and its write says, truly, that the file differs.
        wait_until(lambda: not device.status()["problems"], what="no problems")


def test_wishes_for_a_reload_are_gathered_and_a_stop_comes_first(
    tmp_path: Path, mosquitto: Mosquitto, photos: dict[str, Any]
) -> None:
    supervisor = Supervisor(tmp_path)
    with MjpegServer() as camera, supervisor:
        cameras = {"door": {"source": camera.url}, "gate": photos}
        with watched_device(tmp_path, mosquitto, supervisor.environment, cameras=cameras) as device:
            wait_until(lambda: device.status()["cameras"]["door"]["connected"], what="pictures")
            camera.silent.set()
            time.sleep(0.3)
            Editor(device).write(cameras__door__rotate=90)
            for _ in range(20):
                device.process.send_signal(signal.SIGHUP)
                time.sleep(0.02)
            # The first reload closes a camera that hangs, which takes longer than all of this.
            wait_until(lambda: supervisor.states("RELOADING", "READY")[-1] == "READY=1", what="the end of it")
            time.sleep(0.5)
            reloads = len(supervisor.of("RELOADING"))
            Editor(device).write(cameras__door__rotate=180)
            device.process.send_signal(signal.SIGHUP)
            device.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(supervisor.of("RELOADING")) > reloads, what="the next one")
        # `watched_device` has stopped it while the camera was being closed, and seen that this was quick.
    assert reloads == 2
    assert supervisor.states("RELOADING", "READY", "STOPPING")[-3:] == ["RELOADING=1", "READY=1", "STOPPING=1"]


def test_without_a_file_there_is_nothing_to_read_again() -> None:
    with pytest.raises(UsageError, match="started without a configuration file"):
        read_again(None, Config())
    news = ReloadNews()
    news.refused(None, UsageError("there is none"))
    assert news.problems == ()


def test_what_waits_for_a_restart_stays_as_it_was() -> None:
    running_config = Config.model_validate({"device": "lobby", "mqtt": {"prefix": "a", "tls": {}}})
    wanted = {
        "device": "hall",
        "runtime": {"threads": 7},
        "mqtt": {"prefix": "b", "host": "other"},
        "cameras": {"x": {"source": "0"}},
        "detector": {"model": "y", "min_score": 0.2},
    }
    effective = without_awaiting_restart(running_config, Config.model_validate(wanted))
    expected = {
        "device": "lobby",
        "mqtt": {"prefix": "a", "host": "other"},
        "cameras": {"x": {"source": "0"}},
        "detector": {"min_score": 0.2},
    }
    assert effective == Config.model_validate(expected)


def test_an_option_that_is_added_or_removed_waits_with_all_options_of_the_delegate() -> None:
    without = Config.model_validate({"runtime": {"delegate": "edgetpu"}})
    with_one = Config.model_validate({"runtime": {"delegate": "edgetpu", "delegate_options": {"device": "usb:0"}}})
    for running_config, wanted in ((without, with_one), (with_one, without)):
        assert settings_awaiting_restart(running_config, wanted) == ["runtime.delegate_options"]
        assert without_awaiting_restart(running_config, wanted) == running_config


def test_a_terminal_that_goes_ends_maskd(tmp_path: Path, photos: dict[str, Any]) -> None:
    config = write_config(tmp_path, 1, mqtt={"enabled": False}, cameras={"door": photos})
    ours, theirs = pty.openpty()
    log = config.with_suffix(".log")
    with log.open("ab") as errors:
        process = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "edge.cli", "run", "-c", str(config)],
            stdin=theirs,
            stderr=errors,
        )
    os.close(theirs)
    try:
        wait_until(lambda: "is watching" in log.read_text(encoding="utf-8"), what="the start")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "was reloaded" in log.read_text(encoding="utf-8"), what="a reload at a terminal")
        os.close(ours)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
