"""A disk that takes nothing: events go to the broker all the same, once, and what is lost is counted."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.store.outbox import Outbox
from edge.store.outbox_rows import OutboxRows
from edge.store.record import Record
from edge.store.unsaved import HELD_LIMIT
from edge.system.backoff import Backoff
from tests.mqtt.test_sender import sending
from tests.support.disks import mount_read_only, no_larger_files, real_disk, small_disk, turn_read_only
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.transitions import drafts, passers_by, transition
from tests.support.waiting import wait_until


@contextmanager
def opened(folder: Path) -> Iterator[Outbox]:
    record = Record(folder, keep_days=36_500, keep_bytes=100_000_000)
    outbox = Outbox(folder, max_events=100_000, max_bytes=100_000_000, record=record)
    outbox.open()
    with closing(outbox):
        yield outbox


def numbers(subscriber: Subscriber) -> list[tuple[str, int, bool, str]]:
    """Epoch, number, durability and track of each event, repeats dropped by id."""
    events: dict[str, dict[str, Any]] = {}
    for message in subscriber.messages.copy():
        event = json.loads(message.payload)
        events.setdefault(event["id"], event)
    return [(event["epoch"], event["seq"], event["durable"], event["track"]) for event in events.values()]


def test_an_event_that_the_failing_disk_kept_all_the_same_comes_again_under_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store_and_fail(rows: OutboxRows, *arguments: Any, **named: Any) -> int:
        store(rows, *arguments, **named)
        raise sqlite3.OperationalError("disk I/O error")

    store = OutboxRows.store
    with opened(tmp_path) as outbox:
        with monkeypatch.context() as failing:
            failing.setattr(OutboxRows, "store", store_and_fail)
            assert not outbox.append(passers_by(1))
        (unsaved,) = outbox.number_unsaved(10)
    with opened(tmp_path) as again:
        (committed,) = again.pending(10)
    event = json.loads(committed.payload)
    assert (event["durable"], unsaved.durable) == (True, False)
    assert event["id"] == str(unsaved.id)


def test_events_of_a_read_only_card_arrive_without_it(tmp_path: Path, mosquitto: Mosquitto) -> None:
    storage = tmp_path / "storage"
    with (
        real_disk(storage),
        opened(storage) as outbox,
        Subscriber(mosquitto.port, "maskd/lobby/+/event") as subscriber,
        sending(outbox, mosquitto, Backoff(0.05, 0.2)),
    ):
        outbox.append(passers_by(3))
        wait_until(lambda: outbox.depth == 0)
        turn_read_only(storage)
        for number in range(3, 40):
            outbox.append(passers_by(1, first=number))
        wait_until(lambda: len(numbers(subscriber)) == 40)
        wait_until(lambda: outbox.depth == 0)
        assert outbox.lost == 0
        assert "`durable: false`" in str(outbox.disk_problem)
        assert "replace a failed memory card" in str(outbox.disk_problem)
        epoch = outbox.counted.epoch
    assert [track for _, _, _, track in numbers(subscriber)] == [f"t{number}" for number in range(40)]
    assert [(seq, durable) for _, seq, durable, _ in numbers(subscriber)[:3]] == [(1, True), (2, True), (3, True)]
    unsaved = [(found, seq) for found, seq, durable, _ in numbers(subscriber) if not durable]
    assert [seq for _, seq in unsaved] == list(range(1, 38))
    assert len({found for found, _ in unsaved} - {epoch}) == 1


def test_what_went_out_without_the_disk_is_recorded_and_never_sent_under_another_number(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with (
        opened(tmp_path) as outbox,
        Subscriber(mosquitto.port, "maskd/lobby/+/event") as subscriber,
        sending(outbox, mosquitto, Backoff(0.05, 0.2)),
    ):
        outbox.append(passers_by(5))
        outbox.append(drafts(transition("ended", track="t0")))
        with no_larger_files():
            for number in range(5, 30):
                outbox.append(passers_by(1, first=number))
            outbox.append(drafts(transition("ended", track="t1"), transition("ended", track="t7")))
            wait_until(lambda: len(numbers(subscriber)) == 33)
            assert "`ulimit -f`" in str(outbox.disk_problem)
            wait_until(lambda: outbox.depth == 0)
        wait_until(lambda: outbox.disk_problem is None)
        outbox.append(passers_by(4, first=30))
        wait_until(lambda: len(numbers(subscriber)) == 37)
        wait_until(lambda: outbox.depth == 0)
        arrived = numbers(subscriber)
        assert [seq for _, seq, durable, _ in arrived if durable] == list(range(1, 11))
        assert [seq for _, seq, durable, _ in arrived if not durable] == list(range(1, 28))
        record = Record(tmp_path, keep_days=36_500, keep_bytes=100_000_000)
        recorded = [line.payload for line, _ in sorted(record.events(), key=lambda pair: pair[0].row)]
        assert recorded == [message.payload for message in subscriber.messages]
    with opened(tmp_path) as outbox:
        assert outbox.pending(100) == []
        # Who began and ended without the disk has left nothing behind; all others are still there.
        assert {event.track for event in outbox.recover(1.8e9)} == {f"t{n}" for n in range(34)} - {"t0", "t1", "t7"}


def test_each_time_the_disk_refuses_has_the_same_unfinished_epoch_and_durable_numbers_go_on(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.append(passers_by(2))
        found = []
        for _ in range(2):
            with no_larger_files():
                outbox.append(passers_by(3))
                found += outbox.number_unsaved(2)
            (rest,) = outbox.append([])
            found.append(rest)
        assert [(event.seq, event.durable) for event in found] == [
            (1, False),
            (2, False),
            (3, True),
            (3, False),
            (4, False),
            (4, True),
        ]
        assert [json.loads(row.payload)["durable"] for row in outbox.pending(20)] == [
            *(True, True),
            *(False, False, True),
            *(False, False, True),
        ]
        assert len({event.epoch for event in found if not event.durable}) == 1


def test_what_neither_disk_nor_broker_took_is_counted_at_the_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = tmp_path / "storage"
    with small_disk(storage) as disk:
        with opened(storage) as outbox:
            with disk.full():
                while outbox.append(passers_by(50)):
                    pass
                lost = outbox.depth - len(outbox.pending(10_000))
                outbox.number_unsaved(10)
                outbox.close()
            assert outbox.lost == lost
        with opened(storage) as outbox:
            assert outbox.lost == lost
    assert f"{lost} events are lost: neither the disk of {storage} nor the broker accepted them" in caplog.text
    assert "free some space there" in caplog.text


def test_only_so_many_wait_without_a_disk_and_a_broker(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox, no_larger_files():
        outbox.append(passers_by(HELD_LIMIT + 7))
        assert (outbox.depth, outbox.lost) == (HELD_LIMIT, 7)


@pytest.mark.parametrize("what", ["database", "folder", "folder for another"])
def test_files_that_are_removed_under_maskd_count_as_a_disk_that_refuses(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    storage = tmp_path / "storage"
    with opened(storage) as outbox:
        outbox.append(passers_by(2))
        if what == "database":
            (storage / "outbox.db").unlink()
        else:
            shutil.rmtree(storage)
            if what == "folder for another":
                storage.mkdir()
        assert outbox.append(passers_by(1)) == []
        assert f"{storage}/outbox.db was removed or replaced while maskd runs" in str(outbox.disk_problem)
        assert "restart maskd" in str(outbox.disk_problem)
        assert [event.durable for event in outbox.number_unsaved(5)] == [False]
        assert len(outbox.pending(9)) == 3


def test_a_start_on_a_read_only_card_publishes_without_it_and_leaves_what_is_there(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    storage = tmp_path / "storage"
    with real_disk(storage), Subscriber(mosquitto.port, "maskd/lobby/+/event") as subscriber:
        with opened(storage) as outbox:
            outbox.append(passers_by(2))
        mount_read_only(storage)
        with opened(storage) as outbox, sending(outbox, mosquitto, Backoff(0.05, 0.2)):
            assert outbox.recover(1.8e9) == []
            assert "its disk was read-only when maskd started" in str(outbox.disk_problem)
            assert outbox.append(passers_by(3, first=2)) == []
            wait_until(lambda: len(numbers(subscriber)) == 3)
            wait_until(lambda: outbox.depth == 0)
            outbox.append(drafts(transition("ended", track="t2")))
            wait_until(lambda: outbox.depth == 0)
            assert (outbox.lost, outbox.counted.seq) == (0, 0)
            subprocess.run(["mount", "-o", "remount,rw", str(storage)], check=True)
            outbox.append(passers_by(1, first=5))
            assert str(outbox.disk_problem).endswith("; restart maskd")
            wait_until(lambda: outbox.depth == 0)
        assert [(seq, durable) for _, seq, durable, _ in numbers(subscriber)] == [(n, False) for n in range(1, 6)]
        mount_read_only(storage)
        with opened(storage) as outbox:
            outbox.append(passers_by(7))
            outbox.retry()
        assert outbox.given_up == 7
        subprocess.run(["mount", "-o", "remount,rw", str(storage)], check=True)
        with opened(storage) as outbox:
            assert [json.loads(row.payload)["seq"] for row in outbox.pending(9)] == [1, 2]
            assert {event.track for event in outbox.recover(1.8e9)} == {"t0", "t1"}
