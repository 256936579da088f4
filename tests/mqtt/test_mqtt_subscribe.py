"""What others publish reaches its handler, and nothing that they publish ends the connection."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from edge.config import MqttSettings
from edge.mqtt import Incoming, Message, MqttClient, connection_history
from edge.system.backoff import Backoff
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.waiting import wait_until

both_protocols = pytest.mark.parametrize("protocol", ["5", "3.1.1"])
SET_FILTER = "maskd/lobby/+/+/set"
SET_TOPIC = "maskd/lobby/door/min_score/set"


class Listening:
    """A connected client that collects what comes in."""

    def __init__(self, broker: Mosquitto, **settings: Any) -> None:
        self.heard: list[Incoming] = []
        self.client = MqttClient(
            MqttSettings(host=broker.host, port=broker.port, **settings), "lobby", backoff=Backoff(0.05, 0.2)
        )


@contextmanager
def listening(broker: Mosquitto, **settings: Any) -> Iterator[Listening]:
    listener = Listening(broker, **settings)
    listener.client.subscribe(SET_FILTER, listener.heard.append)
    listener.client.start()
    try:
        wait_until(lambda: subscriptions(broker), what="the subscription")
        yield listener
    finally:
        listener.client.stop()


def subscriptions(broker: Mosquitto) -> int:
    return broker.log.count(f"maskd-lobby 1 {SET_FILTER}")


def publish(broker: Mosquitto, topic: str, payload: str | Path | None, *options: str) -> None:
    what = ["-f", str(payload)] if isinstance(payload, Path) else ["-n"] if payload is None else ["-m", payload]
    address = ["-h", broker.host, "-p", str(broker.port)]
    subprocess.run(["mosquitto_pub", *address, "-t", topic, "-q", "1", *what, *options], check=True, timeout=30)


@pytest.fixture
def broker(mosquitto_folder: Path) -> Iterator[Mosquitto]:
    """One whose log tells of subscriptions."""
    broker = Mosquitto(mosquitto_folder, extra=["log_type all"])
    broker.start()
    yield broker
    broker.stop()


@both_protocols
def test_who_hears_that_a_device_is_online_can_be_heard(broker: Mosquitto, protocol: Literal["5", "3.1.1"]) -> None:
    with listening(broker, protocol=protocol):
        wait_until(lambda: "Received PUBLISH from maskd-lobby" in broker.log, what="the device online")
        asked = [line.split(" from ")[0].split()[-1] for line in broker.log.splitlines() if " from maskd-lobby" in line]
        assert asked[:2] == ["SUBSCRIBE", "PUBLISH"]


@both_protocols
def test_what_was_sent_while_the_device_was_away_is_heard(broker: Mosquitto, protocol: Literal["5", "3.1.1"]) -> None:
    with listening(broker, protocol=protocol):
        pass
    publish(broker, SET_TOPIC, "0.6")
    with listening(broker, protocol=protocol) as back:
        wait_until(lambda: back.heard, what="the message")
        assert back.heard == [Incoming(SET_TOPIC, b"0.6", retained=False)]


@both_protocols
def test_what_is_no_longer_listened_to_is_not_collected_by_the_broker(
    broker: Mosquitto, protocol: Literal["5", "3.1.1"]
) -> None:
    with listening(broker, protocol=protocol) as listener:
        other = "maskd/lobby/privacy/set"
        subscribed = f"maskd-lobby 1 {other}"
        listener.client.subscribe(other, listener.heard.append)
        listener.client.unsubscribe(SET_FILTER)
        listener.client.reconfigure(MqttSettings(host=broker.host, port=broker.port, protocol=protocol))
        wait_until(
            lambda: any(subscribed in each for each in broker.log.split(" as maskd-lobby (")[2:]),
            what="the subscription on the new connection",
        )
        publish(broker, SET_TOPIC, "0.6")
        publish(broker, other, "events")
        wait_until(lambda: listener.heard, what="the message")
        assert [incoming.topic for incoming in listener.heard] == [other]
        delivered = [line for line in broker.log.splitlines() if "Sending PUBLISH to maskd-lobby" in line]
        assert not any(SET_TOPIC in line for line in delivered)


@both_protocols
def test_what_was_subscribed_reaches_its_handler_on_every_connection(
    broker: Mosquitto, protocol: Literal["5", "3.1.1"]
) -> None:
    publish(broker, "maskd/lobby/gate/min_score/set", "0.5", "-r")
    with listening(broker, protocol=protocol) as listener:
        wait_until(lambda: listener.heard, what="the retained message")
        publish(broker, SET_TOPIC, "0.6")
        publish(broker, "maskd/elsewhere/door/min_score/set", "0.7")
        publish(broker, SET_TOPIC, "0.8")
        wait_until(lambda: len(listener.heard) == 3, what="three messages")
        assert listener.heard == [
            Incoming("maskd/lobby/gate/min_score/set", b"0.5", retained=True),
            Incoming(SET_TOPIC, b"0.6", retained=False),
            Incoming(SET_TOPIC, b"0.8", retained=False),
        ]
        listener.client.drop("a new connection is wanted")
        wait_until(lambda: subscriptions(broker) == 2)
        publish(broker, SET_TOPIC, "0.9")
        wait_until(lambda: listener.heard[-1].payload == b"0.9")


@both_protocols
def test_a_handler_that_fails_does_not_end_the_connection(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture, protocol: Literal["5", "3.1.1"]
) -> None:
    def fails(incoming: Incoming) -> None:
        raise RuntimeError(f"a handler that cannot take {incoming.payload!r}")

    listener = Listening(broker, protocol=protocol)
    listener.client.subscribe(SET_TOPIC, fails)
    listener.client.subscribe(SET_FILTER, listener.heard.append)
    listener.client.start()
    try:
        wait_until(lambda: subscriptions(broker), what="the subscription")
        for value in ("1", "2"):
            publish(broker, SET_TOPIC, value)
        wait_until(lambda: {incoming.payload for incoming in listener.heard} == {b"1", b"2"})
        assert listener.client.connections == 1
        assert "a handler that cannot take b'1'" in caplog.text
    finally:
        listener.client.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_is_replaced_and_messages_flow_again(broker: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    deaths: list[Incoming] = []

    def dies_once(incoming: Incoming) -> None:
        if not deaths:
            deaths.append(incoming)
            raise SystemExit

    listener = Listening(broker)
    listener.client.subscribe(SET_TOPIC, dies_once)
    listener.client.subscribe(SET_FILTER, listener.heard.append)
    listener.client.start()
    try:
        wait_until(lambda: subscriptions(broker), what="the subscription")
        listener.client.ensure_alive()
        publish(broker, SET_TOPIC, "deadly")
        wait_until(lambda: deaths and listener.client.connection is None, what="the death of the thread")
        assert listener.client.publish(Message("maskd/lobby/status", b"{}")) is None

        def is_alive_again() -> bool:
            listener.client.ensure_alive()
            return listener.client.connection == 2

        wait_until(is_alive_again, what="a new thread's connection")
        with Subscriber(broker.port, "maskd/lobby/status") as subscriber:
            listener.client.publish(Message("maskd/lobby/status", b"{}"))
            subscriber.wait_for(1)
        wait_until(lambda: subscriptions(broker) == 2)
        publish(broker, SET_TOPIC, "harmless")
        wait_until(lambda: listener.heard and listener.heard[-1].payload == b"harmless")
        replacements = [r for r in caplog.records if "broker died of SystemExit()" in r.getMessage()]
        assert len(replacements) == 1
        assert replacements[0].levelno == logging.ERROR
    finally:
        listener.client.stop()
    listener.client.ensure_alive()
    assert listener.client.connection is None


@both_protocols
def test_a_message_too_large_for_a_command_is_ignored_and_counted(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture, protocol: Literal["5", "3.1.1"]
) -> None:
    with listening(broker, protocol=protocol) as listener:
        for _ in range(2):
            publish(broker, SET_TOPIC, "x" * 4097)
        publish(broker, SET_TOPIC, "x" * 50_000)  # an MQTT 5 broker keeps this one to itself
        publish(broker, SET_TOPIC, "x" * 4096)
        wait_until(lambda: listener.heard, what="the message that is not too large")
        assert [len(incoming.payload) for incoming in listener.heard] == [4096]
        assert listener.client.discarded == (2 if protocol == "5" else 3)
        assert listener.client.connections == 1
    assert caplog.text.count("too large for a command") == 1


def test_a_huge_message_neither_fills_the_memory_nor_keeps_the_device_offline(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message too large for a command is never handed on, and a huge one is never read.

    This one is retained, and queued for the device's session: it comes again whenever it can.
    """
    monkeypatch.setattr(connection_history, "DEAF_S", 2.0)
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(50_000_000)
    with listening(broker, protocol="3.1.1") as listener:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is from now on
        before = peak_memory()
        publish(broker, SET_TOPIC, huge, "-r")
        wait_until(lambda: listener.client.connection == 2, what="a connection that is rid of the message")
        publish(broker, SET_TOPIC, None, "-r")
        wait_until(lambda: subscriptions(broker) >= 2, what="a new subscription")
        publish(broker, SET_TOPIC, "0.6")
        wait_until(lambda: listener.heard and listener.heard[-1].payload == b"0.6")
        assert listener.client.connections == 2
        assert peak_memory() - before < 10_000_000
    explanations = [text for text in caplog.messages if "sent a message of more than 262144 bytes" in text]
    assert len(explanations) == 1
    assert "so the connection was closed; find out who publishes it" in explanations[0]
    assert "or set mqtt.protocol to auto: with MQTT 5 the broker does not forward such messages" in explanations[0]


def peak_memory() -> int:
    """Bytes of this process's memory, at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
