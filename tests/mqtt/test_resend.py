"""Events of the record are published again on demand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.publish import single

from edge.commands.resend import main as maskd_resend
from edge.config import Config
from edge.config.file import config_from_values
from edge.control.local_door import LocalDoor, NotRunningError
from edge.control.resend_requests import ResendRequests, parse_request
from edge.errors import MaskdError
from edge.mqtt import MqttClient
from edge.mqtt.resender import IN_FLIGHT, Resender
from edge.mqtt.sender import Sender
from edge.payloads.events import marked_resent
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.store.resend_job import ResendRequest
from edge.system.arguments import CommandParser
from edge.system.deadline import Deadline
from tests.support.mosquitto import Mosquitto, Received, Subscriber
from tests.support.transitions import passers_by
from tests.support.waiting import wait_until


class Device:
    """Sends and resends, as the daemon does."""

    def __init__(self, folder: Path, broker: Mosquitto, *, privacy: str = "events") -> None:
        self.config = config(folder, broker, privacy)
        record = Record(folder, keep_days=30, keep_bytes=100_000_000)
        self.outbox = Outbox(folder, max_events=100_000, max_bytes=100_000_000, record=record)
        self.outbox.open()
        self.client = MqttClient(self.config.mqtt, "lobby")
        self.failures: list[BaseException] = []
        self.sender = Sender(self.outbox, self.client, on_failure=self.failures.append)
        self.resender = Resender(self.outbox, self.client, self.config, on_failure=self.failures.append)
        self.requests = ResendRequests(self.client, self.resender, self.config, on_failure=self.failures.append)
        self.door = LocalDoor(self.config, {"resend": self.requests.answer})

    def start(self) -> None:
        for part in (self.sender, self.resender, self.requests, self.door, self.client):
            part.start()

    def stop(self) -> None:
        for part in (self.client, self.door, self.requests, self.resender):
            part.stop(Deadline(5))
        self.sender.stop()
        self.outbox.close()
        assert self.failures == []

    def ask(self, begin: int, **more: Any) -> None:
        self.resender.begin(ResendRequest.model_validate({"from": begin, **more}))

    def state(self) -> str:
        return self.resender.state.state


def config(folder: Path, broker: Mosquitto, privacy: str = "events") -> Config:
    mqtt = {"host": broker.host, "port": broker.port, "commands": True}
    return config_from_values({"device": "lobby", "privacy": privacy, "mqtt": mqtt, "storage": {"path": str(folder)}})


@contextmanager
def running(folder: Path, broker: Mosquitto, *, privacy: str = "events") -> Iterator[Device]:
    device = Device(folder, broker, privacy=privacy)
    device.start()
    try:
        yield device
    finally:
        device.stop()


def events(subscriber: Subscriber) -> list[Received]:
    return [message for message in subscriber.messages.copy() if message.topic.endswith("/event")]


def split(subscriber: Subscriber) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Payloads by number: of events that came for the first time, and of those that came again on demand."""
    first: dict[int, bytes] = {}
    again: dict[int, bytes] = {}
    for message in events(subscriber):
        event = json.loads(message.payload)
        (again if event.get("resent") else first)[event["seq"]] = message.payload
    return first, again


def test_recorded_events_come_again_under_their_ids_and_marked(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port) as subscriber, running(tmp_path / "state", mosquitto) as device:
        device.outbox.append(passers_by(30))
        subscriber.wait_for(30, "/event")
        wait_until(lambda: not device.outbox.depth)
        device.ask(11, to=20)
        wait_until(lambda: device.state() == "done", what="the end of the resend")
        subscriber.wait_for(40, "/event")
        first, again = split(subscriber)
        assert again == {seq: marked_resent(first[seq]) for seq in range(11, 21)}
        assert {message.user_properties.get("resent") for message in events(subscriber)[30:]} == {"true"}
        assert device.resender.state.sent == 10
        device.ask(25)  # to the newest
        wait_until(lambda: len(split(subscriber)[1]) == 16)
        assert sorted(split(subscriber)[1]) == [*range(11, 21), *range(25, 31)]


def test_new_events_do_not_wait_for_old_ones(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port) as subscriber, running(tmp_path / "state", mosquitto) as device:
        device.outbox.append(passers_by(100))
        subscriber.wait_for(100, "/event")
        device.ask(1)
        wait_until(lambda: device.resender.state.sent > 3)
        device.outbox.append(passers_by(40, first=100))
        wait_until(lambda: len(split(subscriber)[0]) == 140, what="the new events")
        assert device.state() == "running"
        wait_until(lambda: device.state() == "done")
        subscriber.wait_for(240, "/event")
        assert sorted(split(subscriber)[1]) == [*range(1, 101)]


