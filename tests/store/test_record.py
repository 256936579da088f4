from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.payloads.events import Event
from edge.payloads.payload import parse_timestamp
from edge.store.outbox import Outbox
from edge.store.record import TIDY_S, Record
from edge.store.record_line import read_line, write_line
from edge.store.record_reader import day_files, lines_backwards, lines_forwards
from edge.store.unsaved import HELD_LIMIT
from tests.support.disks import small_disk
from tests.support.transitions import EPOCH, drafts, passers_by, transition

DAY_S = 86_400.0
NOON = 1_790_000_000.0 // DAY_S * DAY_S + DAY_S / 2


class Clocks:
    """The wall clock and the monotonic one, which go together unless the wall clock is set."""

    def __init__(self) -> None:
        self.wall = NOON
        self.monotonic = 1000.0

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def leap(self, seconds: float) -> None:
        self.wall += seconds


def new_record(
    folder: Path, *, keep_days: float = 30, keep_bytes: int = 1_000_000, clocks: Clocks | None = None
) -> Record:
    clocks = clocks or Clocks()
    return Record(folder, keep_days=keep_days, keep_bytes=keep_bytes, monotonic=lambda: clocks.monotonic)


def payload(seq: int, at: float) -> tuple[int, float, bytes]:
    event = drafts(transition(track=f"t{seq}"))[0].numbered(EPOCH, seq).event
    return seq, at, event.to_json()


def fill(record: Record, first: int, count: int, at: float) -> None:
    assert record.append([payload(seq, at) for seq in range(first, first + count)], now=at) == count


def seqs(record: Record) -> list[int]:
    return [event.seq for _, event in record.events()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "record").iterdir())


@contextmanager
def recording(folder: Path, record: Record) -> Iterator[Outbox]:
    outbox = Outbox(folder, max_events=100_000, max_bytes=100_000_000, record=record)
    outbox.open()
    with closing(outbox):
        yield outbox


def test_what_was_committed_is_recorded_as_it_is_published(tmp_path: Path) -> None:
    record = new_record(tmp_path, keep_days=36_500)
    with recording(tmp_path, record) as outbox:
        outbox.append(passers_by(3))
        published = [row.payload for row in outbox.pending(9)]
        outbox.acknowledge([1, 2, 3])
        outbox.append(drafts(transition("ended", track="t1")))
        published.append(outbox.pending(9)[-1].payload)
        (path,) = (tmp_path / "record").iterdir()
        lines = [read_line(line) for line in path.read_bytes().splitlines()]
        assert [line and line.payload for line in lines] == published
        assert [line and line.row for line in lines] == [1, 2, 3, 4]
    day = Event.model_validate_json(published[0]).time[:10]
    assert path.name == f"{day}.jsonl"


def test_each_event_goes_to_the_day_on_which_it_happened(tmp_path: Path) -> None:
    record = new_record(tmp_path)
    midnight = NOON + DAY_S / 2
    assert record.append([payload(1, midnight - 0.001), payload(2, midnight), payload(3, midnight - 9)], NOON) == 3
    files = day_files(tmp_path / "record")
    assert [parse_timestamp(f"{path.stem}T00:00:00.000Z") for path in files] == [NOON - DAY_S / 2, midnight]
    assert seqs(record) == [1, 3, 2]
    assert record.newest().row == 3


def record_of_days(folder: Path, days: int, clocks: Clocks, *, keep_days: float = 30) -> Record:
    """One event a day, the last of them now, and a daemon that has just started."""
    filler = new_record(folder, keep_days=36_500)
    for day in range(days):
        fill(filler, day + 1, 1, clocks.wall - (days - 1 - day) * DAY_S)
    return new_record(folder, keep_days=keep_days, clocks=clocks)


def test_days_that_are_too_old_go_and_the_log_names_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clocks = Clocks()
    record = record_of_days(tmp_path, 5, clocks, keep_days=3)
    record.tidy(clocks.wall)
    assert seqs(record) == [2, 3, 4, 5]
    clocks.go_on(DAY_S)
    record.tidy(clocks.wall)
    assert seqs(record) == [2, 3, 4, 5], "older than the newest events, not than the clock"
    fill(record, 6, 1, clocks.wall)
    assert seqs(record) == [2, 3, 4, 5, 6]
    clocks.go_on(TIDY_S - 1)
    record.tidy(clocks.wall)  # too soon to look again
    assert seqs(record) == [2, 3, 4, 5, 6]
    clocks.go_on(1)
    record.tidy(clocks.wall)
    assert seqs(record) == [3, 4, 5, 6]
    deleted = [text for entry in caplog.records if "deleting" in (text := entry.getMessage())]
    assert len(deleted) == 2
    assert "2026-" in deleted[0]


