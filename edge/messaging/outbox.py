"""Committed events wait here, in SQLite, until the broker has acknowledged them."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge.errors import MaskdError
from edge.messaging.disk_health import DiskHealth, reason
from edge.messaging.origin import Origin
from edge.messaging.outbox_check import OutboxCheck
from edge.messaging.outbox_file import connect, create_tables, wait_briefly
from edge.messaging.outbox_recovery import VERIFIED_BYTES, Evidence, mark_damaged, open_database
from edge.messaging.outbox_rows import OutboxRows
from edge.messaging.own_files import OwnFiles
from edge.messaging.record import Record
from edge.messaging.recording import Recording
from edge.messaging.seq_file import Numbers, SeqFile
from edge.messaging.unsaved import HELD_LIMIT, Unsaved
from edge.payloads.events import Draft, Event, NumberedEvent, ended_after_crash, parse_event
from edge.payloads.numbering import Counted, new_epoch

log = logging.getLogger(__name__)

BATCH = 1000
"""Rows deleted at a time."""
PROBE_BYTES = 1_000_000
"""A disk with less room may take a figure and refuse the next event."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that waits for the broker's acknowledgement."""

    seq: int
    """Its row: counts all events of this outbox. What it is published under, epoch and number, is in the payload."""
    topic: str
    payload: bytes