def test_a_restart_goes_on_where_it_was(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port) as subscriber:
        with running(tmp_path / "state", mosquitto) as device:
            device.outbox.append(passers_by(120))
            subscriber.wait_for(120, "/event")
            device.ask(1)
            wait_until(lambda: device.resender.state.sent >= 20)
        before = len(events(subscriber)) - 120
        assert before < 120
        with running(tmp_path / "state", mosquitto) as device:
            wait_until(lambda: device.state() == "done")
            wait_until(lambda: len(split(subscriber)[1]) == 120)
        assert len(events(subscriber)) <= 240 + IN_FLIGHT
        assert not (tmp_path / "state" / "resend.json").exists()


def test_a_lost_connection_loses_none(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port) as subscriber, running(tmp_path / "state", mosquitto) as device:
        device.outbox.append(passers_by(60))
        subscriber.wait_for(60, "/event")
        device.ask(1)
        wait_until(lambda: device.resender.state.sent >= 10)
        device.client.drop("a test")
        wait_until(lambda: device.state() == "done")
        wait_until(lambda: sorted(split(subscriber)[1]) == [*range(1, 61)])


def test_aggregate_publishes_nothing_again(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """With `privacy: aggregate`, nothing is published again, and a resend under way is given up."""
    with Subscriber(mosquitto.port) as subscriber, running(tmp_path / "state", mosquitto) as device:
        device.outbox.append(passers_by(100))
        subscriber.wait_for(100, "/event")
        device.ask(1)
        wait_until(lambda: device.resender.state.sent >= 5)
        aggregate = device.config.model_copy(update={"privacy": "aggregate"})
        device.resender.apply(aggregate)
        assert device.state() == "stopped"
        with pytest.raises(MaskdError, match="privacy is aggregate"):
            device.ask(1)
        device.resender.apply(device.config)
        device.ask(100)
        wait_until(lambda: 100 in split(subscriber)[1])
        assert len(split(subscriber)[1]) < 60


def test_what_the_record_does_not_hold_is_refused(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with Subscriber(mosquitto.port) as subscriber, running(tmp_path / "state", mosquitto) as device:
        device.outbox.append(passers_by(3))
        subscriber.wait_for(3, "/event")
        with pytest.raises(MaskdError, match="holds no event"):
            device.ask(4)
        with pytest.raises(MaskdError, match="holds no event"):
            device.ask(1, epoch="000000000000")
        assert device.state() == "idle"


def test_a_command_over_mqtt_and_one_on_the_device(
    tmp_path: Path, mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state"
    with Subscriber(mosquitto.port) as subscriber, running(folder, mosquitto) as device:
        device.outbox.append(passers_by(5))
        subscriber.wait_for(5, "/event")
        wait_until(lambda: not device.outbox.depth)
        single("maskd/lobby/resend/set", b"3", qos=1, hostname=mosquitto.host, port=mosquitto.port)
        wait_until(lambda: len(split(subscriber)[1]) == 3)
        wait_until(lambda: states(subscriber)[-1:] == ["done"], what="the answer")
        single("maskd/lobby/resend/set", b"[]", qos=1, hostname=mosquitto.host, port=mosquitto.port)
        wait_until(lambda: "not a request" in (answers(subscriber)[-1]["error"] or ""))
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps(json.loads(device.config.model_dump_json(include={"storage", "device"}))))
        assert run("--from", "2", "--to", "2", "-c", str(path)) == 0
        assert "from 2 to 2 of the epoch" in capsys.readouterr().out
        wait_until(lambda: len(split(subscriber)[1]) == 4 and device.state() == "done")
        with pytest.raises(MaskdError, match="holds no event"):
            run("--from", "6", "-c", str(path))
    with pytest.raises(NotRunningError):
        run("-c", str(path))


def run(*arguments: str) -> int:
    from edge.commands.resend import add_arguments

    parser = CommandParser()
    add_arguments(parser)
    return maskd_resend(parser.parse_args(arguments))


def answers(subscriber: Subscriber) -> list[dict[str, Any]]:
    return [json.loads(m.payload) for m in subscriber.messages.copy() if m.topic == "maskd/lobby/resend/state"]


def states(subscriber: Subscriber) -> list[str]:
    return [answer["state"] for answer in answers(subscriber)]


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"0", b"-1", b"1.5", b"9" * 30, b"\xff", b"[1]", b'{"from": "1"}', b'{"from": 1, "x": 1}', b"{" * 4000),
        *(b'{"from": 5, "to": 4}', b'{"from": true}', b'{"from": 1, "epoch": "x"}', b'{"from": NaN}', "١".encode()),
    ],
)
def test_what_is_no_request_is_refused_in_one_printable_line(payload: bytes) -> None:
    with pytest.raises(MaskdError) as refused:
        parse_request(payload)
    assert str(refused.value).isprintable()


def test_a_request_is_a_number_or_an_object() -> None:
    assert parse_request(b" 7\n") == ResendRequest(begin=7)
    wanted = parse_request(b'{"from": 1, "to": 2, "epoch": "9c41d07be2f5"}')
    assert wanted == ResendRequest(begin=1, end=2, epoch="9c41d07be2f5")
    assert parse_request(b"stop") is None
