"""What systemd is told, by the notifier alone and by a daemon at work."""

from __future__ import annotations

import itertools
import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.daemon.daemon import Daemon
from edge.daemon.systemd import Notifier
from edge.vision.faces import Face
from edge.vision.masks import Classification
from edge.vision.pipeline import Vision
from edge.vision.preprocess import Image
from tests.daemon.test_daemon import running, write_config
from tests.support.mjpeg_server import MjpegServer
from tests.support.mosquitto import HOST, Mosquitto, free_port
from tests.support.pictures import numbered, write_photo
from tests.support.supervisor import Supervisor
from tests.support.waiting import wait_until


def a_photo(folder: Path) -> None:
    (folder / "photos").mkdir()
    write_photo(folder / "photos" / "1.png", numbered(1))


@pytest.mark.parametrize("is_abstract", [False, True])
def test_states_reach_systemd(tmp_path: Path, is_abstract: bool) -> None:
    with Supervisor(None if is_abstract else tmp_path, watchdog_s=30) as supervisor:
        notifier = Notifier(supervisor.environment)
        notifier.extend_timeout(2.5)
        notifier.ready()
        notifier.status("2 cameras,\n1 person")
        notifier.watchdog(100.0)
        before = time.monotonic_ns() // 1000
        notifier.reloading()
        notifier.stopping()
        wait_until(lambda: len(supervisor.told) == 6, what="six states")
    received = [told.state for told in supervisor.told]
    assert received[:4] == ["EXTEND_TIMEOUT_USEC=2500000", "READY=1", "STATUS=2 cameras, 1 person", "WATCHDOG=1"]
    reloading, time_line = received[4].split("\n")
    assert reloading == "RELOADING=1"
    name, _, microseconds = time_line.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(microseconds) <= time.monotonic_ns() // 1000
    assert received[5] == "STOPPING=1"


def test_silent_without_a_socket_and_with_one_that_is_of_no_use(tmp_path: Path) -> None:
    for address in ("", str(tmp_path / "gone"), "x" * 500, str(tmp_path), "@", "vsock:2:1234"):
        Notifier({"NOTIFY_SOCKET": address}).ready()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog_wants_a_sign_twice_per_interval(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_interval_s == seconds


def test_a_sign_is_sent_no_oftener_than_it_is_wanted(tmp_path: Path) -> None:
    with Supervisor(tmp_path, watchdog_s=2) as supervisor:
        notifier, unwatched = Notifier(supervisor.environment), Notifier({"NOTIFY_SOCKET": supervisor.address})
        for now in (100.0, 100.5, 100.9, 101.0, 101.9, 103.5, 104.0, 104.5):
            notifier.watchdog(now)
            notifier.status(f"{now}")
        unwatched.watchdog(200.0)
        unwatched.status("the end")
        wait_until(lambda: supervisor.status() == "the end", what="the end")
    states = supervisor.states("WATCHDOG", "STATUS")
    signs = [time for sign, time in itertools.pairwise(states) if sign == "WATCHDOG=1"]
    assert signs == ["STATUS=100.0", "STATUS=101.0", "STATUS=103.5", "STATUS=104.5"]


def test_systemd_hears_of_start_work_reload_and_stop(tmp_path: Path, mosquitto: Mosquitto) -> None:
    a_photo(tmp_path)
    cameras = {"door": {"source": str(tmp_path / "photos"), "loop": True, "photo_seconds": 0.1}}
    config = write_config(tmp_path, mosquitto.port, cameras=cameras)
    log = config.with_suffix(".log")
    with Supervisor(watchdog_s=2) as supervisor, running(config, **supervisor.environment) as process:
        supervisor.wait_for(["READY=1"])
        at_ready = log.read_text(encoding="utf-8")
        assert "camera door: connected" in at_ready
        assert "connected to the broker" in at_ready
        assert supervisor.states("STATUS")[0] == "STATUS=loading the models"
        assert supervisor.states("EXTEND_TIMEOUT_USEC") == [
            "EXTEND_TIMEOUT_USEC=300000000",
            "EXTEND_TIMEOUT_USEC=900000000",
        ]
        wait_until(lambda: re.match(r"door [1-9]\d*\.\d fps", supervisor.status()), what="a rate")
        assert supervisor.status().endswith(" fps; broker connected; outbox 0")

        before = time.monotonic_ns() // 1000
        process.send_signal(signal.SIGHUP)
        supervisor.wait_for(["READY=1", "RELOADING=1", "READY=1"])
        [reloading] = supervisor.of("RELOADING")
        assert int(reloading.state.partition("MONOTONIC_USEC=")[2]) >= before

        mosquitto.stop()
        wait_until(lambda: "; broker lost; " in supervisor.status(), timeout=5, what="the news of the broker")
        mosquitto.start()

        wait_until(lambda: len(supervisor.of("WATCHDOG")) >= 4, what="signs of life")
        times = [told.at for told in supervisor.of("WATCHDOG")]
        assert (times[-1] - times[0]) / (len(times) - 1) > 0.8, "oftener than systemd asks for"

        process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        count = len(supervisor.of("WATCHDOG"))
        time.sleep(2.5)
        assert len(supervisor.of("WATCHDOG")) == count, "a sign of life from a process that stands still"
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: len(supervisor.of("WATCHDOG")) > count, what="the next sign")

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        supervisor.wait_for(["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"])


