"""Brokers that allow less than maskd would like, and brokers that misbehave."""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from edge.config import MqttSettings
from edge.errors import MaskdError
from edge.mqtt import Acknowledgement, Message, MqttClient, connection_history, session
from edge.mqtt.sender import Sender
from edge.payloads.events import Draft
from edge.store.outbox import Outbox
from edge.system.backoff import Backoff
from tests.support.connecting import connect_once
from tests.support.fake_broker import CONNECT, PINGREQ, PUBLISH, SUBSCRIBE, FakeBroker, connack, puback, suback
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.transitions import drafts, transition
from tests.support.waiting import wait_until


class Answers:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.all: list[Acknowledgement] = []

    def connection_changed(self) -> None: ...

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        self.all.append(acknowledgement)


@contextmanager
def connecting(host: str, port: int, protocol: Literal["5", "3.1.1"] = "5") -> Iterator[MqttClient]:
    """Not started, so that listeners can be added."""
    client = MqttClient(MqttSettings(host=host, port=port, protocol=protocol), "lobby", backoff=Backoff(0.02, 0.05))
    try:
        yield client
    finally:
        client.stop()


@contextmanager
def limited(folder: Path, *lines: str) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, extra=lines)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("limit", "over_5", "over_3"),
    [
        ("max_qos 0", "QoS not supported; allow QoS 1 at the broker", "whether it allows QoS 1"),
        ("retain_available false", "Retain not supported; allow retained messages", "QoS 1 and retained messages"),
    ],
)
def test_a_broker_that_allows_too_little_is_explained_once(
    mosquitto_folder: Path, caplog: pytest.LogCaptureFixture, limit: str, over_5: str, over_3: str
) -> None:
    with limited(mosquitto_folder, limit) as broker:
        for protocol, told in (("5", over_5), ("3.1.1", over_3)):
            caplog.clear()
            with connecting(broker.host, broker.port, protocol) as client:  # type: ignore[arg-type]
                client.start()
                wait_until(lambda client=client: client.problem, what="a refusal")  # type: ignore[misc]
                time.sleep(0.5)  # for some more attempts, which are not to be told
                assert told in str(client.problem)
            assert len(warnings_in(caplog)) == 1


def test_an_event_longer_than_the_broker_allows_holds_up_no_other(
    mosquitto_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path / "outbox", max_events=1000, max_bytes=10_000_000)
    outbox.open()
    outbox.append([*events("a"), *events("b", zones=[f"zone-{number}" for number in range(200)]), *events("c")])
    with closing(outbox), limited(mosquitto_folder, "max_packet_size 2000") as broker:
        with Subscriber(broker.port, "maskd/lobby/door/event") as subscriber, connecting(HOST, broker.port) as client:
            sender = Sender(outbox, client, on_failure=lambda error: None)
            sender.start()
            client.start()
            wait_until(lambda: sender.sent == 2, what="the two events that fit")
            outbox.append(events("d"))
            wait_until(lambda: sender.sent == 3, what="a later event of the same camera")
            time.sleep(1.0)  # for what must not happen
            sender.stop()
            assert client.connections == 1
            assert sender.status().fields["mqtt"]["refused"] == 1
            assert [json.loads(message.payload)["track"] for message in subscriber.messages] == ["a", "c", "d"]
        assert outbox.depth == 1
    assert len(warnings_in(caplog)) == 1
    assert "event 2 is too long for the broker (it accepts at most 2000 bytes)" in warnings_in(caplog)[0]


def events(track: str, zones: list[str] | None = None) -> list[Draft]:
    return drafts(replace(transition(track=track), zones=tuple(zones or ())))


HOST = "127.0.0.1"


