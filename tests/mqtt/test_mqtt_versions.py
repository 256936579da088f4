"""`mqtt.protocol: auto`: MQTT 5, and 3.1.1 at a broker that does not speak it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edge.checks.broker import visit_broker
from edge.commands.demo.broker import Broker, Subscriber
from edge.config import Config, MqttSettings
from edge.errors import MaskdError
from edge.mqtt import Message, MqttClient, session
from edge.mqtt.retained import RetainedMessages
from edge.system.backoff import Backoff
from tests.support.connecting import connect_once
from tests.support.fake_broker import CONNACK, CONNECT, PUBLISH, SUBACK, SUBSCRIBE, FakeBroker, connack, puback
from tests.support.mosquitto import Mosquitto
from tests.support.waiting import wait_until

SPEAKS_3, SPEAKS_5 = 4, 5
"""The level in a CONNECT."""


class OldBroker:
    """Speaks MQTT 3.1.1; what it says to a CONNECT of MQTT 5 is `refusal`."""

    def __init__(self, refusal: bytes | None) -> None:
        self.refusal = refusal
        self.levels: list[int] = []
        """That clients asked for."""

    def answer(self, kind: int, body: bytes) -> bytes | None:
        if kind == CONNECT:
            self.levels.append(body[6])
            return self.refusal if body[6] == SPEAKS_5 else bytes([CONNACK, 2, 0, 0])
        if kind == SUBSCRIBE:
            return bytes([SUBACK, 3]) + body[:2] + bytes([1])
        return puback(body) if kind == PUBLISH else b""


REFUSALS = {
    "refused as in 3.1.1": (bytes([CONNACK, 2, 0, 1]), "since it refused MQTT 5,"),
    "refused as in 5": (connack(0x84), "since it refused MQTT 5,"),
    "malformed to it": (connack(0x81), "since it refused MQTT 5,"),
    "closed": (None, "since it closed the connection when asked for MQTT 5,"),
    "silent": (b"", "since it did not answer MQTT 5,"),
    "answered as in 3.1.1": (bytes([CONNACK, 2, 0, 0]), "since its answer to MQTT 5 was not understood,"),
    "answered with nonsense": (b"\xff\x00\xff\x00", "since its answer to MQTT 5 was not understood,"),
}
each_refusal = pytest.mark.parametrize(("refusal", "told"), REFUSALS.values(), ids=REFUSALS)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "FIRST_ANSWER_TIMEOUT_S", 0.5)


@contextmanager
def connecting(host: str, port: int, **more: str) -> Iterator[MqttClient]:
    settings = MqttSettings.model_validate({"host": host, "port": port, **more})
    client = MqttClient(settings, "lobby", backoff=Backoff(0.02, 0.05))
    client.start()
    try:
        yield client
    finally:
        client.stop()


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@each_refusal
def test_3_1_1_is_spoken_where_5_is_not(refusal: bytes | None, told: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    old = OldBroker(refusal)
    with FakeBroker(old.answer) as broker, connecting(broker.host, broker.port) as client:
        client.subscribe("a/b", lambda _incoming: None)
        wait_until(lambda: client.connection == 1, what="the connection")
        assert client.publish(Message("maskd/lobby/status", b"{}")) is not None
        assert (client.problem, warnings_in(caplog)) == (None, [])
        connected = f"connected to the broker {broker.host}:{broker.port} with MQTT 3.1.1, {told} as maskd-lobby"
        assert connected in caplog.text
        client.drop("a new connection is wanted")
        wait_until(lambda: client.connection == 2, what="the next connection")
        assert old.levels == [SPEAKS_5, SPEAKS_3, SPEAKS_3]


def test_a_broker_that_has_learnt_5_is_spoken_to_in_5(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.mqtt import versions

    monkeypatch.setattr(versions, "AGAIN_S", 0.0)
    old = OldBroker(None)
    with FakeBroker(old.answer) as broker, connecting(broker.host, broker.port) as client:
        wait_until(lambda: client.connection == 1, what="the connection")
        old.refusal = connack()
        client.drop("a new connection is wanted")
        wait_until(lambda: client.connection == 2, what="the next connection")
        assert old.levels == [SPEAKS_5, SPEAKS_3, SPEAKS_5]


def test_a_broker_that_has_unlearnt_3_1_1_is_asked_for_5_again() -> None:
    old = OldBroker(None)

    def speaks_5_only(kind: int, body: bytes) -> bytes | None:
        is_old = kind == CONNECT and body[6] == SPEAKS_3
        return bytes([CONNACK, 2, 0, 1]) if is_old else old.answer(kind, body)

    answers: list[Callable[[int, bytes], bytes | None]] = [old.answer]
    with (
        FakeBroker(lambda kind, body: answers[0](kind, body)) as broker,
        connecting(broker.host, broker.port) as client,
    ):
        wait_until(lambda: client.connection == 1, what="the connection")
        old.refusal = connack()
        answers[0] = speaks_5_only
        client.drop("a new connection is wanted")
        wait_until(lambda: client.connection == 2, what="the next connection")


@each_refusal
def test_other_commands_fall_back_as_well(refusal: bytes | None, told: str) -> None:
    old = OldBroker(refusal)
    with FakeBroker(old.answer) as broker:
        settings = MqttSettings(host=broker.host, port=broker.port)
        connect_once(settings)
        assert RetainedMessages(settings, "lobby").find([]) == {}
        assert visit_broker(Config(mqtt=settings, device="lobby")).version == "3.1.1"
    assert told


@pytest.mark.parametrize(
    ("protocol", "told"),
    [("auto", "does not answer MQTT 5 or 3.1.1"), ("5", "mqtt.port, mqtt.tls and mqtt.protocol are")],
)
def test_a_broker_that_answers_nothing_is_explained(
    protocol: str, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "ANSWER_TIMEOUT_S", 0.5)
    with FakeBroker(lambda _kind, _body: b"") as broker:
        with connecting(broker.host, broker.port, protocol=protocol) as client:
            wait_until(lambda: client.problem and broker.kinds.count(CONNECT) > 4, what="some attempts")
            assert told in str(client.problem)
        assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize("refusal", [bytes([CONNACK, 2, 0, 1]), connack(0x84)])
def test_a_version_that_was_asked_for_is_not_replaced(refusal: bytes) -> None:
    old = OldBroker(refusal)
    with FakeBroker(old.answer) as broker, pytest.raises(MaskdError, match=r"set mqtt\.protocol to auto"):
        connect_once(MqttSettings(host=broker.host, port=broker.port, protocol="5"))
    assert old.levels == [SPEAKS_5]


def test_a_refused_login_is_no_reason_for_3_1_1() -> None:
    old = OldBroker(connack(0x87))
    with FakeBroker(old.answer) as broker, pytest.raises(MaskdError, match="Not authorized"):
        connect_once(MqttSettings(host=broker.host, port=broker.port))
    assert old.levels == [SPEAKS_5]


def test_mosquitto_is_spoken_to_in_5(mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with connecting(mosquitto.host, mosquitto.port) as client:
        wait_until(lambda: client.connection, what="the connection")
    assert "with MQTT 5 as maskd-lobby" in caplog.text


def test_amqtt_is_spoken_to_in_3_1_1(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Broker() as broker, Subscriber(broker.port, "maskd/#") as subscriber:
        with connecting("127.0.0.1", broker.port) as client:
            wait_until(lambda: client.connection, what="the connection")
            assert client.publish(Message("maskd/lobby/door/event", b"{}")) is not None
            seen = [subscriber.messages.get(timeout=30) for _ in range(2)]
        assert {(message.topic, message.payload) for message in seen} == {
            ("maskd/lobby/availability", b"online"),
            ("maskd/lobby/door/event", b"{}"),
        }
    assert "with MQTT 3.1.1, since" in caplog.text