def test_a_missing_camera_and_broker_do_not_hold_the_start_up(tmp_path: Path) -> None:
    cameras = {"door": {"source": f"http://{HOST}:{free_port()}/stream"}}
    config = write_config(tmp_path, free_port(), cameras=cameras)
    with Supervisor(tmp_path, watchdog_s=2) as supervisor, running(config, **supervisor.environment) as process:
        wait_until(lambda: supervisor.status() == "loading the models", what="the beginning")
        process.send_signal(signal.SIGHUP)  # whoever cannot wait
        wait_until(lambda: supervisor.of("READY"), what="the start")
        log = config.with_suffix(".log").read_text(encoding="utf-8")
        assert "trying again until it comes back" in log, "ready before the camera was tried"
        assert "broker" in log, "ready before the broker was tried"
        wait_until(lambda: supervisor.status() == "door lost; broker lost; outbox 0", what="what is missing")
        supervisor.wait_for(["READY=1", "RELOADING=1", "READY=1"])
        count = len(supervisor.of("WATCHDOG"))
        wait_until(lambda: len(supervisor.of("WATCHDOG")) >= count + 2, what="signs of life while it waits")
        process.terminate()
        assert process.wait(timeout=30) == 0


class Stubborn:
    """A detector that finds nobody, and can hang."""

    identity = "stubborn/1"
    recommended_min_score = recommended_min_confidence = 0.5
    labels = ("with_mask", "without_mask")

    def __init__(self) -> None:
        self.works = threading.Event()
        self.works.set()

    def detect(self, _image: Image, _min_score: float) -> list[Face]:
        self.works.wait(30)
        return []

    def classify(self, _image: Image, _boxes: Sequence[Any], *, min_confidence: float) -> list[Classification]:
        return []


def vision_of(model: Stubborn) -> Vision:
    return Vision(model, model)  # type: ignore[arg-type]  # it is as much of a classifier as is asked for


@contextmanager
def daemon_at_work(config: Config) -> Iterator[Daemon]:
    """In this process."""
    daemon = Daemon(config)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            daemon.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(15)
    assert not thread.is_alive()
    assert errors == []


def a_config(folder: Path, source: str, **camera: Any) -> Config:
    return Config.model_validate(
        {
            "cameras": {"door": {"source": source, **camera}},
            "mqtt": {"enabled": False},
            "storage": {"path": str(folder / "storage")},
        }
    )


def test_a_hanging_detector_gives_no_sign_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Stubborn()
    monkeypatch.setattr("edge.daemon.parts.build_visions", lambda *_: [vision_of(detector)])
    a_photo(tmp_path)
    config = a_config(tmp_path, str(tmp_path / "photos"), loop=True, photo_seconds=0.05)
    with Supervisor(watchdog_s=1) as supervisor:
        for name, value in supervisor.environment.items():
            monkeypatch.setenv(name, value)
        with daemon_at_work(config):
            wait_until(lambda: len(supervisor.of("WATCHDOG")) >= 3, what="signs of life")
            detector.works.clear()
            time.sleep(1.2)  # a round that was under way is over, and told
            count = len(supervisor.of("WATCHDOG"))
            time.sleep(1.5)
            assert len(supervisor.of("WATCHDOG")) == count
            detector.works.set()
            wait_until(lambda: len(supervisor.of("WATCHDOG")) > count, what="the next sign")


def test_ready_waits_for_a_camera_that_has_not_been_tried_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = Stubborn()
    monkeypatch.setattr("edge.daemon.parts.build_visions", lambda *_: [vision_of(detector)])
    monkeypatch.setattr("edge.daemon.daemon.FIRST_ATTEMPTS_S", 1.5)
    with Supervisor(watchdog_s=1) as supervisor, MjpegServer() as camera:
        camera.silent.set()
        monkeypatch.setenv("NOTIFY_SOCKET", supervisor.address)
        began = time.monotonic()
        with daemon_at_work(a_config(tmp_path, camera.url)):
            supervisor.wait_for(["READY=1"], timeout=10)
            assert time.monotonic() - began >= 1.5
            wait_until(lambda: supervisor.status().startswith("door opening; outbox 0"), what="the camera being opened")
            camera.silent.clear()
            wait_until(lambda: "fps" in supervisor.status(), what="the camera")
