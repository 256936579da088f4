from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

import pytest

from edge.config import MqttSettings
from edge.mqtt import Acknowledgement, Listener, Message, MqttClient, Receipt
from edge.mqtt.sender import Sender
from edge.payloads.events import Draft
from edge.store.outbox import Outbox
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline
from tests.support.mosquitto import Mosquitto, Received, Subscriber
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end
from tests.support.transitions import drafts, passers_by, transition
from tests.support.waiting import wait_until


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox", max_events=100_000, max_bytes=100_000_000)
    outbox.open()
    with closing(outbox):
        yield outbox


class Gate(Backoff):
    """Lets a lost connection be tried again only while it is open: the subscriber, whose session dies with the broker,
    must be back first."""

    def __init__(self) -> None:
        super().__init__(0.05, 0.2)
        self._opened = threading.Event()
        self._opened.set()

    def open_after(self, subscriber: Subscriber) -> None:
        assert subscriber.subscribed.wait(20)
        self._opened.set()

    def close(self) -> None:
        self._opened.clear()

    def next(self) -> float:
        self._opened.wait(20)
        return super().next()


@contextmanager
def sending(
    outbox: Outbox, broker: Mosquitto, backoff: Backoff, protocol: Literal["5", "3.1.1"] = "5"
) -> Iterator[Sender]:
    client = MqttClient(MqttSettings(host=broker.host, port=broker.port, protocol=protocol), "lobby", backoff=backoff)
    failures: list[BaseException] = []
    sender = Sender(outbox, client, on_failure=failures.append, refusal_backoff=lambda: Backoff(0.1, 0.2))
    sender.start()
    client.start()
    try:
        yield sender
    finally:
        sender.stop()
        client.stop()
    assert failures == []


def seqs(messages: list[Received]) -> list[int]:
    return [json.loads(message.payload)["seq"] for message in messages]


def first_seen(messages: list[Received]) -> list[int]:
    """The numbers in order of arrival, repeats dropped by id as the documentation tells subscribers to."""
    by_id = {json.loads(message.payload)["id"]: json.loads(message.payload)["seq"] for message in messages}
    return list(by_id.values())


def arrived(subscriber: Subscriber, count: int) -> list[int]:
    """The numbers of so many different events, in the order in which they first arrived."""
    wait_until(lambda: len(first_seen(subscriber.messages.copy())) >= count, what=f"{count} events")
    return first_seen(subscriber.messages.copy())


def several(count: int, first: int) -> list[Draft]:
    """Events of two cameras in turn."""
    return drafts(*(transition(track=f"t{n}", camera=("door", "gate")[n % 2]) for n in range(first, first + count)))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_events_arrive_in_order_and_leave_the_outbox(
    outbox: Outbox, mosquitto: Mosquitto, protocol: Literal["5", "3.1.1"]
) -> None:
    outbox.append(several(70, 0))
    with (
        Subscriber(mosquitto.port, "maskd/lobby/+/event") as subscriber,
        sending(outbox, mosquitto, Backoff(0.05, 0.2), protocol) as sender,
    ):
        outbox.append(several(10, 70))
        wait_until(lambda: outbox.depth == 0)
        assert sender.flush(Deadline(0))
        assert sender.sent == 80
        assert seqs(subscriber.wait_for(80)) == list(range(1, 81))
    message = subscriber.messages[41]
    assert message.topic == "maskd/lobby/gate/event"
    if protocol == "5":
        epoch = outbox.counted.epoch
        assert message.user_properties == {"schema": "maskd.event/1", "epoch": epoch, "seq": "42"}


def test_a_broker_that_is_down_for_seconds_gets_everything_in_order(outbox: Outbox, mosquitto: Mosquitto) -> None:
    with (
        Subscriber(mosquitto.port, "maskd/lobby/+/event") as subscriber,
        sending(outbox, mosquitto, gate := Gate()),
    ):
        outbox.append(several(30, 0))
        subscriber.wait_for(30)
        gate.close()
        mosquitto.stop()
        wait_until(lambda: not subscriber.subscribed.is_set())
        for batch in range(3):
            outbox.append(several(20, 30 + 20 * batch))
            time.sleep(1)
        assert outbox.depth >= 60
        mosquitto.start()
        gate.open_after(subscriber)
        assert arrived(subscriber, 90) == list(range(1, 91))
        wait_until(lambda: outbox.depth == 0)