class Outbox:
    """The events of one device, numbered without a gap and kept until acknowledged.

    An event exists once append() has returned it: it then survives kill -9 and a power cut. All methods may be called
    from any thread. Only open() and recover() raise; later a disk that takes no more is logged once, and up to
    `HELD_LIMIT` events wait in memory for it, or for number_unsaved().
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_events: int,
        max_bytes: int,
        record: Record | None = None,
        prefix: str = "maskd",
    ) -> None:
        """`record` takes every event as well, and gives back what a damaged outbox has lost; `prefix` is that of the
        topics on which such events are published."""
        self.on_commit: Callable[[], None] = lambda: None
        """Called after events were committed, or wait in memory, in the thread that brought them."""
        self.on_damage: Callable[[BaseException], None] = lambda _error: None
        """Called in a thread of the outbox's own when damage is found that the next open() repairs."""
        self.damaged: str | None = None
        """What open() found wrong with the outbox and has repaired, in a sentence."""
        self.renumbered: str | None = None
        """Why open() began a new epoch, in a sentence; None: numbering goes on."""
        self.folder = folder
        self._path = folder / "outbox.db"
        self.max_events = max_events
        self.max_bytes = max_bytes
        """Both replaced by any thread; room is made with the next event."""
        self._record = record
        self._recording = Recording(record)
        self._prefix = prefix
        self._lock = threading.RLock()
        self._files = OwnFiles(folder, folder / "outbox.db")
        self._seq_file = SeqFile(folder / "seq")
        self._open_rows: OutboxRows | None = None
        self._check: OutboxCheck | None = None
        self._is_without_disk = False
        self._disk = DiskHealth(folder)
        self._unsaved = Unsaved()
        self._offered = 0
        """Events that append() was given and has not yet taken in."""
        self.given_up = 0
        """Events that neither the disk nor the broker had taken at the stop."""
        self._next_row = 1
        """Above `counted.row` while events went out without the disk, which have rows as well."""
        self._acknowledged: set[int] = set()
        """Rows whose deletion has not been committed."""
        self._acknowledged_up_to = 0
        self._cap_is_reached = False

    def open(self, stops: Callable[[], bool] = lambda: False) -> None:
        """Makes the folder and the file where needed. A damaged file is set aside, and what it and the record still
        hold is taken over. Where the disk is read-only, events go out without it.

        Raises MaskdError where the folder cannot be written for another reason, or another maskd uses it, and
        OpeningStoppedError soon after `stops` has become true.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._files.acquire()
            self._seq_file.open()
            numbers = self._seq_file.read()
            origin = Origin(self.folder, put_back=self._seq_file.was_put_back(numbers))
            evidence = Evidence(numbers, self._record, self._prefix)
            db, self.damaged = open_database(self._path, evidence, stops)
            wait_briefly(db)
            self._open_rows = OutboxRows(db)
            self._begin(numbers, origin)
        except (OSError, sqlite3.Error) as error:
            if not self._files.are_acquired or not isinstance(error, OSError) or error.errno != errno.EROFS:
                self.close()
                raise self._unusable(error) from error
            self._open_without_disk()
        except BaseException:
            self.close()
            raise
        self._recording.begin()
        self.delete_acknowledged()
        if not self._is_without_disk and self._path.stat().st_size > VERIFIED_BYTES:
            self._check = OutboxCheck(self._path, on_damage=self._found_damage)
            self._check.start()

    def close(self) -> None:
        """Writes what still waits in memory, if the disk takes it."""
        if self._check is not None:
            self._check.stop()
            self._check = None
        with self._lock:
            if self._open_rows is not None:
                self.retry()
                self.delete_acknowledged()
                self.give_up_unsaved()
                self._open_rows.close()
                self._open_rows = None
            self._seq_file.close()
            self._files.release()

    @property
    def depth(self) -> int:
        """Events not acknowledged, those that only wait in memory included."""
        with self._lock:
            depth = self._open_rows.figures.depth if self._open_rows is not None else 0
            return max(0, depth - len(self._acknowledged)) + len(self._unsaved)

    @property
    def uncommitted(self) -> int:
        """Events that the disk has not yet taken, counted without waiting for it."""
        return self._offered + len(self._unsaved)

    @property
    def lost(self) -> int:
        """Events given up since the outbox was made, because a cap was reached or the disk refused for too long."""
        with self._lock:
            committed = self._open_rows.figures.lost if self._open_rows is not None else 0
            return committed + self._unsaved.lost

    @property
    def counted(self) -> Counted:
        """The latest number given, in the epoch that outlives this process."""
        with self._lock:
            return self._rows.figures.counted

    @property
    def disk_problem(self) -> str | None:
        """What the disk refuses at present, or that it is slow, in a sentence; None: neither."""
        with self._lock:
            consequence = (
                "events go to the broker as `durable: false`, and those that it has not taken wait in memory, "
                f"at most {HELD_LIMIT}"
            )
            if (problem := self._disk.problem(consequence)) is not None:
                return problem
            return self._recording.problem

    @property
    def problems(self) -> list[str]:
        """What a person should know of: found at the start, and at present."""
        found = (self.damaged, self.renumbered, self.disk_problem)
        return [problem for problem in found if problem is not None]

    @property
    def oldest_unsent_at(self) -> float | None:
        """When the oldest unacknowledged event happened, in seconds since 1970."""
        with self._lock:
            if (oldest := self._oldest_unsent()) is not None:
                return oldest[1]
            return self._unsaved.oldest_wall_time

    def append(self, drafts: Sequence[Draft]) -> list[Event]:
        """Commits events, those that waited in memory first, and returns all that are now safe, numbered in order:
        one commit for all of them. Empty where the disk takes none: they then wait in memory."""
        self._offered = len(drafts)
        with self._lock:
            self._unsaved.hold(drafts)
            self._offered = 0
            if not self._unsaved.drafts or self._open_rows is None:  # closed meanwhile: `uncommitted` tells of them
                return []
            try:
                events = [] if drafts and self._disk.refused_lately else self._commit([*self._unsaved.drafts])
            except (sqlite3.Error, OSError) as error:
                self._refused(error)
                events = []
            if events:
                self._unsaved.drafts.clear()
                self._disk.works()
                self._write_record()
            else:
                self._unsaved.limit()
        # Also of what the disk refuses, since the broker may take it.
        self.on_commit()
        return events

    def retry(self) -> None:
        """Writes what a disk that took no more has left undone; cheap where there is nothing."""
        self.append([])
        with self._lock:
            if self._disk.refuses and not self._unsaved.drafts:
                self._probe()
            self._write_record()
            self._recording.tidy()

    def number_unsaved(self, limit: int) -> list[Event]:
        """Where the disk refuses: gives up to `limit` events that wait in memory numbers of their own epoch, so that
        pending() hands them out as not durable. For a broker that is there."""
        with self._lock:
            if not self._disk.refuses:
                return []
            events = self._unsaved.number(limit, self._next_row)
            self._next_row += len(events)
            return events

    def pending(self, limit: int, *, after_seq: int = 0, without_topics: Sequence[str] = ()) -> list[Pending]:
        """Unacknowledged events in order; of a disk that cannot be read, those in memory. Raises sqlite3.DatabaseError
        where the file is damaged, which the next open() repairs."""
        with self._lock:
            waiting = [
                Pending(row, sent.topic, sent.payload)
                for row, sent in self._unsaved.sent.items()
                if row > after_seq and sent.topic not in without_topics
            ]
            try:
                rows = self._rows.read(
                    limit + len(self._acknowledged), after_row=after_seq, without_topics=without_topics
                )
            except sqlite3.Error as error:
                self._refused(error)
                if not isinstance(error, sqlite3.OperationalError):
                    raise
                rows = []
            waiting += [Pending(row.row, row.topic, row.payload) for row in rows if row.row not in self._acknowledged]
            return sorted(waiting, key=lambda one: one.seq)[:limit]

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """The broker has these; unknown ones are ignored. They are gone for good with delete_acknowledged()."""
        with self._lock:
            self._acknowledged.update(self._unsaved.acknowledge(seqs))

    def delete_acknowledged(self) -> bool:
        """Deletes what was acknowledged, in one commit for each `BATCH`. False: the disk refuses that, or still has to
        take the record of some; to be tried again."""
        with self._lock:
            self._write_record()
            try:
                while recorded := self._recording.deletable(self._acknowledged)[:BATCH]:
                    self._files.require()
                    self._rows.delete(recorded)
                    self._acknowledged.difference_update(recorded)
                self._note_acknowledged()
            except (sqlite3.Error, OSError) as error:
                self._refused(error)
                return False
            if self._rows.figures.depth == 0:
                self._cap_is_reached = False
            return not self._acknowledged

    def recover(self, now: float) -> list[Event]:
        """Ends every track that a crash left open, as of `now` (seconds since 1970), and returns the `ended` events.

        Call it once after open(), before the first append(). Raises MaskdError where the disk takes nothing.
        """
        if self._is_without_disk:
            return []
        with self._lock:
            try:
                left = self._rows.open_tracks()
                known = [(topic, event) for _, topic, payload in left if (event := _read(topic, payload)) is not None]
                counted = self._rows.figures.counted
                ended = [
                    ended_after_crash(topic, event, epoch=counted.epoch, seq=counted.seq + index, now=now)
                    for index, (topic, event) in enumerate(sorted(known, key=lambda one: str(one[1].id)), 1)
                ]
                self._store(ended, {track: None for track, _, _ in left})
            except (sqlite3.Error, OSError) as error:
                raise self._unusable(error) from error
            self._write_record()
        if ended:
            log.warning("maskd was not stopped in order; %d people who were there then are now ended", len(ended))
            self.on_commit()
        return [one.event for one in ended]

    def give_up_unsaved(self) -> int:
        """At a stop: counts what neither the disk, tried once more, nor the broker has taken as lost, and returns how
        much that is."""
        with self._lock:
            self.append([])
            given_up = len(self._unsaved)
            if given_up:
                self._unsaved.drafts.clear()
                self._unsaved.sent.clear()
                self._unsaved.lost += given_up
                self.given_up += given_up
                log.error(
                    "%d events are lost: neither the disk of %s nor the broker took them until the end; %s",
                    given_up,
                    self.folder,
                    self._disk.remedy,
                )
            if self._unsaved.lost:
                self._write_numbers()
            return given_up

    @property
    def _rows(self) -> OutboxRows:
        if self._open_rows is None:
            raise RuntimeError("the outbox is not open")
        return self._open_rows

    def _open_without_disk(self) -> None:
        """Until the next start nothing is written, and what waits on the disk stays there."""
        db = connect(Path(":memory:"))
        create_tables(db)
        self._open_rows = OutboxRows(db)
        self._open_rows.start({}, epoch=self._unsaved.epoch, lost=0)
        self._is_without_disk = True
        try:
            self._files.require()
        except OSError as error:
            self._refused(error)

    def _begin(self, numbers: Numbers, origin: Origin) -> None:
        self._files.note_database()
        marks, copied = origin.compare(self._path, self._rows.meta())
        epoch = new_epoch() if copied or not self._rows.figures.counted.epoch else None
        self._rows.start(marks, epoch=epoch, lost=numbers.lost)
        counted = self._rows.figures.counted
        if copied:
            self.renumbered = f"{copied}; so events are numbered from 1 in a new epoch, {counted.epoch}"
            log.warning("%s", self.renumbered)
        log.info("events are numbered from %d in the epoch %s", counted.seq + 1, counted.epoch)
        self._next_row = counted.row + 1
        # Those that the record has yet to take.
        self._acknowledged = set(self._rows.up_to(numbers.acknowledged))
        self._acknowledged_up_to = numbers.acknowledged
        self._write_numbers()

    def _commit(self, drafts: Sequence[Draft]) -> list[Event]:
        counted = self._rows.figures.counted
        numbered = [draft.numbered(counted.epoch, counted.seq + index) for index, draft in enumerate(drafts, 1)]
        tracks = self._unsaved.tracks()
        for one in numbered:
            tracks[one.event.track] = None if one.event.type == "ended" else (one.topic, one.payload)
        with self._disk.timed():
            self._store(numbered, tracks)
        self._unsaved.tracks_are_told()
        return [one.event for one in numbered]

    def _store(self, events: Sequence[NumberedEvent], tracks: dict[str, tuple[str, bytes] | None]) -> None:
        """Commits events that have the next numbers, which go to the seq file first."""
        self._files.require()
        before = self._rows.figures.counted
        last_row = self._next_row + len(events) - 1
        after = replace(before, row=last_row, seq=before.seq + len(events)) if events else before
        given_up = self._rows.store(
            self._next_row,
            events,
            tracks,
            counted=after,
            max_events=self.max_events,
            max_bytes=self.max_bytes,
            lost=self._unsaved.lost,
            before=lambda: self._write_ahead(before, after) if events else None,
        )
        if given_up and not self._cap_is_reached:
            self._cap_is_reached = True
            log.warning(
                "the outbox in %s is full, so the oldest unsent events are given up; "
                "bring the broker back or raise storage.max_events and storage.max_bytes",
                self.folder,
            )
        self._next_row = max(self._next_row, after.row + 1)
        self._unsaved.lost = 0
        self._write_numbers()

    def _write_ahead(self, before: Counted, after: Counted) -> None:
        self._seq_file.write(self._numbers(before, after), durable=True)
        self._files.require_writable()

    def _refused(self, error: Exception) -> None:
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            mark_damaged(self._path)
        self._disk.failed(error)

    def _probe(self) -> None:
        """Whether the disk takes something again, where no event waits to be written."""
        try:
            free = os.statvfs(self.folder)
            if free.f_bavail * free.f_frsize < PROBE_BYTES:
                return
            self._store([], self._unsaved.tracks())
        except (sqlite3.Error, OSError) as error:
            self._refused(error)
        else:
            self._unsaved.tracks_are_told()
            self._disk.works()

    def _found_damage(self, problem: str) -> None:
        mark_damaged(self._path)
        self.on_damage(MaskdError(f"the outbox {self._path} is damaged ({problem}); the next start rebuilds it"))

    def _note_acknowledged(self) -> None:
        oldest = self._oldest_unsent()
        up_to = self._rows.figures.counted.row if oldest is None else oldest[0] - 1
        if up_to != self._acknowledged_up_to:
            self._acknowledged_up_to = up_to
            self._write_numbers()

    def _oldest_unsent(self) -> tuple[int, float] | None:
        """Row and time, in seconds since 1970, of the oldest unacknowledged event that is committed."""
        try:
            rows = self._rows.read(len(self._acknowledged) + 1)
        except sqlite3.Error:
            return None
        return next(((row.row, row.created) for row in rows if row.row not in self._acknowledged), None)

    def _numbers(self, committed: Counted, given: Counted) -> Numbers:
        return Numbers(
            given=given.row,
            committed=committed.row,
            acknowledged=self._acknowledged_up_to,
            given_seq=given.seq,
            committed_seq=committed.seq,
            epoch=committed.epoch,
            lost=self.lost,
        )

    def _write_numbers(self) -> None:
        """Once they are true: not durably, since without them an event is at worst sent again."""
        if self._is_without_disk:
            return
        counted = self._rows.figures.counted
        with suppress(OSError):
            self._seq_file.write(self._numbers(counted, counted), durable=False)

    def _write_record(self) -> None:
        try:
            self._recording.catch_up(self._rows, self._unsaved, disk_refuses=self._disk.refuses)
        except sqlite3.Error as error:
            self._refused(error)

    def _unusable(self, error: Exception) -> MaskdError:
        return MaskdError(
            f"the outbox in {self.folder} cannot be written: {reason(error)}; "
            "give maskd a folder that it may write and that has space, with storage.path"
        )


def _read(topic: str, payload: bytes) -> Event | None:
    event = parse_event(payload)
    if event is None:
        log.warning("a person's last event on %s cannot be read, so no `ended` is published", topic)
    return event
