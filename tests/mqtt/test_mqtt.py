from __future__ import annotations

import logging
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.client
import pytest

from edge.config import MqttSettings
from edge.errors import MaskdError
from edge.mqtt import Acknowledgement, Message, MqttClient, guarding
from edge.system.backoff import Backoff
from edge.system.rate_limit import PerMinute
from tests.support.connecting import connect_once
from tests.support.fake_broker import CONNECT, SUBSCRIBE, FakeBroker, connack, suback
from tests.support.mosquitto import Mosquitto, Subscriber, free_port
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end
from tests.support.waiting import wait_until

PASSWORD = "correct horse battery"

both_protocols = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


def settings_for(broker: Mosquitto, **more: Any) -> MqttSettings:
    return MqttSettings(host=broker.host, port=broker.port, **more)


@contextmanager
def started(settings: MqttSettings) -> Iterator[MqttClient]:
    client = MqttClient(settings, "lobby", backoff=Backoff(0.05, 0.2))
    client.start()
    try:
        yield client
    finally:
        client.stop()


@contextmanager
def running(broker: Mosquitto) -> Iterator[Mosquitto]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def connected(client: MqttClient) -> None:
    wait_until(lambda: client.connection, what="the connection")


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@both_protocols
def test_availability_is_retained_and_follows_the_daemon(mosquitto: Mosquitto, protocol: Literal["5", "3.1.1"]) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber:
        with started(settings_for(mosquitto, protocol=protocol)):
            subscriber.wait_for(1, "maskd/lobby/availability")
            with Subscriber(mosquitto.port, "maskd/#") as latecomer:
                first = latecomer.wait_for(1, "/availability")[0]
                assert (first.payload, first.retained) == (b"online", True)
        assert [m.payload for m in subscriber.wait_for(2, "/availability")] == [b"online", b"offline"]
    with Subscriber(mosquitto.port, "maskd/#") as latecomer:
        last = latecomer.wait_for(1, "/availability")[0]
        assert (last.payload, last.retained) == (b"offline", True)


