from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edge.config import Config
from edge.mqtt import Message, MqttClient
from edge.mqtt.publisher import Publisher
from edge.payloads.payload import timestamp
from edge.payloads.reports import CameraStatus, InferenceMs, MqttStatus, OutboxStatus, Status
from edge.system.backoff import Backoff
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.transitions import EPOCH, MODELS, transition


def a_status() -> Status:
    return Status(
        device="lobby",
        version="1.0.0",
        uptime_s=1,
        models=MODELS,
        privacy="events",
        problems=[],
        cameras={},
        inference_ms=InferenceMs(detect=None, classify=None),
        temperature_c=None,
        outbox=OutboxStatus(depth=0, withheld=0, oldest_unsent_s=None, lost=0, epoch=EPOCH, latest_seq=0),
        mqtt=MqttStatus(connections=1, acknowledged=0, refused=0),
        time=timestamp(time.time()),
    )


@contextmanager
def publishing(
    broker: Mosquitto, *, status: Callable[[], Status] = a_status, **settings: Any
) -> Iterator[tuple[Publisher, Config]]:
    config = Config.model_validate(
        {
            "device": "lobby",
            "cameras": {"door": {"source": "0"}},
            "mqtt": {"host": broker.host, "port": broker.port, "status_interval_s": 3600, "window_s": 3600, **settings},
        }
    )
    client = MqttClient(config.mqtt, config.device, backoff=Backoff(0.05, 0.2))
    failures: list[BaseException] = []
    publisher = Publisher(client, config, status, on_failure=failures.append)
    publisher.start()
    client.start()
    try:
        yield publisher, config
    finally:
        publisher.stop()
        client.stop()
    assert failures == []


def test_status_comes_with_every_connection_and_at_its_interval(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber:
        with publishing(mosquitto):
            first = subscriber.wait_for(1, "maskd/lobby/status")[0]
            assert json.loads(first.payload)["schema"] == "maskd.status/1"
            assert first.user_properties == {"schema": "maskd.status/1"}
            mosquitto.restart()
            subscriber.wait_for(2, "maskd/lobby/status")
        with publishing(mosquitto, status_interval_s=1):
            subscriber.wait_for(5, "maskd/lobby/status")
    with Subscriber(mosquitto.port, "maskd/lobby/status") as latecomer:
        assert latecomer.wait_for(1)[0].retained


def test_a_status_can_be_had_before_what_is_published_next(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber, publishing(mosquitto) as (publisher, _):
        subscriber.wait_for(1, "lobby/status")
        for number in range(2, 20):
            publisher.tell_status()
            publisher._client.publish(Message(f"maskd/lobby/door/event{number}", b"x"))
        subscriber.wait_for(1, "event19")
        order = [m.topic.rpartition("/")[2] for m in subscriber.messages if "status" in m.topic or "event" in m.topic]
    assert order == ["status", *(kind for number in range(2, 20) for kind in ("status", f"event{number}"))]


def test_each_camera_has_a_topic_that_tells_whether_it_gives_pictures(mosquitto: Mosquitto) -> None:
    is_connected = True

    def status() -> Status:
        door = CameraStatus(enabled=True, connected=is_connected, fps=9.8, frames=3, dropped=0, error=None)
        return a_status().model_copy(update={"cameras": {"door": door}})

    with Subscriber(mosquitto.port, "maskd/lobby/door/camera") as subscriber, publishing(mosquitto, status=status):
        assert subscriber.wait_for(1)[0].payload == b"online"
        is_connected = False
        last = subscriber.wait_for(2)[1]  # as soon as the status has news
        assert (last.payload, last.content_type) == (b"offline", "text/plain")
    with Subscriber(mosquitto.port, "maskd/lobby/door/camera") as latecomer:
        assert [(message.payload, message.retained) for message in latecomer.wait_for(1)] == [(b"offline", True)]


def test_windows_are_published_at_their_end(mosquitto: Mosquitto) -> None:
    with (
        Subscriber(mosquitto.port, "maskd/lobby/door/compliance") as subscriber,
        publishing(mosquitto, window_s=1) as (publisher, _),
    ):
        publisher.observe([transition(track="a", status="with_mask"), transition(track="b")])
        window = json.loads(subscriber.wait_for(1)[0].payload)
        assert (window["people"], window["compliance_rate"]) == (2, 0.5)
        subscriber.wait_for(3)


def test_a_run_that_is_shorter_than_a_window_leaves_its_counts(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber:
        with publishing(mosquitto) as (publisher, _):
            subscriber.wait_for(1, "maskd/lobby/status")
            publisher.observe([transition(track="a")])
        assert json.loads(subscriber.wait_for(1, "/compliance")[0].payload)["people"] == 1
    with Subscriber(mosquitto.port, "maskd/lobby/door/compliance") as latecomer:
        assert latecomer.wait_for(1)[0].retained


def test_a_window_that_ended_without_a_broker_is_published_later(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    with publishing(mosquitto, window_s=2) as (publisher, _):
        publisher.observe([transition(track="a"), transition("ended", track="a")])
        time.sleep(3.2)  # the window has ended, and the next one has not
        mosquitto.start()
        with Subscriber(mosquitto.port, "maskd/lobby/door/compliance") as subscriber:
            assert json.loads(subscriber.wait_for(1)[0].payload)["people"] == 1