@pytest.mark.parametrize("limit", [120, 200])
def test_a_packet_of_just_the_size_that_the_broker_allows_is_sent(limit: int) -> None:
    """Its length takes one byte up to 127, then two."""
    sizes = []

    def answer(kind: int, body: bytes) -> bytes:
        sizes.append((kind, 1 + (1 if len(body) < 128 else 2) + len(body)))
        return accepting(bytes([0x27, 0, 0, 0, limit]))(kind, body)

    with FakeBroker(answer) as broker, connecting(broker.host, broker.port) as client:
        answers = Answers()
        client.add_listener(answers)
        client.start()
        wait_until(lambda: client.connection, what="the connection")
        for size in range(150):
            client.publish(Message("maskd/x", b"x" * size, schema="maskd.status/1", seq=7, expiry_s=60))
        wait_until(lambda: len(answers.all) == 151, what="an answer to each, and to `online`")
        assert max(size for kind, size in sizes if kind == PUBLISH) == limit
        refused = [answer for answer in answers.all if answer.refusal is not None]
        assert len(refused) + len([kind for kind, _ in sizes if kind == PUBLISH]) == 151
        assert all(answer.is_lasting for answer in refused)


def test_messages_expire_at_the_broker(mosquitto: Mosquitto) -> None:
    subscribe = ["mosquitto_sub", "-p", str(mosquitto.port), "-i", "desk", "-c", "-q", "1", "-t", "maskd/+/+/event"]
    subprocess.run([*subscribe, "-E"], check=True, timeout=10)
    with connecting(HOST, mosquitto.port) as client:
        answers = Answers()
        client.add_listener(answers)
        client.start()
        wait_until(lambda: client.connection, what="the connection")
        client.publish(Message("maskd/lobby/door/event", b"short-lived", expiry_s=1))
        client.publish(Message("maskd/lobby/door/event", b"lasting"))
        client.publish(Message("maskd/lobby/door/event", b"long-lived", expiry_s=100))
        wait_until(lambda: len(answers.all) == 4)
        time.sleep(2.2)  # the broker counts in whole seconds
    received = subprocess.run([*subscribe, "-C", "2", "-W", "5"], capture_output=True, timeout=10, check=True).stdout
    assert received.split() == [b"lasting", b"long-lived"]


def accepting(properties: bytes = b"") -> Callable[[int, bytes], bytes]:
    def answer(kind: int, body: bytes) -> bytes:
        if kind == CONNECT:
            return connack(properties=properties)
        return puback(body) if kind == PUBLISH else suback(body, 1) if kind == SUBSCRIBE else b""

    return answer


def test_a_broker_that_takes_qos_0_only_is_not_served() -> None:
    maximum_qos_0 = bytes([0x24, 0])
    with (
        FakeBroker(accepting(maximum_qos_0)) as broker,
        pytest.raises(MaskdError, match="QoS not supported; allow QoS 1"),
    ):
        connect_once(MqttSettings(host=broker.host, port=broker.port))


def test_no_more_is_in_flight_than_the_broker_takes_whoever_publishes() -> None:
    receive_maximum_5 = bytes([0x21, 0, 5])

    def answer(kind: int, body: bytes) -> bytes:
        return b"" if kind == PUBLISH else accepting(receive_maximum_5)(kind, body)

    with FakeBroker(answer) as broker, connecting(broker.host, broker.port) as client:
        client.start()
        wait_until(lambda: client.connection, what="the connection")
        for _ in range(30):
            client.publish(Message("maskd/lobby/status", b"{}"))
        wait_until(lambda: broker.kinds.count(PUBLISH) == 5, what="five messages")
        time.sleep(0.6)  # for what must not come
        assert broker.kinds.count(PUBLISH) == 5


def test_the_broker_s_keepalive_counts() -> None:
    keepalive_1_s = bytes([0x13, 0, 1])
    with FakeBroker(accepting(keepalive_1_s)) as broker, connecting(broker.host, broker.port) as client:
        client.start()
        wait_until(lambda: PINGREQ in broker.kinds, what="a sign of life, though mqtt.keepalive_s is 30")


