from __future__ import annotations

import json
import logging
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.errors import MaskdError
from edge.payloads.events import Event, draft_events, parse_event
from edge.payloads.payload import parse_timestamp
from edge.store.outbox import Outbox
from edge.store.outbox_file import put_meta
from edge.store.unsaved import HELD_LIMIT
from tests.support.disks import small_disk
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end
from tests.support.transitions import MODELS, TOPICS, WALL_OFFSET, drafts, passers_by, transition


def new_outbox(folder: Path, *, max_events: int = 100_000, max_bytes: int = 100_000_000) -> Outbox:
    outbox = Outbox(folder, max_events=max_events, max_bytes=max_bytes)
    outbox.open()
    return outbox


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with closing(new_outbox(tmp_path)) as outbox:
        yield outbox


def pending_seqs(outbox: Outbox) -> list[int]:
    return [event.seq for event in outbox.pending(1_000_000)]


def test_numbers_start_at_one_and_go_on_after_everything_was_sent(tmp_path: Path) -> None:
    with closing(new_outbox(tmp_path)) as outbox:
        assert [event.seq for event in outbox.append(passers_by(3))] == [1, 2, 3]
        outbox.acknowledge([1, 2, 3])
        assert outbox.delete_acknowledged()
        assert outbox.depth == 0
    with closing(new_outbox(tmp_path)) as outbox:
        assert pending_seqs(outbox) == []
        assert [event.seq for event in outbox.append(passers_by(1))] == [4]


def test_pending_hands_out_in_order_what_was_committed(outbox: Outbox) -> None:
    committed = outbox.append([*passers_by(2), *passers_by(2, first=2, camera="gate")])
    pending = outbox.pending(10)
    assert [json.loads(row.payload) for row in pending] == [json.loads(event.to_json()) for event in committed]
    assert [row.topic for row in pending] == ["maskd/lobby/door/event"] * 2 + ["maskd/lobby/gate/event"] * 2
    assert [row.seq for row in outbox.pending(2, after_seq=1)] == [2, 3]
    assert [row.seq for row in outbox.pending(9, without_topics=["maskd/lobby/door/event"])] == [3, 4]