def test_a_killed_process_is_offline_by_its_will(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Subscriber(mosquitto.port, "maskd/lobby/availability") as subscriber:
        command = [sys.executable, "-m", "tests.support.sending_process", str(tmp_path / "outbox"), str(mosquitto.port)]
        with killed_at_the_end(subprocess.Popen(command, cwd=ROOT)):
            assert subscriber.wait_for(1)[0].payload == b"online"
        assert [message.payload for message in subscriber.wait_for(2)] == [b"online", b"offline"]


@both_protocols
def test_messages_carry_their_properties_and_are_acknowledged(
    mosquitto: Mosquitto, protocol: Literal["5", "3.1.1"]
) -> None:
    recorder = Recorder()
    client = MqttClient(settings_for(mosquitto, protocol=protocol), "lobby")
    client.add_listener(recorder)
    with Subscriber(mosquitto.port, "maskd/lobby/door/event") as subscriber:
        client.start()
        connected(client)
        receipt = client.publish(Message("maskd/lobby/door/event", b"{}", schema="maskd.event/1", seq=7))
        message = subscriber.wait_for(1)[0]
        wait_until(lambda: Acknowledgement(receipt, None) in recorder.answers)  # type: ignore[arg-type]
        client.stop()
    assert message.payload == b"{}"
    if protocol == "5":
        assert message.content_type == "application/json"
        assert message.user_properties == {"schema": "maskd.event/1", "seq": "7"}


class Recorder:
    def __init__(self) -> None:
        self.answers: list[Acknowledgement] = []
        self.changes = 0

    def connection_changed(self) -> None:
        self.changes += 1

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        self.answers.append(acknowledgement)


def test_an_absent_broker_is_reported_once_and_found_when_it_comes(
    mosquitto_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Mosquitto(mosquitto_folder)
    with started(settings_for(broker)) as client:
        wait_until(lambda: client.problem)
        time.sleep(1)  # some more attempts, which must not be logged
        assert client.publish(Message("maskd/lobby/status", b"{}")) is None
        assert warnings_in(caplog) == [
            f"no broker at 127.0.0.1:{broker.port}: Connection refused; events wait in the outbox until one answers: "
            "start it, or correct mqtt.host and mqtt.port"
        ]
        with running(broker):
            connected(client)
            assert client.problem is None


def test_stop_is_quick_without_a_broker() -> None:
    with started(MqttSettings(host="127.0.0.1", port=free_port())) as client:
        wait_until(lambda: client.problem)
        begin = time.monotonic()
    assert time.monotonic() - begin < 2


@both_protocols
def test_a_wrong_password_is_explained_once_and_a_corrected_one_works(
    mosquitto_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, protocol: Literal["5", "3.1.1"]
) -> None:
    caplog.set_level(logging.DEBUG)
    password_file = tmp_path / "password"
    password_file.write_text("not the password\n")
    password_file.chmod(0o600)
    with running(Mosquitto(mosquitto_folder, users={"lobby": PASSWORD})) as broker:
        settings = settings_for(broker, username="lobby", password_file=password_file, protocol=protocol)
        with started(settings) as client:
            wait_until(lambda: client.problem)
            assert client.connection is None
            wait_until(lambda: broker.log.count("not authorised") >= 3, what="three attempts")
            assert len(warnings_in(caplog)) == 1
            assert "refuses the connection: Not authorized; correct mqtt.username and mqtt.password_file" in caplog.text
            password_file.write_text(PASSWORD + "\n")
            connected(client)
    assert PASSWORD not in caplog.text
    assert "not the password" not in caplog.text


def test_an_unknown_name_is_explained() -> None:
    with pytest.raises(MaskdError, match=r"name in broker.invalid:1883 cannot be resolved; correct mqtt.host"):
        connect_once(MqttSettings(host="broker.invalid"))


def test_a_check_leaves_a_running_daemon_alone(mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber, started(settings_for(mosquitto)) as client:
        subscriber.wait_for(1, "/availability")
        connect_once(settings_for(mosquitto))
        assert client.connections == 1
        assert [message.payload for message in subscriber.messages] == [b"online"]


def test_two_clients_of_one_name_are_explained_once_each(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    with started(settings_for(mosquitto)) as first, started(settings_for(mosquitto)) as second:
        wait_until(lambda: first.connections > 2 and second.connections > 2)
    # A broker may tell the reason before it closes the connection.
    reason = re.compile("another client (is also named maskd-lobby|connects as maskd-lobby)")
    explanations = Counter(text for text in warnings_in(caplog) if reason.search(text))
    assert explanations
    assert max(explanations.values()) <= 2


def test_only_several_short_connections_are_a_sign_of_another_client(caplog: pytest.LogCaptureFixture) -> None:
    def answer(kind: int, body: bytes) -> bytes | None:
        return {CONNECT: connack(), SUBSCRIBE: suback(body, 1)}.get(kind)  # closes the connection over `online`

    with FakeBroker(answer) as broker, started(MqttSettings(host=broker.host, port=broker.port)) as client:
        wait_until(lambda: client.connections > 5, what="some short connections")
    first, second = warnings_in(caplog)
    assert first == (
        f"the connection to the broker {broker.host}:{broker.port} was lost (conn lost); events wait in the outbox "
        "until it is back"
    )
    assert "was lost within seconds several times (conn lost); see the broker's log. Possible reasons:" in second


def test_a_session_that_is_taken_over_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    taken_over = bytes([0xE0, 1, 0x8E])

    def answer(kind: int, body: bytes) -> bytes:
        return {CONNECT: connack(), SUBSCRIBE: suback(body, 1)}.get(kind, taken_over)

    with FakeBroker(answer) as broker, started(MqttSettings(host=broker.host, port=broker.port)) as client:
        wait_until(lambda: client.connections > 4, what="some connections")
    [told] = warnings_in(caplog)
    assert "Session taken over; another client connects as maskd-lobby; give one of them another mqtt.client_id" in told


def test_a_broker_that_wants_fewer_messages_at_a_time_is_obeyed(mosquitto_folder: Path) -> None:
    with (
        running(Mosquitto(mosquitto_folder, extra=["max_inflight_messages 5"])) as broker,
        started(settings_for(broker)) as client,
    ):
        connected(client)
        assert client.in_flight_limit == 5


def test_a_listener_that_fails_does_not_end_the_connection(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "_traces", PerMinute(5))  # those of this minute may be used up

    class Broken(Recorder):
        def acknowledged(self, acknowledgement: Acknowledgement) -> None:
            super().acknowledged(acknowledgement)
            raise RuntimeError("broken listener")

    broken, sound = Broken(), Recorder()
    client = MqttClient(settings_for(mosquitto), "lobby")
    client.add_listener(broken)
    client.add_listener(sound)
    client.start()
    connected(client)
    for _ in range(3):
        assert client.publish(Message("maskd/lobby/status", b"{}")) is not None
    wait_until(lambda: len(broken.answers) == 4, what="the acknowledgements of `online` and three messages")
    assert client.connections == 1
    client.stop()
    assert len(sound.answers) >= 4
    assert "broken listener" in caplog.text


def test_an_error_inside_paho_leads_to_a_new_connection(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(settings_for(mosquitto)) as client:
        connected(client)

        def broken_loop(*_: object) -> None:
            monkeypatch.undo()
            raise KeyError("an error of paho's")

        monkeypatch.setattr(paho.mqtt.client.Client, "loop", broken_loop)
        wait_until(lambda: client.connections == 2 and client.connection == 2)
        assert "maskd reconnects" in caplog.text


def test_a_dropped_connection_is_made_anew(mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    with started(settings_for(mosquitto)) as client:
        connected(client)
        client.drop("a reason to drop it")
        wait_until(lambda: client.connection == 2)
    assert "a reason to drop it" in warnings_in(caplog)


def test_backoff_doubles_up_to_its_cap() -> None:
    backoff = Backoff(1.0, 30.0)
    limits = [1, 2, 4, 8, 16, 30, 30]
    waits = [[Backoff(1.0, 30.0, attempts).next() for _ in range(300)] for attempts in range(len(limits))]
    assert all(0 <= wait <= limit for limit, several in zip(limits, waits, strict=True) for wait in several)
    assert all(max(several) > 0.8 * limit for limit, several in zip(limits, waits, strict=True))
    # Full jitter: as often in one quarter as in another. 75 are expected; the bounds are six standard deviations away.
    for limit, several in zip(limits, waits, strict=True):
        quarters = [sum(int(4 * wait / limit) == quarter for wait in several) for quarter in range(4)]
        assert all(30 <= count <= 120 for count in quarters)
    for _ in range(100_000):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1


def test_a_client_that_is_hurried_does_not_wait_its_back_off_out(mosquitto_folder: Path) -> None:
    broker = Mosquitto(mosquitto_folder)
    settings = MqttSettings(host=broker.host, port=broker.port)
    client = MqttClient(settings, "lobby", backoff=Backoff(1_000_000, 1_000_000))
    client.start()
    try:
        wait_until(lambda: client.problem, what="the refused connection")
        broker.start()
        client.hurry()
        wait_until(lambda: client.connection == 1, what="the connection")
    finally:
        client.stop()
        broker.stop()