def test_a_refused_subscription_is_told_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reasons = {b"maskd/lobby/+/+/set": 0x87, b"homeassistant/status": 1}

    def answer(kind: int, body: bytes) -> bytes:
        if kind == SUBSCRIBE:
            return suback(body, reasons[body[5:-1]])
        return accepting()(kind, body)

    with FakeBroker(answer) as broker, connecting(broker.host, broker.port) as client:
        for topic_filter in ("maskd/lobby/+/+/set", "homeassistant/status"):
            client.subscribe(topic_filter, lambda _incoming: None)
        client.start()
        for number in (1, 2):
            wait_until(lambda number=number: broker.kinds.count(SUBSCRIBE) == 2 * number)  # type: ignore[misc]
            wait_until(lambda number=number: client.connection == number)  # type: ignore[misc]
            client.drop("a new connection is wanted")
        wait_until(lambda: client.connection == 3)
        told = "does not let maskd-lobby subscribe to maskd/lobby/+/+/set: Not authorized; messages there have no"
        assert caplog.text.count(told) == 1
        assert "subscribe to homeassistant/status" not in caplog.text
        reasons[b"maskd/lobby/+/+/set"] = 1
        client.drop("a new connection is wanted")
        wait_until(lambda: "lets maskd-lobby subscribe to maskd/lobby/+/+/set again" in caplog.text)


def test_a_huge_message_over_mqtt_5_is_laid_to_the_broker(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told the limit: whoever speaks MQTT 5 already need not be told to."""
    monkeypatch.setattr(connection_history, "DEAF_S", 0.1)
    megabyte = b"\x30\x80\x80\x40"

    def answer(kind: int, body: bytes) -> bytes:
        return megabyte if kind == SUBSCRIBE else accepting()(kind, body)

    with FakeBroker(answer) as broker, connecting(broker.host, broker.port) as client:
        client.subscribe("#", lambda _incoming: None)
        client.start()
        wait_until(lambda: "sent a message of more than 262144 bytes" in caplog.text)
    assert "or install a newer version of the broker, because this one forwards such" in caplog.text
    assert "mqtt.protocol" not in caplog.text


@pytest.mark.parametrize(
    "reply",
    [
        b"\x00" * 50,
        b"\xff" * 50,
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\xff\xff\xff\x7f",  # a CONNACK of 256 MB
        b"\x20\xff\xff\xff\xff\xff\xff",
        b"\x20\x00",
        b"\x20\x01\x00",
        b"\x20\x03\x00\x00\x7f",
        connack() + b"\x90\x00",
        connack() + b"\x40\x00",
        connack() + b"\x30\x00",
        connack() + b"\x30\x03\x00\x09a",
        connack() + b"\x30\x05\x00\x01\xff\x00x",  # a topic that is no UTF-8
        connack() + b"\xe0\x00",
        connack() + b"\xf0\x00",
    ],
)
def test_nonsense_from_a_broker_is_survived(
    reply: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nonsense from a broker ends one connection at most.

    It is told in few words, without a traceback.
    """
    monkeypatch.setattr(session, "ANSWER_TIMEOUT_S", 0.3)
    monkeypatch.setattr(connection_history, "DEAF_S", 0.1)
    sane = False

    def answer(kind: int, body: bytes) -> bytes:
        return accepting()(kind, body) if sane or kind != CONNECT else reply

    with FakeBroker(answer) as broker, connecting(broker.host, broker.port) as client:
        client.subscribe("#", lambda _incoming: None)
        client.start()
        wait_until(lambda: broker.kinds.count(CONNECT) >= 3 or SUBSCRIBE in broker.kinds, what="three attempts")
        sane = True
        client.drop("the broker has come to its senses")
        wait_until(lambda: client.connection and SUBSCRIBE in broker.kinds, what="a connection")
    assert "Traceback" not in caplog.text
    assert len(warnings_in(caplog)) <= 2