def test_a_broker_killed_with_events_in_flight_gets_them_again(outbox: Outbox, mosquitto: Mosquitto) -> None:
    with (
        Subscriber(mosquitto.port, "maskd/lobby/+/event") as subscriber,
        sending(outbox, mosquitto, gate := Gate()) as sender,
    ):
        outbox.append(several(5, 0))
        subscriber.wait_for(5)
        wait_until(lambda: outbox.depth == 0)
        mosquitto.freeze()
        outbox.append(several(60, 5))
        assert not sender.flush(Deadline(1))
        assert outbox.depth == 60
        gate.close()
        mosquitto.kill()
        wait_until(lambda: not subscriber.subscribed.is_set())
        mosquitto.start()
        gate.open_after(subscriber)
        assert arrived(subscriber, 65) == list(range(1, 66))
        wait_until(lambda: outbox.depth == 0)


def test_a_sender_killed_at_random_moments_delivers_every_number(
    mosquitto: Mosquitto, tmp_path: Path, outbox: Outbox
) -> None:
    dice = random.Random(3)
    outbox.close()
    with Subscriber(mosquitto.port, "maskd/lobby/+/event") as subscriber:
        for _ in range(4):
            so_far = len(subscriber.messages)
            command = [sys.executable, "-m", "tests.support.sending_process"]
            command += [str(tmp_path / "outbox"), str(mosquitto.port)]
            with killed_at_the_end(subprocess.Popen(command, cwd=ROOT)):
                subscriber.wait_for(so_far + dice.randint(1, 60))
        outbox.open()
        outbox.recover(time.time())
        with sending(outbox, mosquitto, Backoff(0.05, 0.2)):
            wait_until(lambda: outbox.depth == 0)
        last = outbox.append(passers_by(1))[0].seq - 1
        wait_until(lambda: last in seqs(subscriber.messages.copy()))
    assert first_seen(subscriber.messages) == list(range(1, last + 1))
    events = [json.loads(message.payload) for message in subscriber.messages]
    assert {e["track"] for e in events if e["type"] == "started"} == {
        e["track"] for e in events if e["type"] == "ended"
    }


def refusals(sender: Sender) -> int:
    count: int = sender.status().fields["mqtt"]["refused"]
    return count


