"""The outbox on the disk: its database, the file with its numbers, and which rows the broker has."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from edge.errors import MaskdError
from edge.payloads.events import Draft, Event, NumberedEvent, ended_after_crash, parse_event
from edge.payloads.numbering import Counted, new_epoch
from edge.store.disk_health import reason
from edge.store.origin import Origin
from edge.store.outbox_file import connect, create_tables, wait_briefly
from edge.store.outbox_recovery import Evidence, open_database
from edge.store.outbox_rows import Figures, OutboxRows, Pending
from edge.store.own_files import OwnFiles
from edge.store.record import Record
from edge.store.seq_file import Numbers, SeqFile

log = logging.getLogger(__name__)

PROBE_BYTES = 1_000_000
"""A disk with less room may take a figure and refuse the next event."""
_CLOSED = Figures(Counted(), depth=0, bytes=0, lost=0)

Tracks = Mapping[str, tuple[str, bytes] | None]
"""Topic and payload of the latest event of a track; None: it has ended."""


class OutboxDisk:
    """Belongs to the outbox's lock. Where the disk refuses, a method that writes raises sqlite3.Error or OSError and
    leaves everything as it was."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "outbox.db"
        self.damaged: str | None = None
        """What open() found wrong with the outbox and has repaired, in a sentence."""
        self.renumbered: str | None = None
        """Why open() began a new epoch, in a sentence; None: numbering goes on."""
        self.is_in_memory = False
        """Until the next start nothing is written, and what waits on the disk stays there."""
        self.next_row = 1
        """Above `figures.counted.row` while events went out without the disk, which have rows as well."""
        self.acknowledged: set[int] = set()
        """Rows whose deletion has not been committed."""
        self._folder = folder
        self._files = OwnFiles(folder, self.path)
        self._seq_file = SeqFile(folder / "seq")
        self._rows: OutboxRows | None = None
        self._acknowledged_up_to = 0
        self._cap_is_reached = False

    def open(self, record: Record | None, prefix: str, stops: Callable[[], bool], *, epoch_in_memory: str) -> None:
        """In memory where the disk is read-only. Raises OSError, sqlite3.Error and what open_database() raises."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._files.acquire()
        try:
            self._open(record, prefix, stops)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            db = connect(Path(":memory:"))
            create_tables(db)
            self._rows = OutboxRows(db)
            self._rows.start({}, epoch=epoch_in_memory, lost=0)
            self.is_in_memory = True

    def _open(self, record: Record | None, prefix: str, stops: Callable[[], bool]) -> None:
        self._seq_file.open()
        numbers = self._seq_file.read()
        origin = Origin(self._folder, put_back=self._seq_file.was_put_back(numbers))
        db, self.damaged = open_database(self.path, Evidence(numbers, record, prefix), stops)
        wait_briefly(db)
        self._rows = OutboxRows(db)
        self._begin(numbers, origin)

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()
            self._rows = None
        self._seq_file.close()
        self._files.release()

    @property
    def is_open(self) -> bool:
        return self._rows is not None

    @property
    def rows(self) -> OutboxRows:
        if self._rows is None:
            raise RuntimeError("the outbox is not open")
        return self._rows

    @property
    def figures(self) -> Figures:
        """Of the latest transaction; nothing if it is not open."""
        return _CLOSED if self._rows is None else self._rows.figures

    def numbered(self, drafts: Sequence[Draft]) -> list[NumberedEvent]:
        """The drafts with the next numbers, which commit() takes."""
        counted = self.figures.counted
        return [draft.numbered(counted.epoch, counted.seq + index) for index, draft in enumerate(drafts, 1)]

    def commit(
        self, events: Sequence[NumberedEvent], tracks: Tracks, *, max_events: int, max_bytes: int, lost: int
    ) -> None:
        """Writes events that have the next numbers, which go to the seq file first. `lost`: given up elsewhere."""
        self.require()
        before = self.rows.figures.counted
        last_row = self.next_row + len(events) - 1
        after = replace(before, row=last_row, seq=before.seq + len(events)) if events else before
        given_up = self.rows.store(
            self.next_row,
            events,
            tracks,
            counted=after,
            max_events=max_events,
            max_bytes=max_bytes,
            lost=lost,
            before=lambda: self._write_ahead(before, after, lost) if events else None,
        )
        if given_up and not self._cap_is_reached:
            self._cap_is_reached = True
            log.warning(
                "the outbox in %s is full, so the oldest unsent events are dropped; bring the broker back or raise "
                "storage.max_events and storage.max_bytes",
                self._folder,
            )
        self.next_row = max(self.next_row, after.row + 1)
        self.write_numbers(lost=0)

    def left_open(self, now: float) -> tuple[list[NumberedEvent], Tracks]:
        """What commit() takes to end every track that a crash left open, as of `now`, in seconds since 1970."""
        left = self.rows.open_tracks()
        known = [(topic, event) for _, topic, payload in left if (event := _read(topic, payload)) is not None]
        counted = self.figures.counted
        ended = [
            ended_after_crash(topic, event, epoch=counted.epoch, seq=counted.seq + index, now=now)
            for index, (topic, event) in enumerate(sorted(known, key=lambda one: str(one[1].id)), 1)
        ]
        return ended, {track: None for track, _, _ in left}

    def pending(self, limit: int, after_row: int, without_topics: Sequence[str]) -> list[Pending]:
        """Committed and not acknowledged, in order."""
        rows = self.rows.read(limit + len(self.acknowledged), after_row=after_row, without_topics=without_topics)
        return [Pending(row.row, row.topic, row.payload) for row in rows if row.row not in self.acknowledged]

    def delete(self, rows: Sequence[int]) -> None:
        """In one commit."""
        self.require()
        self.rows.delete(rows)
        self.acknowledged.difference_update(rows)

    def note_acknowledged(self, *, lost: int) -> None:
        """Where the oldest row that the broker lacks is another one now: writes that down."""
        if self.figures.depth == 0:
            self._cap_is_reached = False
        oldest = self.oldest_unsent()
        up_to = self.rows.figures.counted.row if oldest is None else oldest[0] - 1
        if up_to != self._acknowledged_up_to:
            self._acknowledged_up_to = up_to
            self.write_numbers(lost=lost)

    def oldest_unsent(self) -> tuple[int, float] | None:
        """Row and time, in seconds since 1970, of the oldest unacknowledged event that is committed."""
        try:
            rows = self.rows.read(len(self.acknowledged) + 1)
        except sqlite3.Error:
            return None
        return next(((row.row, row.created) for row in rows if row.row not in self.acknowledged), None)

    def write_numbers(self, *, lost: int) -> None:
        """Once they are true: not durably, since without them an event is at worst sent again. `lost`: as there."""
        if self.is_in_memory:
            return
        counted = self.rows.figures.counted
        with suppress(OSError):
            self._seq_file.write(self._numbers(counted, counted, lost), durable=False)

    def require(self) -> None:
        """Raises OSError where what is written now would be gone after a restart."""
        self._files.require()

    @property
    def has_room(self) -> bool:
        """Raises OSError."""
        free = os.statvfs(self._folder)
        return free.f_bavail * free.f_frsize >= PROBE_BYTES

    def unusable(self, error: Exception) -> MaskdError:
        return MaskdError(
            f"the outbox in {self._folder} cannot be written: {reason(error)}; set storage.path to a folder that "
            "maskd may write and that has space"
        )

    def _begin(self, numbers: Numbers, origin: Origin) -> None:
        self._files.note_database()
        marks, copied = origin.compare(self.path, self.rows.meta())
        epoch = new_epoch() if copied or not self.rows.figures.counted.epoch else None
        self.rows.start(marks, epoch=epoch, lost=numbers.lost)
        counted = self.rows.figures.counted
        if copied:
            self.renumbered = f"{copied}, so events are numbered from 1 in a new epoch, {counted.epoch}"
            log.warning("%s", self.renumbered)
        log.info("events are numbered from %d in the epoch %s", counted.seq + 1, counted.epoch)
        self.next_row = counted.row + 1
        # Those that the record has yet to take.
        self.acknowledged = set(self.rows.up_to(numbers.acknowledged))
        self._acknowledged_up_to = numbers.acknowledged
        self.write_numbers(lost=0)

    def _write_ahead(self, before: Counted, after: Counted, lost: int) -> None:
        self._seq_file.write(self._numbers(before, after, lost), durable=True)
        self._files.require_writable()

    def _numbers(self, committed: Counted, given: Counted, lost: int) -> Numbers:
        return Numbers(
            given=given.row,
            committed=committed.row,
            acknowledged=self._acknowledged_up_to,
            given_seq=given.seq,
            committed_seq=committed.seq,
            epoch=committed.epoch,
            lost=self.figures.lost + lost,
        )


def _read(topic: str, payload: bytes) -> Event | None:
    event = parse_event(payload)
    if event is None:
        log.warning("a person's last event on %s cannot be read, so no `ended` is published", topic)
    return event
