"""The daemon as a process: the built-in clip, the shipped models, a real broker, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest
import yaml

from edge.config.file import load_config
from edge.control.audit import By
from edge.daemon.daemon import Daemon
from edge.daemon.running_cameras import RunningCameras
from edge.payloads.events import event_schema
from edge.people.watched_camera import WatchedCamera
from edge.people.watcher import Watcher
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.pictures import write_photo
from tests.support.waiting import PATIENCE_S, wait_until

pytest.importorskip("skimage", reason="the clip is made from scikit-image's portrait")

from edge.demo_clip import CLIP
from tools.demo_clip.clip import EXPECTED_EVENTS, make_clip


def write_config(folder: Path, broker_port: int, **changes: Any) -> Path:
    config = {
        "device": "lobby",
        "cameras": {"door": {"source": str(CLIP)}},
        "mqtt": {"host": "127.0.0.1", "port": broker_port},
        "storage": {"path": str(folder / "storage")},
        **changes,
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@contextmanager
def running(config: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """`maskd run` as a process of its own, killed at the end if it is still there. A test that fails prints its log."""
    log = config.with_suffix(".log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.cli", "run", "-c", str(config)], stderr=log, env={**os.environ, **environment}
    )
    try:
        yield process
    except BaseException:
        print(config.with_suffix(".log").read_text(encoding="utf-8"))
        raise
    finally:
        process.kill()
        process.wait()
        log.close()


def events(subscriber: Subscriber) -> list[dict[str, Any]]:
    """The events received so far, repeats dropped by `id`, in order of arrival."""
    received = [json.loads(m.payload) for m in subscriber.messages.copy() if m.topic.endswith("/event")]
    return list({event["id"]: event for event in received}.values())


def availability(subscriber: Subscriber) -> list[bytes]:
    return [m.payload for m in subscriber.messages.copy() if m.topic == "maskd/lobby/availability"]


def seqs(subscriber: Subscriber) -> list[int]:
    return [event["seq"] for event in events(subscriber)]


def assert_each_person_ends(received: list[dict[str, Any]]) -> None:
    started = [event["track"] for event in received if event["type"] == "started"]
    ended = [event["track"] for event in received if event["type"] == "ended"]
    assert len(started) == len(set(started)) > 0
    assert sorted(started) == sorted(ended)


def test_three_people_give_the_events_that_a_person_would_write_down(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port) as subscriber, running(write_config(tmp_path, mosquitto.port)) as daemon:
        assert daemon.wait(timeout=90) == 0
        wait_until(lambda: availability(subscriber)[-1:] == [b"offline"], what="the goodbye")
    received = events(subscriber)
    assert [(e["type"], e["status"], e["previous"]) for e in received] == [
        (expected.type, expected.status, expected.previous) for expected in EXPECTED_EVENTS
    ]
    assert [e["seq"] for e in received] == list(range(1, len(EXPECTED_EVENTS) + 1))
    tracks = {expected.person: event["track"] for expected, event in zip(EXPECTED_EVENTS, received, strict=True)}
    assert [e["track"] for e in received] == [tracks[expected.person] for expected in EXPECTED_EVENTS]
    assert len(set(tracks.values())) == 3
    validator = jsonschema.Draft202012Validator(event_schema())
    assert [error.message for event in received for error in validator.iter_errors(event)] == []
    assert availability(subscriber)[:1] == [b"online"]
    [window] = [json.loads(m.payload) for m in subscriber.messages if m.topic.endswith("/door/compliance")]
    assert (window["people"], window["counts"]) == (3, {"with_mask": 2, "without_mask": 1})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everybody_and_says_goodbye(tmp_path: Path, mosquitto: Mosquitto, number: signal.Signals) -> None:
    with Subscriber(mosquitto.port) as subscriber, running(write_config(tmp_path, mosquitto.port)) as daemon:
        wait_until(lambda: events(subscriber), what="the first event")
        os.kill(daemon.pid, number)
        assert daemon.wait(timeout=PATIENCE_S) == 0
        wait_until(lambda: availability(subscriber)[-1:] == [b"offline"], what="the goodbye")
    assert_each_person_ends(events(subscriber))


def test_a_kill_loses_no_committed_event(tmp_path: Path, mosquitto: Mosquitto) -> None:
    config = write_config(tmp_path, mosquitto.port)
    with Subscriber(mosquitto.port) as subscriber:
        with running(config) as daemon:
            wait_until(lambda: events(subscriber), what="the first event")
            daemon.kill()
            daemon.wait()
        open_tracks = {event["track"] for event in events(subscriber)}
        wait_until(lambda: b"offline" in availability(subscriber), what="the will")
        with running(config) as daemon:
            wait_until(
                lambda: open_tracks <= {e["track"] for e in events(subscriber) if e["type"] == "ended"},
                timeout=60,
                what="the end of who was there",
            )
            wait_until(
                lambda: any(e["type"] == "started" and e["track"] not in open_tracks for e in events(subscriber)),
                timeout=60,
                what="the next person",
            )
            daemon.terminate()
            assert daemon.wait(timeout=30) == 0
    assert seqs(subscriber) == list(range(1, len(seqs(subscriber)) + 1))
    assert_each_person_ends(events(subscriber))


def test_events_of_an_outage_arrive_in_order_when_the_broker_is_back(
    tmp_path: Path, mosquitto_folder: Path, request: pytest.FixtureRequest
) -> None:
    # It remembers the subscriber, who may come back later than the daemon.
    mosquitto = Mosquitto(mosquitto_folder, persistence=True)
    request.addfinalizer(mosquitto.stop)
    mosquitto.start()
    config = write_config(tmp_path, mosquitto.port)
    log = config.with_suffix(".log")
    with Subscriber(mosquitto.port) as subscriber, running(config) as daemon:
        wait_until(lambda: availability(subscriber) == [b"online"], what="the connection")
        mosquitto.stop()
        wait_until(lambda: log.read_text(encoding="utf-8").count(" seq ") >= 3, what="events in the outage")
        assert events(subscriber) == []
        mosquitto.start()
        assert subscriber.subscribed.wait(30)
        wait_until(lambda: len(seqs(subscriber)) >= 3, what="the events of the outage")
        daemon.terminate()
        assert daemon.wait(timeout=30) == 0
        committed = log.read_text(encoding="utf-8").count(" seq ")
        wait_until(lambda: len(seqs(subscriber)) == committed, what="every event")
    assert seqs(subscriber) == list(range(1, committed + 1))
    assert_each_person_ends(events(subscriber))


def test_aggregate_privacy_publishes_nothing_about_a_person(tmp_path: Path, mosquitto: Mosquitto) -> None:
    clip = tmp_path / "clip.avi"
    make_clip(clip, duration_s=9)
    config = write_config(tmp_path, mosquitto.port, privacy="aggregate", cameras={"door": {"source": str(clip)}})
    with Subscriber(mosquitto.port) as subscriber, running(config) as daemon:
        wait_until(lambda: b"online" in availability(subscriber), what="the connection")
        assert daemon.wait(timeout=90) == 0
        [window] = subscriber.wait_for(1, "/door/compliance")
    assert json.loads(window.payload)["people"] == 2
    assert not any(message.topic.endswith("/event") for message in subscriber.messages)
    assert b"track" not in b"".join(message.payload for message in subscriber.messages)


def test_a_missing_file_stops_the_daemon_with_one_sentence(tmp_path: Path) -> None:
    config = write_config(tmp_path, 1883, cameras={"door": {"source": str(tmp_path / "gone.mp4")}})
    with running(config) as daemon:
        assert daemon.wait(timeout=60) == 1
    log = config.with_suffix(".log").read_text(encoding="utf-8")
    assert "gone.mp4" in log
    assert "Traceback" not in log


def test_every_camera_disabled_is_refused_where_none_can_be_switched_on(tmp_path: Path) -> None:
    config = write_config(tmp_path, 1883, cameras={"door": {"source": "0", "enabled": False}})
    with running(config) as daemon:
        assert daemon.wait(timeout=60) == 2
    assert "enabled" in config.with_suffix(".log").read_text(encoding="utf-8")


def test_a_camera_that_is_closed_for_a_change_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "dark.png"
    assert cv2.imwrite(str(picture), np.zeros((120, 160, 3), np.uint8))
    config = load_config(
        write_config(
            tmp_path,
            1,
            cameras={"door": {"source": str(picture), "loop": True, "photo_seconds": 0.05}},
            mqtt={"host": "127.0.0.1", "port": 1, "commands": True},
        )
    )
    daemon = Daemon(config)
    cameras = next(part for part in daemon._parts if isinstance(part, RunningCameras))
    watcher = next(part for part in daemon._parts if isinstance(part, Watcher))
    watch_at_once = cameras._watch

    def watch_late(watched: Sequence[WatchedCamera], is_endless: bool) -> None:
        before = watcher.threads[0].rounds
        wait_until(lambda: watcher.threads[0].rounds >= before + 2 or not watcher.threads[0].is_alive, what="rounds")
        watch_at_once(watched, is_endless)

    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        wait_until(lambda: cameras.running and cameras.running["door"].capture.frames, what="pictures")
        monkeypatch.setattr(cameras, "_watch", watch_late)
        door = config.cameras["door"].model_copy(update={"enabled": False})
        daemon._changes.apply_all(config.model_copy(update={"cameras": {"door": door}}), By("command"))
        assert cameras.running == {}
        daemon._changes.apply_all(config, By("command"))
        wait_until(lambda: cameras.running["door"].capture.frames, what="pictures again")
        assert thread.is_alive()
        assert watcher.threads[0].is_alive
    finally:
        daemon.stop()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_signal_that_came_just_before_the_main_thread_slept_is_handled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python runs its handler, which says that it is over, only once the thread is awake, and nothing wakes it here."""
    write_photo(tmp_path / "1.png", np.zeros((48, 64, 3), np.uint8))
    camera = {"source": str(tmp_path), "loop": True, "photo_seconds": 0.05}
    config = load_config(write_config(tmp_path, 1, mqtt={"enabled": False}, cameras={"door": camera}))
    daemon = Daemon(config)
    started = threading.Event()
    monkeypatch.setattr(daemon._notifier, "ready", started.set)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    assert started.wait(60)
    time.sleep(0.1)  # it sleeps by now
    daemon._is_over = True
    thread.join(PATIENCE_S)
    ended = not thread.is_alive()
    daemon.stop()
    thread.join()
    assert ended
