"""Committed events wait here, in SQLite, until the broker has acknowledged them."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edge.errors import MaskdError
from edge.messaging.events import Draft, Event, ended_after_crash, parse_event
from edge.messaging.outbox_file import exclusive_lock, get_meta, insert, put_meta, transaction
from edge.messaging.outbox_recovery import Evidence, open_database
from edge.messaging.payload import parse_timestamp
from edge.messaging.record import Record
from edge.messaging.seq_file import Numbers, SeqFile

log = logging.getLogger(__name__)

HELD_LIMIT = 1000
"""Events kept in memory while the disk takes none."""
DISK_RETRY_S = 1.0
"""Between two attempts of append() to write to a disk that takes nothing."""
BATCH = 1000
"""Rows read or deleted at a time."""
ROW_OVERHEAD_BYTES = 80
"""What SQLite adds to the topic and the payload of an event: number, time, headers, half-filled pages."""
_SIZE = f"length(topic) + length(payload) + {ROW_OVERHEAD_BYTES}"


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that waits for the broker's acknowledgement."""

    seq: int
    topic: str
    payload: bytes


class Outbox:
    """The events of one device, numbered without a gap and kept until acknowledged.

    An event exists once append() has returned it: it then survives kill -9 and a power cut. All methods may be called
    from any thread. Only open() and recover() raise; later a disk that takes no more is logged once, and up to
    `HELD_LIMIT` events wait in memory for it.
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
        """Called after events were committed, in the thread that committed them."""
        self.damaged: str | None = None
        """What open() found wrong with the outbox and has mended, in a sentence."""
        self._folder = folder
        self._path = folder / "outbox.db"
        self.max_events = max_events
        self.max_bytes = max_bytes
        """Both replaced by any thread; room is made with the next event."""
        self._record = record
        self._prefix = prefix
        self._lock = threading.RLock()
        self._lock_file: IO[bytes] | None = None
        self._seq_file = SeqFile(folder / "seq")
        self._connection: sqlite3.Connection | None = None
        self._held: deque[Draft] = deque()
        self._acknowledged: set[int] = set()
        """Acknowledged events whose deletion has not been committed."""
        self._acknowledged_up_to = 0
        self._recorded_up_to = 0
        self._lost_while_held = 0
        self._disk_error: str | None = None
        self._disk_failed_at = 0.0
        self._cap_is_reached = False
        self._next_seq = 1
        self._depth = 0
        self._bytes = 0
        self._lost = 0

    def open(self) -> None:
        """Makes the folder and the file where needed. A damaged file is set aside, and what it and the record still
        hold is taken over. Raises MaskdError where the folder cannot be written or another maskd uses it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock_file = exclusive_lock(self._folder)
            self._seq_file.open()
            numbers = self._seq_file.read()
            evidence = Evidence(numbers, self._record, self._prefix)
            self._connection, self.damaged = open_database(self._path, evidence)
            self._load(numbers.acknowledged)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise self._unusable(error) from error
        except BaseException:
            self.close()
            raise
        if self._record is not None:
            self._recorded_up_to = self._record.highest_seq()
            self._record.tidy(time.time())
        self.delete_acknowledged()

    def close(self) -> None:
        """Writes what still waits in memory, if the disk takes it."""
        with self._lock:
            if self._connection is not None:
                self.retry()
                self.delete_acknowledged()
                if self._held:
                    log.error(
                        "%d events are lost: the disk of %s took no more until the end; free some space there",
                        len(self._held),
                        self._folder,
                    )
                self._connection.close()
                self._connection = None
            self._seq_file.close()
            if self._lock_file is not None:
                self._lock_file.close()
                self._lock_file = None

    @property
    def depth(self) -> int:
        """Events not acknowledged, those that only wait in memory included."""
        with self._lock:
            return max(0, self._depth - len(self._acknowledged)) + len(self._held)

    @property
    def lost(self) -> int:
        """Events given up since the outbox was made, because a cap was reached or the disk was full for too long."""
        with self._lock:
            return self._lost + self._lost_while_held

    @property
    def disk_problem(self) -> str | None:
        """What the disk refuses at present, in a sentence; None: nothing."""
        with self._lock:
            if self._disk_error is not None:
                return (
                    f"the outbox in {self._folder} cannot be written: {self._disk_error}; "
                    f"events that wait in memory: {len(self._held)} of at most {HELD_LIMIT}; free some space there"
                )
            return self._record.problem if self._record is not None else None

    @property
    def oldest_unsent_at(self) -> float | None:
        """When the oldest unacknowledged event happened, in seconds since 1970."""
        with self._lock:
            if (oldest := self._oldest_unsent()) is not None:
                return oldest[1]
            return self._held[0].wall_time if self._held else None

    def append(self, drafts: Sequence[Draft]) -> list[Event]:
        """Commits events, those that waited in memory first, and returns all that are now safe, numbered in order:
        one commit for all of them. Empty where the disk takes none: they then wait in memory."""
        with self._lock:
            self._held.extend(drafts)
            if not self._held:
                return []
            try:
                events = [] if drafts and self._disk_failed_lately() else self._commit([*self._held])
            except (sqlite3.Error, OSError) as error:
                self._report_disk(error)
                events = []
            if not events:
                while len(self._held) > HELD_LIMIT:
                    self._held.popleft()
                    self._lost_while_held += 1
                return []
            self._held.clear()
            self._disk_works()
            self._write_record()
        self.on_commit()
        return events

    def retry(self) -> None:
        """Writes what a disk that took no more has left undone; cheap where there is nothing."""
        self.append([])
        with self._lock:
            self._write_record()
            if self._record is not None:
                self._record.tidy(time.time())

    def pending(self, limit: int, *, after_seq: int = 0, without_topics: Sequence[str] = ()) -> list[Pending]:
        """Unacknowledged events in order of `seq`. Raises sqlite3.Error where the file cannot be read."""
        excluded = ",".join("?" * len(without_topics))
        with self._lock:
            rows = self._db.execute(
                f"SELECT seq, topic, payload FROM events WHERE seq > ? AND topic NOT IN ({excluded}) "  # noqa: S608
                "ORDER BY seq LIMIT ?",
                (after_seq, *without_topics, limit + len(self._acknowledged)),
            )
            return [Pending(*row) for row in rows if row[0] not in self._acknowledged][:limit]

    def acknowledge(self, seqs: Iterable[int]) -> None:
        """The broker has these; unknown ones are ignored. They are gone for good with delete_acknowledged()."""
        with self._lock:
            self._acknowledged.update(seqs)

    def delete_acknowledged(self) -> bool:
        """Deletes what was acknowledged, in one commit for each `BATCH`. False: the disk refuses that, or still has to
        take the record of some; to be tried again."""
        with self._lock:
            self._write_record()
            try:
                while recorded := self._acknowledged_and_recorded()[:BATCH]:
                    self._delete_batch(recorded)
                self._note_acknowledged()
            except (sqlite3.Error, OSError) as error:
                self._report_disk(error)
                return False
            if self._depth == 0:
                self._cap_is_reached = False
            if not self._held:
                self._disk_works()
            return not self._acknowledged

    def recover(self, now: float) -> list[Event]:
        """Ends every track that a crash left open, as of `now` (seconds since 1970), and returns the `ended` events.

        Call it once after open(), before the first append(). Raises MaskdError where the disk takes nothing.
        """
        with self._lock:
            try:
                with transaction(self._db) as db:
                    rows = db.execute("SELECT topic, payload FROM open_tracks").fetchall()
                    last = sorted(_readable(rows), key=lambda topic_and_event: topic_and_event[1].seq)
                    ended = [
                        (topic, ended_after_crash(event, seq=self._next_seq + index, now=now))
                        for index, (topic, event) in enumerate(last)
                    ]
                    db.execute("DELETE FROM open_tracks")
                    stored = self._store(db, ended)
            except (sqlite3.Error, OSError) as error:
                raise self._unusable(error) from error
            self._count(stored)
            self._write_record()
        if ended:
            log.warning("maskd was not stopped in order; %d people who were there then are now ended", len(ended))
            self.on_commit()
        return [event for _, event in ended]

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the outbox is not open")
        return self._connection

    def _commit(self, drafts: Sequence[Draft]) -> list[Event]:
        numbered = [(draft.topic, draft.numbered(self._next_seq + index)) for index, draft in enumerate(drafts)]
        with transaction(self._db) as db:
            for topic, event in numbered:
                if event.type == "ended":
                    db.execute("DELETE FROM open_tracks WHERE track = ?", (event.track,))
                else:
                    # An upsert, since the `started` may be among those that were lost while the disk was full.
                    insert(db, "open_tracks", [(event.track, topic, event.to_json())], or_else="REPLACE")
            stored = self._store(db, numbered)
        self._count(stored)
        return [event for _, event in numbered]

    def _store(self, db: sqlite3.Connection, numbered: Sequence[tuple[str, Event]]) -> _Stored:
        """Inside a transaction: inserts events with the next numbers, and makes room by the caps."""
        next_seq = self._next_seq + len(numbered)
        if numbered:
            numbers = Numbers(next_seq - 1, self._next_seq - 1, self._acknowledged_up_to)
            self._seq_file.write(numbers, durable=True)
        rows = [(event.seq, topic, event.to_json(), parse_timestamp(event.time)) for topic, event in numbered]
        insert(db, "events", rows)
        depth = self._depth + len(rows)
        size = self._bytes + sum(len(topic) + len(payload) + ROW_OVERHEAD_BYTES for _, topic, payload, _ in rows)
        given_up = 0
        while depth > 0 and (depth > self.max_events or size > self.max_bytes):
            # By the average size; what is left over goes in the next round.
            excess = max(1, depth - self.max_events, (size - self.max_bytes) * depth // size)
            oldest = f"seq IN (SELECT seq FROM events ORDER BY seq LIMIT {excess})"  # noqa: S608
            deleted, deleted_size = self._delete(db, oldest)
            depth, size, given_up = depth - deleted, size - deleted_size, given_up + deleted
        lost = self._lost + self._lost_while_held + given_up
        put_meta(db, {"next_seq": next_seq, "lost": lost})
        return _Stored(next_seq, depth, size, lost, given_up)

    def _count(self, stored: _Stored) -> None:
        """Takes over the figures of a transaction once it is committed."""
        if stored.given_up and not self._cap_is_reached:
            self._cap_is_reached = True
            log.warning(
                "the outbox in %s is full, so the oldest unsent events are given up; "
                "bring the broker back or raise storage.max_events and storage.max_bytes",
                self._folder,
            )
        self._next_seq, self._depth, self._bytes, self._lost = stored.next_seq, stored.depth, stored.bytes, stored.lost
        self._lost_while_held = 0
        self._write_numbers()

    def _acknowledged_and_recorded(self) -> list[int]:
        """What can be deleted. A record whose disk takes nothing is waited for, with at most `HELD_LIMIT` events."""
        seqs = sorted(self._acknowledged)
        if self._record is None:
            return seqs
        waiting = sum(seq > self._recorded_up_to for seq in seqs)
        return seqs[: len(seqs) - min(waiting, HELD_LIMIT)]

    def _delete_batch(self, seqs: Sequence[int]) -> None:
        with transaction(self._db) as db:
            depth, size = self._delete(db, f"seq IN ({','.join(map(str, seqs))})")
        self._depth -= depth
        self._bytes -= size
        self._acknowledged.difference_update(seqs)

    def _note_acknowledged(self) -> None:
        oldest = self._oldest_unsent()
        self._acknowledged_up_to = self._next_seq - 1 if oldest is None else oldest[0] - 1
        self._write_numbers()

    def _oldest_unsent(self) -> tuple[int, float] | None:
        """Number and time, in seconds since 1970, of the oldest unacknowledged event that is committed."""
        limit = len(self._acknowledged) + 1
        rows = self._db.execute("SELECT seq, created FROM events ORDER BY seq LIMIT ?", (limit,))
        return next((row for row in rows if row[0] not in self._acknowledged), None)

    def _write_numbers(self) -> None:
        """Once they are true: not durably, since without them an event is at worst sent again."""
        with suppress(OSError):
            given = self._next_seq - 1
            self._seq_file.write(Numbers(given, given, self._acknowledged_up_to), durable=False)

    def _write_record(self) -> None:
        """Appends what the record lacks, as far as it still waits here; where the disk refuses, the next time."""
        if self._record is None:
            return
        try:
            while self._recorded_up_to < self._next_seq - 1:
                rows = self._db.execute(
                    "SELECT seq, created, payload FROM events WHERE seq > ? ORDER BY seq LIMIT ?",
                    (self._recorded_up_to, BATCH),
                ).fetchall()
                recorded = self._record.append([(created, payload) for _, created, payload in rows], time.time())
                if recorded < len(rows):
                    self._recorded_up_to = rows[recorded - 1][0] if recorded else self._recorded_up_to
                    return
                self._recorded_up_to = rows[-1][0] if len(rows) == BATCH else self._next_seq - 1
        except sqlite3.Error as error:
            self._report_disk(error)

    @staticmethod
    def _delete(db: sqlite3.Connection, where: str) -> tuple[int, int]:
        """Deletes events and returns how many they were and what they counted in bytes."""
        count, size = db.execute(f"SELECT count(*), coalesce(sum({_SIZE}), 0) FROM events WHERE {where}").fetchone()  # noqa: S608
        db.execute(f"DELETE FROM events WHERE {where}")  # noqa: S608
        return count, size

    def _disk_failed_lately(self) -> bool:
        return self._disk_error is not None and time.monotonic() - self._disk_failed_at < DISK_RETRY_S

    def _report_disk(self, error: Exception) -> None:
        self._disk_failed_at = time.monotonic()
        if self._disk_error is None:
            log.error(
                "the outbox in %s cannot be written (%s); up to %d events wait in memory: free some space there",
                self._folder,
                _reason(error),
                HELD_LIMIT,
            )
        self._disk_error = _reason(error)

    def _disk_works(self) -> None:
        if self._disk_error is not None:
            log.info("the outbox in %s can be written again; what waited in memory is safe now", self._folder)
        self._disk_error = None

    def _load(self, acknowledged_up_to: int) -> None:
        with transaction(self._db) as db:
            meta = get_meta(db)
            # Written, not only read: a disk that takes nothing is then found at the start.
            put_meta(db, {"starts": meta["starts"] + 1})
            self._next_seq, self._lost = meta["next_seq"], meta["lost"]
            self._depth, self._bytes = db.execute(
                f"SELECT count(*), coalesce(sum({_SIZE}), 0) FROM events"  # noqa: S608
            ).fetchone()
            # Those that the record has yet to take.
            rows = db.execute("SELECT seq FROM events WHERE seq <= ?", (acknowledged_up_to,))
            self._acknowledged = {seq for (seq,) in rows}
        self._acknowledged_up_to = acknowledged_up_to
        self._write_numbers()

    def _unusable(self, error: Exception) -> MaskdError:
        return MaskdError(
            f"the outbox in {self._folder} cannot be written: {_reason(error)}; "
            "give maskd a folder that it may write and that has space, with storage.path"
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    """The outbox's figures after a transaction."""

    next_seq: int
    depth: int
    bytes: int
    lost: int
    given_up: int


def _reason(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def _readable(rows: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Event]]:
    for topic, payload in rows:
        event = parse_event(payload)
        if event is None:
            log.warning("a person's last event on %s cannot be read, so no `ended` is published", topic)
        else:
            yield topic, event
