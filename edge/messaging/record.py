"""The local record: every event of the last days, for `maskd events` and for the day when the outbox is damaged."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path

from edge.messaging.events import Event, parse_event
from edge.messaging.record_reader import FOLDER_NAME, day_files, day_of, lines_backwards, lines_forwards

log = logging.getLogger(__name__)

TIDY_S = 3600.0
"""Between two looks for days that are too old."""
TIDY_AGAIN_S = 60.0
"""After a look that the disk refused."""


class Record:
    """Appends events, as they were published, to `<folder>/record/<UTC day>.jsonl`.

    Only one thread at a time may use it, and the outbox sees to that. Nothing here raises: what cannot be written is
    left to the outbox, which offers it again. No file stays open, so a day that was removed by hand is begun anew.
    """

    def __init__(self, folder: Path, *, keep_days: float, keep_bytes: int) -> None:
        """`folder` is `storage.path`. Days that are over for `keep_days` go (0: nothing is recorded), and the oldest
        days where all take more than `keep_bytes`."""
        self.problem: str | None = None
        """Why the record cannot be written at present, in a sentence."""
        self.unreadable_lines = 0
        """Lines that the latest events() could not read: torn by a power cut, or damaged."""
        self._folder = folder / FOLDER_NAME
        self.keep_days = keep_days
        self.keep_bytes = keep_bytes
        """Both replaced by any thread; what is too much goes within the hour."""
        self._bytes = 0
        self._next_tidy_in_s = 0.0
        self._tidied_at = float("-inf")

    def append(self, events: Sequence[tuple[float, bytes]], now: float) -> int:
        """Appends payloads with the times at which they happened, in seconds since 1970, and returns how many of them,
        from the first on, are now recorded."""
        if self.keep_days == 0:
            return len(events)
        appended = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for day, of_the_day in groupby(events, lambda event: _day(event[0])):
                lines = [payload + b"\n" for _, payload in of_the_day]
                self._append_to(self._folder / f"{day}.jsonl", b"".join(lines))
                appended += len(lines)
        except OSError as error:
            self._report(error)
        else:
            self._report(None)
        if self._bytes > self.keep_bytes and self._next_tidy_in_s != TIDY_AGAIN_S:
            self._next_tidy_in_s = 0.0
        self.tidy(now)
        return appended

    def tidy(self, now: float) -> None:
        """Deletes what is too old or too much; cheap where it was called lately. `now` in seconds since 1970."""
        # The clock may step back, as a Pi's does; then it is time as well.
        if abs(now - self._tidied_at) < self._next_tidy_in_s:
            return
        self._tidied_at = now
        try:
            self._delete_old(now)
            self._next_tidy_in_s = TIDY_S
        except FileNotFoundError:
            self._next_tidy_in_s = TIDY_S  # there is no record yet
        except OSError as error:
            self._next_tidy_in_s = TIDY_AGAIN_S
            self._report(error)

    def highest_seq(self) -> int:
        """Of the events recorded; 0 where there are none."""
        return max((self._last_seq(path) for path in self._day_files()), default=0)

    def events(self) -> Iterator[tuple[Event, bytes]]:
        """Every event recorded, with its line, day by day. Skips and counts what cannot be read."""
        self.unreadable_lines = 0
        for path in self._day_files():
            try:
                for line in lines_forwards(path):
                    event = parse_event(line)
                    if event is None:
                        self.unreadable_lines += 1
                    else:
                        yield event, line
            except OSError as error:
                log.warning("the record's file %s cannot be read to its end: %s", path, error.strerror or error)

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

    def _delete_old(self, now: float) -> None:
        today = datetime.fromtimestamp(now, timezone.utc).date()
        sizes: dict[Path, int] = {}
        for path in day_files(self._folder):
            day = day_of(path)
            assert day is not None
            if self.keep_days == 0 or (today - day).days > self.keep_days:
                path.unlink()
            else:
                sizes[path] = path.stat().st_size
        while len(sizes) > 1 and sum(sizes.values()) > self.keep_bytes:
            oldest = next(iter(sizes))
            oldest.unlink()
            del sizes[oldest]
        for path, size in sizes.items():
            if size > self.keep_bytes:
                sizes[path] = _drop_older_half(path, size)
        self._bytes = sum(sizes.values())

    def _last_seq(self, path: Path) -> int:
        with suppress(OSError):
            for line in lines_backwards(path):
                if (event := parse_event(line)) is not None:
                    return event.seq
        return 0

    def _report(self, error: OSError | None) -> None:
        if error is None:
            if self.problem is not None:
                log.info("the record in %s can be written again", self._folder)
            self.problem = None
            return
        problem = f"the record in {self._folder} cannot be written: {error.strerror or error}; free some space there"
        if self.problem is None:
            log.warning("%s; events are sent all the same, and recorded later, at least the latest 1000", problem)
        self.problem = problem


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()


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