def test_an_event_is_serialised_once_and_dated_as_it_says(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serialised: list[Event] = []
    to_json = Event.to_json

    def counting(event: Event) -> bytes:
        serialised.append(event)
        return to_json(event)

    monkeypatch.setattr(Event, "to_json", counting)
    (event,) = outbox.append(draft_events([transition()], TOPICS, MODELS, wall_offset=WALL_OFFSET + 0.00049))
    (waiting,) = outbox.pending(1)
    assert parse_event(waiting.payload) == event
    assert len(serialised) == 1
    assert outbox.oldest_unsent_at == parse_timestamp(event.time)


def test_what_the_broker_has_is_gone_and_the_rest_stays(outbox: Outbox) -> None:
    outbox.append(passers_by(4))
    outbox.acknowledge([2, 3])
    for _ in range(2):
        assert pending_seqs(outbox) == [1, 4]
        assert outbox.depth == 2
        outbox.acknowledge([999])
        assert outbox.delete_acknowledged()
    assert outbox.oldest_unsent_at == pytest.approx(WALL_OFFSET + 103.25, abs=0.001)
    outbox.acknowledge([1, 4])
    assert (outbox.depth, outbox.oldest_unsent_at) == (0, None)  # though they are not deleted yet
    outbox.delete_acknowledged()
    assert outbox.oldest_unsent_at is None


def test_people_left_open_by_a_crash_are_ended_once(tmp_path: Path) -> None:
    with closing(new_outbox(tmp_path)) as outbox:
        outbox.append(drafts(transition(track="stays"), transition(track="leaves"), transition(track="changes")))
        outbox.append(drafts(transition("ended", track="leaves")))
        outbox.append(drafts(transition("changed", track="changes", status="with_mask", previous="without_mask")))
    with closing(new_outbox(tmp_path)) as outbox:
        ended = outbox.recover(WALL_OFFSET + 500)
        assert [(e.seq, e.type, e.track, e.status) for e in ended] == [
            (6, "ended", "stays", "without_mask"),
            (7, "ended", "changes", "with_mask"),
        ]
        assert outbox.recover(WALL_OFFSET + 501) == []
        assert pending_seqs(outbox) == [1, 2, 3, 4, 5, 6, 7]


def test_the_oldest_go_first_when_there_are_too_many(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(new_outbox(tmp_path, max_events=5)) as outbox:
        outbox.append(passers_by(4))
        outbox.append(passers_by(3))
        outbox.append(passers_by(1))
        assert pending_seqs(outbox) == [4, 5, 6, 7, 8]
        assert (outbox.depth, outbox.lost) == (5, 3)
    assert len([record for record in caplog.records if "is full" in record.message]) == 1
    with closing(new_outbox(tmp_path)) as outbox:
        assert (outbox.depth, outbox.lost) == (5, 3)


def test_the_oldest_go_first_when_they_take_too_much_space(tmp_path: Path) -> None:
    with closing(new_outbox(tmp_path)) as outbox:
        outbox.append(passers_by(100))
        size_of_all = sum(len(row.payload) for row in outbox.pending(100))
    with closing(new_outbox(tmp_path, max_bytes=size_of_all // 2)) as outbox:
        outbox.append(passers_by(1))
        kept = outbox.pending(200)
        assert sum(len(row.payload) for row in kept) < size_of_all // 2
        assert len(kept) > 35
        assert [row.seq for row in kept] == list(range(102 - len(kept), 102))
        assert outbox.lost == 101 - len(kept)


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    with closing(new_outbox(tmp_path)), pytest.raises(MaskdError, match=r"in use by another maskd; stop that one"):
        new_outbox(tmp_path)
    new_outbox(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MaskdError, match=r"cannot be written: Not a directory; set storage.path to a folder"):
        new_outbox(tmp_path / "file" / "folder")


def test_an_outbox_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    new_outbox(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        put_meta(db, {"layout": 99})
        db.execute("PRAGMA user_version=99")
        db.commit()
    with pytest.raises(MaskdError, match="newer maskd"):
        new_outbox(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 5000, 20_000])
def test_a_truncated_file_is_set_aside_and_numbering_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, keep: int
) -> None:
    with closing(new_outbox(tmp_path)) as outbox:
        outbox.append(passers_by(200))
    path = tmp_path / "outbox.db"
    assert path.stat().st_size > 60_000
    os.truncate(path, keep)
    with closing(new_outbox(tmp_path)) as outbox:
        assert [event.seq for event in outbox.append(passers_by(1))] == [201]
        assert pending_seqs(outbox)[-1] == 201
    if keep:
        assert len(list(tmp_path.glob("outbox.db.damaged-*"))) == 1
        assert "was damaged and is kept as outbox.db.damaged-" in caplog.text
    else:
        assert "numbering continues" in caplog.text


def test_what_a_damaged_file_still_shows_is_kept(tmp_path: Path) -> None:
    with closing(new_outbox(tmp_path)) as outbox:
        outbox.append(passers_by(200))
    path = tmp_path / "outbox.db"
    with path.open("r+b") as file:
        file.seek(-8192, os.SEEK_END)
        file.write(b"\xff" * 8192)
    with closing(new_outbox(tmp_path)) as outbox:
        kept = pending_seqs(outbox)
        assert len(kept) > 50
        assert kept == sorted(set(kept))
        assert set(kept) <= set(range(1, 201))
        assert [event.seq for event in outbox.append(passers_by(1))] == [201]


def test_a_file_that_is_no_database_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"no database at all" * 1000)
    with closing(new_outbox(tmp_path)) as outbox:
        assert [event.seq for event in outbox.append(passers_by(1))] == [1]


@contextmanager
def full_disk() -> Iterator[None]:
    """Every write past the first page fails, as on a disk without space."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_at_the_start_is_a_clear_error(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(MaskdError, match=r"cannot be written: .*; set storage.path to a folder"):
        new_outbox(tmp_path)
    new_outbox(tmp_path).close()


def test_events_wait_in_memory_for_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with closing(new_outbox(tmp_path)) as outbox:
        outbox.append(passers_by(2))
        with full_disk():
            assert outbox.append(passers_by(2, first=2)) == []
            assert outbox.append(passers_by(1, first=4)) == []
            outbox.retry()
            outbox.acknowledge([1])
            assert not outbox.delete_acknowledged()
            assert pending_seqs(outbox) == [2]
            assert outbox.depth == 4
        with caplog.at_level(logging.INFO):
            outbox.retry()
        assert pending_seqs(outbox) == [2, 3, 4, 5]
        assert (outbox.depth, outbox.lost) == (4, 0)
        assert [Event.model_validate_json(row.payload).track for row in outbox.pending(9)] == ["t1", "t2", "t3", "t4"]
    messages = [record.message for record in caplog.records]
    assert len([message for message in messages if "cannot be written" in message]) == 1
    assert len([message for message in messages if "can be written again" in message]) == 1


def test_a_disk_full_for_too_long_counts_what_is_lost(tmp_path: Path) -> None:
    with closing(new_outbox(tmp_path)) as outbox:
        with full_disk():
            outbox.append(passers_by(HELD_LIMIT))
            outbox.append(passers_by(5, first=HELD_LIMIT))
            assert (outbox.depth, outbox.lost) == (HELD_LIMIT, 5)
        assert len(outbox.append([])) == HELD_LIMIT
        assert (outbox.depth, outbox.lost) == (HELD_LIMIT, 5)
    with closing(new_outbox(tmp_path)) as outbox:
        assert (outbox.depth, outbox.lost) == (HELD_LIMIT, 5)


def test_a_disk_that_is_really_full_recovers_by_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "storage") as disk, closing(new_outbox(tmp_path / "storage")) as outbox:
        outbox.append(passers_by(2))
        assert outbox.disk_problem is None
        with disk.full():
            appended = 2
            while outbox.append(passers_by(50, first=appended)):  # what the database's files have allocated already
                appended += 50
            appended += 50
            assert f"wait in memory, at most {HELD_LIMIT}; free some space there" in str(outbox.disk_problem)
            assert "No space left" in str(outbox.disk_problem) or "full" in str(outbox.disk_problem)
        outbox.retry()
        assert outbox.disk_problem is None
        assert pending_seqs(outbox) == list(range(1, appended + 1))
        assert outbox.lost == 0


def test_writer_and_sender_do_not_disturb_each_other(outbox: Outbox) -> None:
    written = threading.Event()
    seen: list[int] = []

    def send() -> None:
        while not written.is_set() or outbox.depth:
            seqs = [row.seq for row in outbox.pending(7)]
            seen.extend(seqs)
            outbox.acknowledge(seqs)

    sender = threading.Thread(target=send, name="outbox")
    sender.start()
    for number in range(60):
        outbox.append(passers_by(2, first=2 * number))
    written.set()
    sender.join(30)
    assert seen == list(range(1, 121))


def test_kill_9_at_random_moments_leaves_no_gap_and_loses_nothing(tmp_path: Path) -> None:
    dice = random.Random(7)
    reported: dict[int, tuple[str, str]] = {}
    for _ in range(6):
        command = [sys.executable, "-m", "tests.support.outbox_writer", str(tmp_path)]
        with killed_at_the_end(subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)) as writer:
            assert writer.stdout is not None
            for _ in range(dice.randint(1, 40)):
                reported.update(parse_report(writer.stdout.readline()))
            writer.kill()
            for line in writer.stdout:
                if line.endswith("\n"):
                    reported.update(parse_report(line))
    with closing(new_outbox(tmp_path)) as outbox:
        outbox.recover(WALL_OFFSET)
        events = [Event.model_validate_json(row.payload) for row in outbox.pending(1_000_000)]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    kept = {event.seq: (event.type, event.track) for event in events}
    assert len(reported) > 20
    assert {seq: kept.get(seq) for seq in reported} == reported
    started = sorted(event.track for event in events if event.type == "started")
    ended = sorted(event.track for event in events if event.type == "ended")
    assert started == ended


def parse_report(line: str) -> dict[int, tuple[str, str]]:
    seq, kind, track = line.split()
    return {int(seq): (kind, track)}
