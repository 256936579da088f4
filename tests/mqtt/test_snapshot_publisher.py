"""The latest picture of each camera at a real broker: retained, cleared, refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.publish import single

from edge.config import Config
from edge.mqtt import Message, MqttClient, snapshot_publisher
from edge.mqtt.snapshot_publisher import SnapshotPublisher
from edge.payloads.uuid7 import uuid7
from edge.store.snapshots import Snapshot
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.waiting import wait_until

JPEG = b"\xff\xd8" + b"x" * 40_000 + b"\xff\xd9"


def a_config(broker: Mosquitto, cameras: tuple[str, ...] = ("door", "gate"), **changes: Any) -> Config:
    values: dict[str, Any] = {
        "device": "lobby",
        "cameras": {name: {"source": "0"} for name in cameras},
        "mqtt": {"host": broker.host, "port": broker.port, "protocol": changes.pop("protocol", "auto")},
        "snapshots": {"enabled": True, "publish": True},
    }
    return Config.model_validate({**values, **changes})


@contextmanager
def publishing(broker: Mosquitto, **changes: Any) -> Iterator[tuple[SnapshotPublisher, MqttClient]]:
    config = a_config(broker, **changes)
    client = MqttClient(config.mqtt, config.device, backoff=Backoff(0.05, 0.2))
    failures: list[BaseException] = []
    publisher = SnapshotPublisher(client, config, on_failure=failures.append)
    publisher.start()
    client.start()
    try:
        wait_until(lambda: client.connection is not None, what="the connection")
        yield publisher, client
    finally:
        publisher.stop(Deadline(5))
        client.stop()
    assert failures == []


def a_snapshot(camera: str = "door", jpeg: bytes = JPEG) -> Snapshot:
    return Snapshot(uuid7(1), camera, jpeg, is_kept=True)


def retained(broker: Mosquitto) -> dict[str, bytes]:
    """What a subscriber gets that comes now."""
    with Subscriber(broker.port, "#") as subscriber:
        single("marker", "after them", qos=1, hostname=broker.host, port=broker.port)
        wait_until(lambda: any(each.topic == "marker" for each in subscriber.messages), what="the marker")
        # An empty one is a topic that is just being cleared: a broker retains none.
        return {
            each.topic: each.payload
            for each in subscriber.messages
            if each.payload and each.topic.endswith("/snapshot")
        }


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_latest_is_retained_until_it_is_not_to_be_there(mosquitto: Mosquitto, protocol: str) -> None:
    with (
        Subscriber(mosquitto.port, "+/+/+/snapshot") as subscriber,
        publishing(mosquitto, protocol=protocol) as (publisher, _),
    ):
        for camera in ("door", "gate", "cellar"):
            publisher.take(a_snapshot(camera))
        wait_until(lambda: len(subscriber.messages) == 2, what="both")
        assert {each.payload for each in subscriber.messages} == {JPEG}
        wait_until(lambda: publisher._sent is None, what="the answers")
        assert retained(mosquitto) == {"maskd/lobby/door/snapshot": JPEG, "maskd/lobby/gate/snapshot": JPEG}
        publisher.apply(a_config(mosquitto, ("gate",), protocol=protocol))
        wait_until(lambda: len(subscriber.messages) == 3, what="the camera that was removed")
        assert retained(mosquitto) == {"maskd/lobby/gate/snapshot": JPEG}
        publisher.apply(a_config(mosquitto, ("gate",), privacy="aggregate", protocol=protocol))
        publisher.take(a_snapshot("gate"))
        wait_until(lambda: len(subscriber.messages) == 4, what="the end")
        assert retained(mosquitto) == {}


def test_a_switch_without_a_connection_clears_it_on_the_next(mosquitto_folder: Path) -> None:
    broker = Mosquitto(mosquitto_folder, persistence=True)
    broker.start()
    try:
        with publishing(broker) as (publisher, client):
            publisher.take(a_snapshot())
            wait_until(lambda: publisher._held_since.get("door"), what="the answer")
            broker.stop()
            wait_until(lambda: client.connection is None, what="the end of the connection")
            publisher.take(a_snapshot(jpeg=JPEG + JPEG))
            publisher.apply(a_config(broker, snapshots={"enabled": False}))
            publisher.apply(a_config(broker))
            broker.start()
            with Subscriber(broker.port, "+/+/+/snapshot") as subscriber:
                wait_until(lambda: "door" not in publisher._held_since, what="the cleared topic")
                assert [each.payload for each in subscriber.messages if each.payload] in ([], [JPEG])
            assert retained(broker) == {}
    finally:
        broker.stop()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_takes_no_large_messages_is_named_and_left_alone(mosquitto_folder: Path, protocol: str) -> None:
    broker = Mosquitto(mosquitto_folder, extra=["max_packet_size 5000"])
    broker.start()
    try:
        with publishing(broker, protocol=protocol) as (publisher, client):
            for number in range(1, snapshot_publisher.PATIENCE + 1):
                publisher.take(a_snapshot())
                # With MQTT 3.1.1 the picture is tried again by itself, so that there may be more refusals already.
                wait_until(lambda number=number: publisher._failures >= number, what="a refusal")  # type: ignore[misc]
            [problem] = publisher.status().problems
            assert problem.startswith("the broker does not take snapshots on maskd/lobby/door/snapshot: ")
            assert "set snapshots.publish to false" in problem
            assert publisher._not_before > 0
            wait_until(lambda: client.connection is not None, what="the connection, which stays")
            with Subscriber(broker.port, "maskd/lobby/door/event") as subscriber:
                wait_until(
                    lambda: client.publish(Message("maskd/lobby/door/event", b"{}")) and subscriber.messages,
                    what="an event",
                )
    finally:
        broker.stop()


def test_what_the_device_has_deleted_by_its_age_is_cleared(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    with publishing(mosquitto) as (publisher, _):
        publisher.take(a_snapshot())
        wait_until(lambda: publisher._held_since.get("door"), what="the answer")
        assert retained(mosquitto)
        monkeypatch.setattr(snapshot_publisher, "DAY_S", 0.0)
        wait_until(lambda: "door" not in publisher._held_since, what="the cleared topic")
        assert retained(mosquitto) == {}