def test_a_refused_camera_is_kept_and_does_not_hold_up_the_others(
    mosquitto_folder: Path, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    everyone = "topic readwrite #"
    broker = Mosquitto(mosquitto_folder, acl=["topic deny maskd/lobby/door/event", everyone])
    broker.start()
    try:
        with (
            Subscriber(broker.port, "maskd/lobby/#") as subscriber,
            sending(outbox, broker, Backoff(0.05, 0.2)) as sender,
        ):
            outbox.append(several(100, 0))
            wait_until(lambda: outbox.depth == 50)
            so_far = refusals(sender)
            wait_until(lambda: refusals(sender) > so_far + 2, what="further attempts")
            assert outbox.depth == 50
            broker.allow([everyone])
            wait_until(lambda: outbox.depth == 0)
            at_the_gate = subscriber.wait_for(50, "/gate/event")
            at_the_door = subscriber.wait_for(50, "/door/event")
        assert first_seen(at_the_gate) == list(range(2, 101, 2))
        assert sorted(first_seen(at_the_door)) == list(range(1, 101, 2))
    finally:
        broker.stop()
    refused = [r.getMessage() for r in caplog.records if "refuses events" in r.getMessage()]
    assert refused == [
        "the broker refuses events on maskd/lobby/door/event: Not authorized; maskd keeps and retries them: "
        "let this device's user publish there"
    ]
    assert "accepts events on maskd/lobby/door/event again" in caplog.text


class SilentBroker:
    """Takes everything and answers only when told to."""

    def __init__(self) -> None:
        self.connection: int | None = 1
        self.in_flight_limit = 20
        self.problem: str | None = None
        self.taken: list[tuple[Receipt, int]] = []
        self.dropped: list[str] = []
        self.discarded = False
        self._listeners: list[Listener] = []

    def add_listener(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def publish(self, message: Message) -> Receipt | None:
        if self.connection is None or message.seq is None:
            return None
        receipt = Receipt(self.connection, len(self.taken) + 1)
        self.taken.append((receipt, message.seq))
        return receipt

    def drop(self, reason: str, *, discard: bool = False) -> None:
        self.dropped.append(reason)
        self.discarded = self.discarded or discard

    def hurry(self) -> None:
        """It is there already."""

    def acknowledge(self, receipt: Receipt) -> None:
        for listener in self._listeners:
            listener.acknowledged(Acknowledgement(receipt, None))

    def reconnect(self) -> None:
        assert self.connection is not None
        self.connection += 1
        for listener in self._listeners:
            listener.connection_changed()


@contextmanager
def sending_to(
    broker: SilentBroker, outbox: Outbox, acknowledge_timeout_s: float = 60.0
) -> Iterator[list[BaseException]]:
    failures: list[BaseException] = []
    sender = Sender(outbox, broker, on_failure=failures.append, acknowledge_timeout_s=acknowledge_timeout_s)
    sender.start()
    yield failures
    sender.stop()


def test_at_most_twenty_are_in_flight(outbox: Outbox) -> None:
    broker = SilentBroker()
    with sending_to(broker, outbox):
        outbox.append(passers_by(50))
        wait_until(lambda: len(broker.taken) >= 20)
        for receipt, _ in broker.taken[:3]:
            broker.acknowledge(receipt)
        wait_until(lambda: len(broker.taken) >= 23)
        outbox.append(passers_by(1, first=50))
        wait_until(lambda: outbox.depth == 48)
        assert [seq for _, seq in broker.taken] == list(range(1, 24))


class CountingOutbox(Outbox):
    deletions = 0

    def delete_acknowledged(self) -> bool:
        self.deletions += 1
        return super().delete_acknowledged()


def test_acknowledgements_that_come_together_cost_one_deletion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.mqtt.sender.GATHER_S", 1.0)
    outbox, broker = CountingOutbox(tmp_path, max_events=100, max_bytes=1_000_000), SilentBroker()
    outbox.open()
    with closing(outbox), sending_to(broker, outbox):
        outbox.append(passers_by(30))
        wait_until(lambda: len(broker.taken) == 20)
        for number in range(10):
            broker.acknowledge(broker.taken[number][0])
            wait_until(lambda number=number: outbox.depth == 29 - number)  # type: ignore[misc]
        wait_until(lambda: len(broker.taken) == 30)  # room for new ones does not wait for the deletion
        wait_until(lambda: outbox.deletions > 0)
        assert outbox.deletions <= 2  # two where a slow machine takes longer than a second
        assert [seq for _, seq in broker.taken] == list(range(1, 31))


def test_after_a_new_connection_only_the_unacknowledged_come_again(outbox: Outbox) -> None:
    broker = SilentBroker()
    with sending_to(broker, outbox):
        outbox.append(passers_by(4))
        wait_until(lambda: len(broker.taken) == 4)
        old = [receipt for receipt, _ in broker.taken]
        broker.acknowledge(old[1])
        wait_until(lambda: outbox.depth == 3)
        broker.reconnect()
        wait_until(lambda: len(broker.taken) == 7)
        assert [seq for _, seq in broker.taken[4:]] == [1, 3, 4]
        broker.acknowledge(old[0])  # too late: it belongs to a connection that is gone
        broker.acknowledge(broker.taken[5][0])
        wait_until(lambda: outbox.depth == 2)
        assert [event.seq for event in outbox.pending(9)] == [1, 4]


def test_a_broker_that_never_acknowledges_gets_a_new_connection(outbox: Outbox) -> None:
    broker = SilentBroker()
    with sending_to(broker, outbox, acknowledge_timeout_s=0.5):
        outbox.append(passers_by(1))
        wait_until(lambda: broker.dropped)
    assert "has not acknowledged an event for 0.5 s" in broker.dropped[0]


def test_an_error_in_the_thread_reaches_the_daemon(outbox: Outbox) -> None:
    broker = SilentBroker()
    with sending_to(broker, outbox) as failures:
        outbox.close()
        broker.reconnect()
        wait_until(lambda: failures)
    assert "not open" in str(failures[0])


def test_flush_does_not_wait_for_a_broker_known_to_be_absent(outbox: Outbox) -> None:
    broker = SilentBroker()
    broker.connection, broker.problem = None, "no broker"
    sender = Sender(outbox, broker, on_failure=lambda _error: None)
    sender.start()
    outbox.append(passers_by(1))
    assert not sender.flush(Deadline(600))  # longer than a test may take
    sender.stop()


def test_what_is_withheld_goes_out_once_it_is_not_withheld_any_more(outbox: Outbox) -> None:
    broker = SilentBroker()
    sender = Sender(outbox, broker, on_failure=lambda _error: None)
    sender.withhold(True)
    sender.start()
    outbox.append(passers_by(3))
    broker.reconnect()
    assert not sender.flush(Deadline(10))
    assert (sender.withheld, broker.taken, broker.dropped) == (outbox.depth, [], [])
    sender.withhold(False)
    wait_until(lambda: [seq for _, seq in broker.taken] == [1, 2, 3])
    assert sender.withheld == 0
    sender.stop()


def test_what_comes_before_events_comes_before_the_first_of_a_connection_and_of_those_withheld(outbox: Outbox) -> None:
    broker = SilentBroker()
    seen: list[list[int]] = []
    sender = Sender(
        outbox,
        broker,
        on_failure=lambda _error: None,
        before_events=lambda: seen.append([seq for _, seq in broker.taken]),
    )
    sender.withhold(True)
    sender.start()
    outbox.append(passers_by(1))
    sender.withhold(False)
    wait_until(lambda: len(broker.taken) == 1)
    outbox.append(passers_by(1, first=1))
    wait_until(lambda: len(broker.taken) == 2)
    broker.reconnect()
    wait_until(lambda: len(broker.taken) == 4)
    sender.withhold(True)
    sender.withhold(False)
    outbox.append(passers_by(1, first=2))
    wait_until(lambda: len(broker.taken) > 4 and broker.taken[-1][1] == 3)
    sender.stop()
    assert seen == [[], [1, 2], [1, 2, 1, 2]]


def test_a_connection_that_may_carry_events_is_given_up_when_they_are_withheld(outbox: Outbox) -> None:
    broker = SilentBroker()
    sender = Sender(outbox, broker, on_failure=lambda _error: None)
    sender.start()
    outbox.append(passers_by(2))
    wait_until(lambda: len(broker.taken) == 2)
    broker.acknowledge(broker.taken[0][0])
    wait_until(lambda: outbox.depth == 1)
    sender.withhold(True)
    sender.withhold(True)
    assert len(broker.dropped) == 1
    assert broker.discarded
    broker.reconnect()
    outbox.append(passers_by(1))
    assert not sender.flush(Deadline(10))
    assert len(broker.taken) == 2
    sender.stop()


def test_what_still_waits_in_this_process_is_not_sent_by_a_connection_that_is_given_up(
    outbox: Outbox, mosquitto: Mosquitto
) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber:
        client = MqttClient(MqttSettings(host=mosquitto.host, port=mosquitto.port), "lobby", backoff=Backoff(0.05, 0.2))
        client.start()
        wait_until(lambda: client.connection == 1, what="the connection")
        client.drop("given up", discard=True)
        client.publish(Message("maskd/lobby/door/event", b"late"))
        wait_until(lambda: client.connection == 2, what="the next connection")
        client.publish(Message("maskd/lobby/door/event", b"next"))
        assert [message.payload for message in subscriber.wait_for(1, "/event")] == [b"next"]
        client.stop()
