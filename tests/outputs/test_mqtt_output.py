"""Actions as MQTT messages: what is published, and what happens where the broker is not there, or refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from edge.config import MqttSettings
from edge.config.mqtt_output import MqttOutputSettings
from edge.mqtt import MqttClient
from edge.mqtt.awaited import AwaitedPublisher
from edge.outputs.action_queue import ActionQueue
from edge.outputs.mqtt import MqttOutput, topic_of
from edge.payloads.action import Action
from edge.rules.actions import action_of
from edge.rules.happening import from_transition
from edge.rules.occasions import Firing
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline
from tests.support.acting import Acting, config
from tests.support.documents import blocks
from tests.support.fake_broker import CONNECT, PUBLISH, FakeBroker, connack, puback
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.transitions import passers_by, transition
from tests.support.waiting import wait_until


def action(number: int = 1, **changes: Any) -> Action:
    happening = from_transition(transition(track=f"t{number}"), 1_790_000_000.0, UUID(int=number))
    made = action_of(Firing("remind", 0.0, 1_790_000_000.0, happening), "alarm", "lobby")
    return made.model_copy(update=changes)


class Publishing:
    def __init__(self, folder: Path, host: str, port: int, settings: MqttOutputSettings, **login: Any) -> None:
        self.queue = ActionQueue(folder)
        self.queue.open()
        self.failures: list[BaseException] = []
        broker = MqttSettings.model_validate({"host": host, "port": port, **login})
        self.client = MqttClient(broker, "lobby", backoff=Backoff(0.05, 0.2))
        publisher = AwaitedPublisher(self.client)
        self.output = MqttOutput("outputs.mqtt.alarm", settings, self.queue, publisher, on_failure=self.failures.append)

    def add(self, *actions: Action) -> None:
        self.queue.add([("alarm", each) for each in actions])
        self.output.wake()

    @property
    def problems(self) -> str:
        return "; ".join(self.output.status().problems)

    @property
    def is_done(self) -> bool:
        return self.queue.depth("alarm") == 0


@contextmanager
def publishing(
    folder: Path, broker: Mosquitto | FakeBroker, login: dict[str, Any] | None = None, **settings: Any
) -> Iterator[Publishing]:
    values = {"topic": "alarms/{camera}", **settings}
    it = Publishing(folder, broker.host, broker.port, MqttOutputSettings(**values), **(login or {}))
    it.client.start()
    it.output.start()
    try:
        yield it
    finally:
        it.output.stop(Deadline(5))
        it.client.stop()
        it.queue.close()
    assert it.failures == []


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    with Subscriber(mosquitto.port, "alarms/#") as subscriber:
        yield subscriber


def test_an_action_is_published_once_and_in_order(tmp_path: Path, mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    with publishing(tmp_path, mosquitto) as it:
        it.add(action(1), action(2))
        it.add(action(3))
        wait_until(lambda: it.is_done, what="three answers")
        messages = subscriber.wait_for(3)
        assert [json.loads(message.payload)["track"] for message in messages] == ["t1", "t2", "t3"]
        first = messages[0]
        assert (first.topic, first.retained, first.content_type) == ("alarms/door", False, "application/json")
        assert Action.model_validate_json(first.payload) == action(1)
        assert first.user_properties == {"schema": "maskd.action/1", "id": str(action(1).id)}
        assert it.problems == ""


@pytest.mark.parametrize(
    ("payload", "published", "content_type"),
    [
        ("ON", b"ON", "text/plain"),
        ("{text}", b'door (entrance): a "person" without a mask', "text/plain"),
        ('{"say": "{text}", "n": "{people}", "z": "{zones}"}', None, "application/json"),
    ],
)
def test_the_payload_is_a_template(
    tmp_path: Path,
    mosquitto: Mosquitto,
    subscriber: Subscriber,
    payload: str,
    published: bytes | None,
    content_type: str,
) -> None:
    text = 'door (entrance): a "person" without a mask'
    with publishing(tmp_path, mosquitto, payload=payload) as it:
        it.add(action(1, text=text))
        (message,) = subscriber.wait_for(1)
        assert message.content_type == content_type
        assert message.user_properties == {"id": str(action(1).id)}
        if published is not None:
            assert message.payload == published
        else:
            assert json.loads(message.payload) == {"say": text, "n": None, "z": ["entrance"]}


@pytest.mark.parametrize(
    ("zones", "topic"),
    [
        (("a",), "alarms/a/x"),
        ((), "alarms/none/x"),
        (("..//#",), "alarms/..___/x"),
        (("+",), "alarms/_/x"),
        (("$SYS/broker",), "alarms/_SYS_broker/x"),
        (("a b\x00\n", "c"), "alarms/a_b__,_c/x"),
        (("{device}",), "alarms/{device}/x"),
        (("ö" * 300,), f"alarms/{'ö' * 100}/x"),
        (("\ud800\uffff",), "alarms/__/x"),
    ],
)
def test_a_value_is_one_level_of_a_topic_whatever_it_holds(zones: tuple[str, ...], topic: str) -> None:
    """An output over MQTT reaches neither maskd's own topics nor Home Assistant's, whatever a zone or label is
    called."""
    assert topic_of(action(1, zones=zones), "alarms/{zones}/x") == topic


def test_it_waits_for_the_broker_and_no_longer(tmp_path: Path, mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    mosquitto.stop()
    with publishing(tmp_path, mosquitto) as it:
        it.add(action(1), action(2))
        wait_until(lambda: it.client.problem is not None, what="the outage")
        assert (it.queue.depth("alarm"), it.problems) == (2, "")
        mosquitto.start()
        wait_until(lambda: it.is_done, what="both answers")


def test_what_was_not_acknowledged_stays_through_a_crash_of_the_broker_and_a_restart(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with publishing(tmp_path, mosquitto) as it:
        wait_until(lambda: it.client.connection is not None, what="the connection")
        mosquitto.freeze()
        it.add(action(1))
        wait_until(lambda: it.output._publisher._waits, what="the wait for the answer")
        mosquitto.kill()
        wait_until(lambda: it.client.connection is None, what="the loss")
        assert it.queue.depth("alarm") == 1
    mosquitto.start()
    with Subscriber(mosquitto.port, "alarms/#") as subscriber, publishing(tmp_path, mosquitto) as it:
        wait_until(lambda: it.is_done, what="the answer")
        assert [json.loads(message.payload)["track"] for message in subscriber.wait_for(1)] == ["t1"]


def test_a_refused_topic_waits_is_named_and_is_not_tried_often(mosquitto_folder: Path, tmp_path: Path) -> None:
    own = ["user lobby", "topic readwrite maskd/lobby/#"]
    broker = Mosquitto(mosquitto_folder, users={"lobby": "pw"}, acl=own)
    broker.start()
    (tmp_path / "pw").write_text("pw")
    try:
        with publishing(tmp_path, broker, {"username": "lobby", "password_file": tmp_path / "pw"}) as it:
            it.add(action(1))
            wait_until(
                lambda: "the broker refuses a message on alarms/door: Not authorized; let this device's" in it.problems
            )
            assert it.queue.depth("alarm") == 1
            assert it.output._retry_at > time.monotonic() + 20
            broker.allow([*own, "topic write alarms/#"])
            it.output._retry_at = 0.0
            it.output.wake()
            wait_until(lambda: it.is_done, what="the answer")
            wait_until(lambda: it.problems == "", what="the end of the problem")
    finally:
        broker.stop()


def test_a_message_that_is_too_large_holds_up_nothing_and_is_told(mosquitto_folder: Path, tmp_path: Path) -> None:
    broker = Mosquitto(mosquitto_folder, extra=["max_packet_size 2000"])
    broker.start()
    try:
        with publishing(tmp_path, broker) as it:
            it.add(action(1, text="x" * 3000), action(2))
            wait_until(lambda: it.is_done, what="the second one")
            assert it.output.given_up == 1
            assert "it accepts at most 2000 bytes; shorten topic or payload" in it.problems
    finally:
        broker.stop()


def test_a_broker_that_ends_the_connection_over_a_message_is_spared(tmp_path: Path) -> None:
    """As Mosquitto 2.0.11 does with MQTT 3.1.1 where the topic is not allowed."""

    def answer(kind: int, body: bytes) -> bytes | None:
        if kind == CONNECT:
            return connack()
        if kind == PUBLISH:
            return None if body[2:].startswith(b"alarms/") else puback(body)
        return b""

    with FakeBroker(answer) as broker, publishing(tmp_path, broker) as it:
        it.add(action(1))
        wait_until(
            lambda: "was lost over each of the last 2 messages on alarms/door" in it.problems, what="the problem"
        )
        assert it.output._retry_at > time.monotonic() + 20
        assert it.queue.depth("alarm") == 1


def test_nothing_leaves_while_it_is_withheld(tmp_path: Path, mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    with publishing(tmp_path, mosquitto) as it:
        wait_until(lambda: it.client.connection is not None, what="the connection")
        it.output.withhold(True)
        it.add(action(1))
        it.output._work(0.0)
        assert (subscriber.messages, it.queue.depth("alarm"), it.problems) == ([], 1, "")
        it.output.withhold(False)
        wait_until(lambda: it.is_done, what="the answer")


def test_a_switch_to_aggregate_waits_for_no_broker(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with publishing(tmp_path, mosquitto) as it:
        wait_until(lambda: it.client.connection is not None, what="the connection")
        mosquitto.freeze()
        it.add(action(1))
        wait_until(lambda: it.output._publisher._waits, what="the wait for the answer")
        it.output.withhold(True)
        assert (it.queue.depth("alarm"), it.problems) == (1, "")
        wait_until(lambda: it.client.connection is None, what="the end of the connection")
        mosquitto.thaw()


def test_a_stop_does_not_wait_for_the_broker(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with publishing(tmp_path, mosquitto) as it:
        wait_until(lambda: it.client.connection is not None, what="the connection")
        mosquitto.freeze()
        it.add(action(1))
        wait_until(lambda: it.output._publisher._waits, what="the wait for the answer")
        it.output.stop(Deadline(20))
        assert not it.output._worker.is_alive
        mosquitto.thaw()


def test_the_example_of_the_page_publishes(tmp_path: Path, mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    documented = next(text for text in blocks("outputs.md", "yaml") if "topic:" in text)
    broker = {"mqtt": {"host": mosquitto.host, "port": mosquitto.port}}
    it = Acting(config(tmp_path, "", **yaml.safe_load(documented), **broker))
    it.client.start()
    it.start()
    try:
        it.commit(passers_by(2))
        messages = subscriber.wait_for(2)
    finally:
        it.stop()
        it.client.stop()
    assert [message.topic for message in messages] == ["alarms/mask/door"] * 2
    assert json.loads(messages[0].payload)["who"] == "without_mask"