@pytest.mark.parametrize("leap_s", [60 * DAY_S, 3600 * DAY_S, 2 * DAY_S, -60 * DAY_S])
@pytest.mark.parametrize("lasts_s", [3.0, 7300.0])
def test_a_clock_that_leaps_for_a_while_deletes_nothing(tmp_path: Path, leap_s: float, lasts_s: float) -> None:
    clocks = Clocks()
    record = record_of_days(tmp_path, 31, clocks)
    for seconds in (0.0, 2 * TIDY_S):
        clocks.go_on(seconds)
        record.tidy(clocks.wall)
    clocks.leap(leap_s)
    fill(record, 40, 1, clocks.wall)
    for _ in range(3):
        record.tidy(clocks.wall)
        clocks.go_on(lasts_s / 3)
    clocks.leap(-leap_s)
    fill(record, 41, 1, clocks.wall)
    for _ in range(5):
        clocks.go_on(TIDY_S)
        record.tidy(clocks.wall)
    assert set(seqs(record)) == {*range(1, 32), 40, 41}


def test_a_start_while_the_clock_is_wrong_deletes_nothing(tmp_path: Path) -> None:
    clocks = Clocks()
    record_of_days(tmp_path, 20, clocks)
    clocks.leap(60 * DAY_S)
    for start in range(3):
        record = new_record(tmp_path, clocks=clocks)
        record.tidy(clocks.wall)
        fill(record, 40 + start, 1, clocks.wall)
        clocks.go_on(3 * TIDY_S)
        record.tidy(clocks.wall)
        assert len(seqs(record)) == 21 + start


def test_after_a_long_pause_old_days_go_once_the_clock_has_proved_right(tmp_path: Path) -> None:
    clocks = Clocks()
    record_of_days(tmp_path, 20, clocks)
    clocks.go_on(60 * DAY_S)
    record = new_record(tmp_path, clocks=clocks)
    for _ in range(30):
        fill(record, 40, 1, clocks.wall)
        clocks.go_on(TIDY_S)
        record.tidy(clocks.wall)
    assert set(seqs(record)) == {40}


def test_nothing_is_recorded_and_nothing_is_left_with_zero_days(tmp_path: Path) -> None:
    fill(new_record(tmp_path), 1, 1, NOON)
    (tmp_path / "record" / "notes.txt").write_text("not of the record")
    record = new_record(tmp_path, keep_days=0)
    fill(record, 2, 1, NOON)
    record.tidy(NOON)
    assert names(tmp_path) == ["notes.txt"]


def test_the_oldest_days_go_first_when_there_is_too_much(tmp_path: Path) -> None:
    size = len(write_line(*payload(1, NOON)[::2]))
    record = new_record(tmp_path, keep_bytes=25 * size)
    for day in range(4):
        fill(record, 10 * day + 1, 10, NOON + day * DAY_S)
    assert seqs(record) == list(range(21, 41))


def test_of_a_single_day_that_is_too_much_the_older_half_goes(tmp_path: Path) -> None:
    size = len(write_line(*payload(1, NOON)[::2]))
    record = new_record(tmp_path, keep_bytes=100 * (size + 3))
    for number in range(150):
        fill(record, number + 1, 1, NOON)
    kept = seqs(record)
    assert record.unreadable_lines == 0
    assert kept == list(range(151 - len(kept), 151))
    assert 50 <= len(kept) <= 100
    assert len(names(tmp_path)) == 1


def test_a_torn_line_is_skipped_counted_and_spoils_no_other(tmp_path: Path) -> None:
    record = new_record(tmp_path)
    fill(record, 1, 3, NOON)
    (path,) = day_files(tmp_path / "record")
    path.write_bytes(path.read_bytes()[:-50])
    assert record.newest().row == 2
    fill(record, 4, 1, NOON)
    assert seqs(record) == [1, 2, 4]
    assert record.unreadable_lines == 1
    assert record.newest().row == 4


