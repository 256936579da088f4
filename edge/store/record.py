"""The local record: every event of the last days, for `maskd events` and for the day when the outbox is damaged."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from itertools import groupby, islice
from pathlib import Path

from edge.payloads.events import Event, parse_event
from edge.payloads.numbering import Counted, counted, latest
from edge.store.clock_trust import ClockTrust, utc_day
from edge.store.record_line import RecordedLine, read_line, write_line
from edge.store.record_reader import FOLDER_NAME, day_files, day_of, lines_backwards, lines_forwards

log = logging.getLogger(__name__)

TIDY_S = 3600.0
"""Between two looks for days that are too old."""
TIDY_AGAIN_S = 60.0
"""After a look that the disk refused."""
TAIL_BYTES = 1_000_000
"""Read of each day's end, for its last event."""
HEAD_LINES = 1000
"""Read of a day's beginning, for its first event."""


class Record:
    """Appends events, as they were published, to `<folder>/record/<UTC day>.jsonl`.

    Only one thread at a time may use it, and the outbox sees to that. Nothing here raises: what cannot be written is
    left to the outbox, which offers it again. No file stays open, so a day that was removed by hand is started again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep_days: float,
        keep_bytes: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is `storage.path`. Days that are older than the newest events by `keep_days` are deleted (0: nothing
        is recorded), but not by a clock that has just been set; and the oldest days where all take more than
        `keep_bytes`."""
        self.problem: str | None = None
        """Why the record cannot be written at present, in a sentence."""
        self.unreadable_lines = 0
        """Lines that the latest events() could not read: torn by a power cut, or damaged."""
        self._folder = folder / FOLDER_NAME
        self.keep_days = keep_days
        self.keep_bytes = keep_bytes
        """Both replaced by any thread; what is too much goes within the hour."""
        self._bytes = 0
        self._monotonic = monotonic
        self._clock = ClockTrust()
        self._next_tidy_at = float("-inf")
        self._awaits_clock = False

    def append(self, events: Sequence[tuple[int, float, bytes]], now: float) -> int:
        """Appends events: the row in the outbox, when it happened in seconds since 1970, and the payload. Returns how
        many of them, from the first on, are now recorded."""
        if self.keep_days == 0:
            return len(events)
        appended = 0
        self._watch_clock(now)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for day, of_the_day in groupby(events, lambda event: utc_day(event[1])):
                lines = [write_line(row, payload) for row, _, payload in of_the_day]
                self._append_to(self._folder / f"{day.isoformat()}.jsonl", b"".join(lines))
                appended += len(lines)
        except OSError as error:
            self._report(error)
        else:
            self._report(None)
        if self._bytes > self.keep_bytes and self._next_tidy_at - self._monotonic() > TIDY_AGAIN_S:
            self._next_tidy_at = float("-inf")
        self.tidy(now)
        return appended

    def tidy(self, now: float) -> None:
        """Deletes what is too old or too much; cheap where it was called lately. `now` in seconds since 1970."""
        monotonic = self._monotonic()
        self._watch_clock(now)
        if monotonic < self._next_tidy_at:
            return
        try:
            self._delete_old(now)
            self._next_tidy_at = monotonic + TIDY_S
        except FileNotFoundError:
            self._next_tidy_at = monotonic + TIDY_S  # there is no record yet
        except OSError as error:
            self._next_tidy_at = monotonic + TIDY_AGAIN_S
            self._report(error)

    def newest(self) -> Counted:
        """Of the events recorded, how far the outbox had come. Reads only the ends of the files."""
        return latest(self._last_counted(path) for path in self._day_files())

    def events(self) -> Iterator[tuple[RecordedLine, Event]]:
        """Every event recorded, day by day. Skips and counts what is not as it was written, and names it in the log."""
        self.unreadable_lines = 0
        for path in self._day_files():
            before = self.unreadable_lines
            try:
                for line in lines_forwards(path):
                    recorded = read_line(line)
                    event = parse_event(recorded.payload) if recorded is not None else None
                    if recorded is None or event is None:
                        self.unreadable_lines += 1
                    else:
                        yield recorded, event
            except OSError as error:
                log.warning("the record's file %s cannot be read completely: %s", path, error.strerror or error)
            if unreadable := self.unreadable_lines - before:
                log.warning("lines of the record's file %s that are damaged: %d", path, unreadable)

    def _day_files(self) -> list[Path]:
        try:
            return day_files(self._folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            log.warning("the record in %s cannot be read: %s", self._folder, error.strerror or error)
            return []

    def _append_to(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data  # a power cut tore the last line
            try:
                # No fsync: the outbox has the events on the disk already. What a power cut takes from the record is
                # appended again from there at the next start, or has reached the broker.
                written = 0
                while written < len(data):
                    written += os.write(descriptor, data[written:])
            except OSError:
                os.ftruncate(descriptor, size)
                raise
            self._bytes += len(data)
        finally:
            os.close(descriptor)

    def _watch_clock(self, now: float) -> None:
        self._clock.observe(
            now, self._monotonic(), lambda: [day for path in self._day_files() if (day := day_of(path))]
        )

    def _delete_old(self, now: float) -> None:
        paths = {day: path for path in day_files(self._folder) if (day := day_of(path)) is not None}
        for day in self._too_old(paths, now):
            paths.pop(day).unlink()
        sizes = {path: path.stat().st_size for path in paths.values()}
        while len(sizes) > 1 and sum(sizes.values()) > self.keep_bytes:
            oldest = next(iter(sizes))
            oldest.unlink()
            del sizes[oldest]
            log.info("deleted %s of the record: all days together took more than storage.keep_bytes", oldest.name)
        for path, size in sizes.items():
            if size > self.keep_bytes:
                sizes[path] = _drop_older_half(path, size)
                log.info("deleted the older half of %s of the record: it took more than storage.keep_bytes", path.name)
        self._bytes = sum(sizes.values())

    def _too_old(self, days: Mapping[date, Path], now: float) -> list[date]:
        """Days that are to be deleted by their age. An event may carry a date of the future, stamped by a clock that
        was wrong, so the newest events are those up to now."""
        if self.keep_days == 0:
            old = [*days]
        else:
            newest = max((day for day in days if day <= utc_day(now)), default=None)
            old = [] if newest is None else [day for day in days if (newest - day).days > self.keep_days]
            old = self._truly_old(old, days)
            if old and not self._clock.is_trusted(now, self._monotonic()):
                if not self._awaits_clock:
                    log.info("%d old days of the record are kept until the clock is trusted", len(old))
                self._awaits_clock = True
                return []
        self._awaits_clock = False
        if old:
            span = min(old).isoformat() + (f" to {max(old).isoformat()}" if len(old) > 1 else "")
            log.info("deleting %d days of the record by storage.keep_days: %s", len(old), span)
        return old

    def _truly_old(self, old: Sequence[date], days: Mapping[date, Path]) -> list[date]:
        """Without those whose events are newer than some that stay: a clock that was set back has dated them."""
        kept_rows = [self._first_row(path) for day, path in days.items() if day not in old] if old else []
        first_kept = min((row for row in kept_rows if row is not None), default=None)
        last_rows = {day: next((line.row for line in self._tail(days[day])), 0) for day in old}
        return [day for day in old if first_kept is None or last_rows[day] < first_kept]

    def _last_counted(self, path: Path) -> Counted | None:
        return next((found for line in self._tail(path) if (found := counted(line.row, line.payload))), None)

    def _tail(self, path: Path) -> Iterator[RecordedLine]:
        """The last lines that are as they were written, the newest first."""
        with suppress(OSError):
            for line in lines_backwards(path, at_most_bytes=TAIL_BYTES):
                if (recorded := read_line(line)) is not None:
                    yield recorded

    def _first_row(self, path: Path) -> int | None:
        with suppress(OSError):
            for line in islice(lines_forwards(path), HEAD_LINES):
                recorded = read_line(line)
                if recorded is not None:
                    return recorded.row
        return None

    def _report(self, error: OSError | None) -> None:
        if error is None:
            if self.problem is not None:
                log.info("the record in %s can be written again", self._folder)
            self.problem = None
            return
        problem = f"the record in {self._folder} cannot be written: {error.strerror or error}; free some space there"
        if self.problem is None:
            log.warning("%s; events are still sent, and at least the latest 1000 are recorded later", problem)
        self.problem = problem


def _drop_older_half(path: Path, size: int) -> int:
    """Returns how many bytes are left. Raises OSError."""
    rest = path.with_name(path.name + ".new")
    try:
        with path.open("rb") as old, rest.open("wb") as new:
            old.seek(size - size // 2)
            old.readline()
            shutil.copyfileobj(old, new)
        rest.replace(path)
    except OSError:
        rest.unlink(missing_ok=True)
        raise
    return path.stat().st_size
