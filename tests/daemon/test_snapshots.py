"""Pictures of events in the daemon as a process: the demo's clip, a real broker, commands."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.disks import small_disk
from tests.support.mosquitto import Mosquitto, Subscriber, free_port
from tests.support.waiting import wait_until
from tests.support.web_page import LOGINS, TOKEN, Client, is_listening

pytest.importorskip("skimage", reason="the clip is made from scikit-image's portrait")

from edge.demo_clip import CLIP
from edge.web.logins import FILE_NAME, write_logins
from tests.control.test_apply import Device, watched_device
from tests.daemon.test_daemon import running, write_config
from tools.demo_clip.clip import EXPECTED_EVENTS

TOPIC = "maskd/lobby/door/snapshot"
ON = {"enabled": True, "publish": True}


def kept(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "storage" / "snapshots").glob("*.jpg")}


def pictured(device: Device) -> set[str]:
    return {event["id"] for event in device.events() if event["type"] != "ended"}


def published(device: Device) -> list[bytes]:
    return [message.payload for message in device.subscriber.messages.copy() if message.topic == TOPIC]


def test_snapshots_come_with_the_events_and_aggregate_deletes_them(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """After a switch to `aggregate`, no snapshot is left on the device, and none is retained by the broker."""
    port = free_port()
    write_logins(tmp_path / "storage" / FILE_NAME, LOGINS)
    door = {"source": str(CLIP), "loop": True, "zones": {"left": {"corners": [[0, 0], [0.5, 0], [0.5, 1]]}}}
    with watched_device(tmp_path, mosquitto, cameras={"door": door}, snapshots=ON, web={"port": port}) as device:
        wait_until(lambda: len(pictured(device)) >= 2, what="events")
        wait_until(lambda: pictured(device) <= kept(tmp_path), what="a picture of each")
        wait_until(lambda: published(device), what="a published one")
        jpeg = cv2.imdecode(np.frombuffer(published(device)[-1], np.uint8), cv2.IMREAD_COLOR)
        assert jpeg is not None
        assert jpeg.shape == (360, 480, 3)
        wait_until(lambda: is_listening(port), what="the page")
        machine = Client(port, headers={"Authorization": f"Bearer {TOKEN}"})
        shown = machine.get("/api/events").json
        assert set(shown["snapshots"]) <= {event["id"] for event in shown["events"] if event["type"] != "ended"}
        path = f"/api/snapshots/{shown['snapshots'][0]}"
        answer = machine.get(path)
        assert (answer.status, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.body.startswith(b"\xff\xd8")
        assert Client(port).get(path).status == 401
        assert machine.get("/api/snapshots/01a1f978-b5fb-7fb9-b30a-8348f7faae79").status == 404
        assert machine.get("/api/snapshots/..%2Flogins.json").status == 404
        assert b"snapshots" not in json.dumps(device.status()["problems"]).encode()

        device.command("privacy", "aggregate")
        wait_until(lambda: (device.latest("privacy/state") or {}).get("value") == "aggregate", what="the answer")
        assert not (tmp_path / "storage" / "snapshots").exists()
        wait_until(lambda: published(device)[-1] == b"", what="the cleared topic")
        assert machine.get(path).status == 403


def test_a_disk_without_room_for_snapshots_loses_no_event(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A full disk, or one that is too small, stops snapshots, and no event."""
    with (
        small_disk(tmp_path / "storage", kilobytes=20_000),
        watched_device(
            tmp_path, mosquitto, cameras={"door": {"source": str(CLIP), "loop": True}}, snapshots=ON
        ) as device,
    ):
        wait_until(lambda: len(device.events()) >= 3, what="events")
        received = [(e["type"], e["status"], e["previous"]) for e in device.events()[:3]]
        assert received == [(expected.type, expected.status, expected.previous) for expected in EXPECTED_EVENTS[:3]]
        wait_until(lambda: device.status()["problems"], what="the problem")
        assert "less than 50 MB is free, which events need; events are not affected" in device.status()["problems"][0]
        assert kept(tmp_path) == set()


def test_no_picture_is_kept_or_published_by_default(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Unless `snapshots.enabled` is set in config.yaml, no picture is stored or published; no command can set it."""
    with watched_device(tmp_path, mosquitto, cameras={"door": {"source": str(CLIP), "loop": True}}) as device:
        device.command("snapshots/enabled", "true")
        device.command("door/snapshots", "true")
        wait_until(lambda: len(pictured(device)) >= 2, what="events")
        assert not (tmp_path / "storage" / "snapshots").exists()
        assert published(device) == []


def test_what_is_retained_is_cleared_by_the_next_start_without_snapshots(tmp_path: Path, mosquitto: Mosquitto) -> None:
    door = {"door": {"source": str(CLIP), "loop": True}}
    config = write_config(tmp_path, mosquitto.port, cameras=door, snapshots=ON)
    with Subscriber(mosquitto.port, TOPIC) as before, running(config):
        wait_until(lambda: before.messages, what="a published one")
        assert before.messages[0].payload
        announced = tmp_path / "storage" / "announced.json"
        wait_until(lambda: announced.exists() and TOPIC in announced.read_text(), what="the memory of it")
    write_config(tmp_path, mosquitto.port, cameras=door)
    with Subscriber(mosquitto.port, TOPIC) as after, running(config):
        wait_until(lambda: after.messages and after.messages[-1].payload == b"", what="the cleared topic")
        wait_until(lambda: not kept(tmp_path), what="the deleted snapshots")
