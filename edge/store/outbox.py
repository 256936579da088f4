"""Committed events wait here, in SQLite, until the broker has acknowledged them."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from edge.errors import MaskdError
from edge.payloads.events import Draft, Event, NumberedEvent
from edge.payloads.numbering import Counted
from edge.store.disk_health import DiskHealth
from edge.store.outbox_check import OutboxCheck
from edge.store.outbox_disk import OutboxDisk, Tracks
from edge.store.outbox_recovery import VERIFIED_BYTES, mark_damaged
from edge.store.outbox_rows import Pending
from edge.store.record import Record
from edge.store.recording import Recording
from edge.store.unsaved import Unsaved

log = logging.getLogger(__name__)


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
        self.folder = folder
        self.max_events = max_events
        self.max_bytes = max_bytes
        """Both replaced by any thread; room is made with the next event."""
        self._record, self._prefix = record, prefix
        self._recording = Recording(record)
        self._lock = threading.RLock()
        self._disk = OutboxDisk(folder)
        self._health = DiskHealth(folder)
        self._check: OutboxCheck | None = None
        self._unsaved = Unsaved()
        self._offered = 0
        """Events that append() was given and has not yet taken in."""
        self.given_up = 0
        """Events that neither the disk nor the broker had taken at the stop."""

    def open(self, stops: Callable[[], bool] = lambda: False) -> None:
        """Makes the folder and the file where needed. A damaged file is set aside, and what it and the record still
        hold is taken over. Where the disk is read-only, events go out without it.

        Raises MaskdError where the folder cannot be written for another reason, or another maskd uses it, and
        OpeningStoppedError soon after `stops` has become true.
        """
        try:
            self._disk.open(self._record, self._prefix, stops, epoch_in_memory=self._unsaved.epoch)
        except BaseException as error:
            self.close()
            if isinstance(error, (OSError, sqlite3.Error)):
                raise self._disk.unusable(error) from error
            raise
        try:
            self._disk.require()
        except OSError as error:
            self._refused(error)
        self._recording.begin()
        self.delete_acknowledged()
        if not self._disk.is_in_memory and self._disk.path.stat().st_size > VERIFIED_BYTES:
            self._check = OutboxCheck(self._disk.path, on_damage=self._found_damage)
            self._check.start()

    def close(self) -> None:
        """Writes what still waits in memory, if the disk takes it."""
        if self._check is not None:
            self._check.stop()
            self._check = None
        with self._lock:
            if self._disk.is_open:
                self.retry()
                self.delete_acknowledged()
                self.give_up_unsaved()
            self._disk.close()

    @property
    def depth(self) -> int:
        """Events not acknowledged, those that only wait in memory included."""
        with self._lock:
            return max(0, self._disk.figures.depth - len(self._disk.acknowledged)) + len(self._unsaved)

    @property
    def uncommitted(self) -> int:
        """Events that the disk has not yet taken, counted without waiting for it."""
        return self._offered + len(self._unsaved)

    @property
    def lost(self) -> int:
        """Events given up since the outbox was made, because a cap was reached or the disk refused for too long."""
        with self._lock:
            return self._disk.figures.lost + self._unsaved.lost

    @property
    def counted(self) -> Counted:
        """The latest number given, in the epoch that outlives this process."""
        with self._lock:
            return self._disk.figures.counted

    @property
    def disk_problem(self) -> str | None:
        """What the disk refuses at present, or that it is slow, in a sentence; None: neither."""
        with self._lock:
            return self._health.problem or self._recording.problem

    @property
    def damaged(self) -> str | None:
        """What open() found wrong with the outbox and has repaired, in a sentence."""
        return self._disk.damaged

    @property
    def renumbered(self) -> str | None:
        """Why open() began a new epoch, in a sentence; None: numbering goes on."""
        return self._disk.renumbered

    @property
    def problems(self) -> list[str]:
        """What a person should know of: found at the start, and at present."""
        found = (self.damaged, self.renumbered, self.disk_problem)
        return [problem for problem in found if problem is not None]

    @property
    def oldest_unsent_at(self) -> float | None:
        """When the oldest unacknowledged event happened, in seconds since 1970."""
        with self._lock:
            if (oldest := self._disk.oldest_unsent()) is not None:
                return oldest[1]
            return self._unsaved.oldest_wall_time

    def append(self, drafts: Sequence[Draft]) -> list[Event]:
        """Commits events, those that waited in memory first, and returns all that are now safe, numbered in order:
        one commit for all of them. Empty where the disk takes none: they then wait in memory."""
        self._offered = len(drafts)
        with self._lock:
            self._unsaved.hold(drafts)
            self._offered = 0
            if not self._unsaved.drafts or not self._disk.is_open:  # closed meanwhile: `uncommitted` tells of them
                return []
            try:
                events = [] if drafts and self._health.refused_lately else self._commit([*self._unsaved.drafts])
            except (sqlite3.Error, OSError) as error:
                self._refused(error)
                events = []
            if events:
                self._unsaved.drafts.clear()
                self._health.works()
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
            if self._health.refuses and not self._unsaved.drafts:
                self._probe()
            self._write_record()
            self._recording.tidy()

    def number_unsaved(self, limit: int) -> list[Event]:
        """Where the disk refuses: gives up to `limit` events that wait in memory numbers of their own epoch, so that
        pending() hands them out as not durable. For a broker that is there."""
        with self._lock:
            if not self._health.refuses:
                return []
            events = self._unsaved.number(limit, self._disk.next_row)
            self._disk.next_row += len(events)
            return events

    def pending(self, limit: int, *, after_seq: int = 0, without_topics: Sequence[str] = ()) -> list[Pending]:
        """Unacknowledged events in order; of a disk that cannot be read, those in memory. Raises sqlite3.DatabaseError
        where the file is damaged, which the next open() repairs."""
        with self._lock:
            waiting = self._unsaved.pending(after_seq, without_topics)
            try:
                waiting += self._disk.pending(limit, after_seq, without_topics)
            except sqlite3.Error as error:
                self._refused(error)
                if not isinstance(error, sqlite3.OperationalError):
                    raise
            return sorted(waiting, key=lambda one: one.seq)[:limit]

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """The broker has these; unknown ones are ignored. They are gone for good with delete_acknowledged()."""
        with self._lock:
            self._disk.acknowledged.update(self._unsaved.acknowledge(seqs))

    def delete_acknowledged(self) -> bool:
        """Deletes what was acknowledged, in commits of a thousand. False: the disk refuses that, or still has to
        take the record of some; to be tried again."""
        with self._lock:
            self._write_record()
            try:
                while recorded := self._recording.deletable(self._disk.acknowledged):
                    self._disk.delete(recorded)
                self._disk.note_acknowledged(lost=self._unsaved.lost)
            except (sqlite3.Error, OSError) as error:
                self._refused(error)
                return False
            return not self._disk.acknowledged

    def recover(self, now: float) -> list[Event]:
        """Ends every track that a crash left open, as of `now` (seconds since 1970), and returns the `ended` events.

        Call it once after open(), before the first append(). Raises MaskdError where the disk takes nothing.
        """
        if self._disk.is_in_memory:
            return []
        with self._lock:
            try:
                ended, tracks = self._disk.left_open(now)
                self._store(ended, tracks)
            except (sqlite3.Error, OSError) as error:
                raise self._disk.unusable(error) from error
            self._write_record()
        if ended:
            log.warning("maskd was not stopped cleanly; the visits of %d people are now ended", len(ended))
            self.on_commit()
        return [one.event for one in ended]

    def give_up_unsaved(self) -> int:
        """At a stop: counts what neither the disk, tried once more, nor the broker has taken as lost, and returns how
        much that is."""
        with self._lock:
            self.append([])
            given_up = self._unsaved.give_up()
            self.given_up += given_up
            if given_up:
                problem = "%d events are lost: neither the disk of %s nor the broker accepted them before the end; %s"
                log.error(problem, given_up, self.folder, self._health.remedy)
            if self._unsaved.lost:
                self._disk.write_numbers(lost=self._unsaved.lost)
            return given_up

    def _commit(self, drafts: Sequence[Draft]) -> list[Event]:
        events = self._disk.numbered(drafts)
        tracks = self._unsaved.tracks()
        for one in events:
            tracks[one.event.track] = None if one.event.type == "ended" else (one.topic, one.payload)
        with self._health.timed():
            self._store(events, tracks)
        return [one.event for one in events]

    def _store(self, events: Sequence[NumberedEvent], tracks: Tracks) -> None:
        self._disk.commit(events, tracks, max_events=self.max_events, max_bytes=self.max_bytes, lost=self._unsaved.lost)
        self._unsaved.lost = 0
        self._unsaved.tracks_are_told()

    def _refused(self, error: Exception) -> None:
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            mark_damaged(self._disk.path)
        self._health.failed(error)

    def _probe(self) -> None:
        """Whether the disk takes something again, where no event waits to be written."""
        try:
            if not self._disk.has_room:
                return
            self._store([], self._unsaved.tracks())
        except (sqlite3.Error, OSError) as error:
            self._refused(error)
        else:
            self._health.works()

    def _found_damage(self, problem: str) -> None:
        mark_damaged(self._disk.path)
        self.on_damage(MaskdError(f"the outbox {self._disk.path} is damaged ({problem}); the next start rebuilds it"))

    def _write_record(self) -> None:
        try:
            self._recording.catch_up(self._disk.rows, self._unsaved, disk_refuses=self._health.refuses)
        except sqlite3.Error as error:
            self._refused(error)