@pytest.mark.parametrize("end", [b"", b"\n", b"torn"])
def test_lines_backwards_are_the_lines_backwards(tmp_path: Path, end: bytes) -> None:
    lines = [b"%d" % number * (number * number % 97) for number in range(2000)]
    lines.insert(1000, b"x" * 200_000)  # longer than a block
    path = tmp_path / "lines"
    path.write_bytes(b"\n".join(lines) + end)
    assert list(lines_backwards(path)) == list(reversed(list(lines_forwards(path))))
    path.write_bytes(b"")
    assert list(lines_backwards(path)) == []


def test_at_the_start_what_the_record_lacks_is_appended(tmp_path: Path) -> None:
    with recording(tmp_path, new_record(tmp_path, keep_days=0)) as outbox:
        outbox.append(passers_by(5))
    record = new_record(tmp_path, keep_days=36_500)
    with recording(tmp_path, record) as outbox:
        assert seqs(record) == [1, 2, 3, 4, 5]
        outbox.append(passers_by(1))
    (path,) = day_files(tmp_path / "record")
    path.write_bytes(path.read_bytes()[:-10])  # a power cut: the outbox has the event, the record a part of it
    with recording(tmp_path, record):
        assert seqs(record) == [1, 2, 3, 4, 5, 6]


def test_a_full_disk_of_the_record_disturbs_nothing_and_is_made_up_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    record = new_record(tmp_path, keep_days=36_500, keep_bytes=100_000_000)
    with recording(tmp_path, record) as outbox, small_disk(tmp_path / "record") as disk:
        outbox.append(passers_by(2))
        with disk.full():
            for number in range(30):
                outbox.append(passers_by(10, first=10 * number))
            assert outbox.lost == 0
            problem = str(outbox.disk_problem)
            assert problem.startswith(f"the record in {tmp_path}/record cannot be written: {os.strerror(errno.ENOSPC)}")
            outbox.acknowledge([300, 301])
            outbox.delete_acknowledged()
        outbox.retry()
        assert outbox.disk_problem is None
        assert seqs(record) == [*range(1, 303)]
        assert record.unreadable_lines == 0
    messages = [entry.getMessage() for entry in caplog.records]
    assert len([message for message in messages if "recorded later" in message]) == 1
    assert len([message for message in messages if "record in" in message and "written again" in message]) == 1


def test_no_file_stays_open_over_a_year(tmp_path: Path) -> None:
    clocks = Clocks()
    record = new_record(tmp_path, keep_days=30, clocks=clocks)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for day in range(365):
        fill(record, day + 1, 1, clocks.wall)
        clocks.go_on(DAY_S)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(names(tmp_path)) == 31


def test_a_file_in_the_records_place_disturbs_nothing(tmp_path: Path) -> None:
    (tmp_path / "record").write_text("in the way")
    with recording(tmp_path, new_record(tmp_path)) as outbox:
        assert len(outbox.append(passers_by(2))) == 2
        assert outbox.depth == 2
        assert "record cannot be written" in str(outbox.disk_problem)
        (tmp_path / "record").unlink()
        outbox.retry()
        assert outbox.disk_problem is None


def test_what_was_sent_waits_for_a_record_that_cannot_be_written(tmp_path: Path) -> None:
    in_the_way = tmp_path / "record"
    in_the_way.write_text("no folder")
    record = new_record(tmp_path)
    with recording(tmp_path, record) as outbox:
        outbox.append(passers_by(5))
        outbox.acknowledge([1, 2, 3])
        assert not outbox.delete_acknowledged()
        assert outbox.depth == 2
        assert [event.seq for event in outbox.pending(10)] == [4, 5]
        assert outbox.oldest_unsent_at == parse_timestamp(Event.model_validate_json(outbox.pending(1)[0].payload).time)
    with recording(tmp_path, record) as outbox:
        assert outbox.depth == 2, "what was acknowledged is not sent again after a restart"
        assert [event.seq for event in outbox.pending(10)] == [4, 5]
        in_the_way.unlink()
        assert outbox.delete_acknowledged()
        assert seqs(record) == [1, 2, 3, 4, 5]
        outbox.acknowledge([4, 5])
        assert outbox.delete_acknowledged()
        assert outbox.depth == 0


def test_only_so_many_wait_for_a_record_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "record").write_text("no folder")
    record = new_record(tmp_path)
    with recording(tmp_path, record) as outbox:
        outbox.append(passers_by(HELD_LIMIT + 7))
        outbox.acknowledge(range(1, HELD_LIMIT + 8))
        assert not outbox.delete_acknowledged()
        (tmp_path / "record").unlink()
        assert outbox.delete_acknowledged()
    assert seqs(record) == list(range(8, HELD_LIMIT + 8))
