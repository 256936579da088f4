"""Committed events wait here, in SQLite, until the broker has acknowledged them."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edge.errors import MaskdError
from edge.messaging.events import Draft, Event, ended_after_crash, parse_event
from edge.messaging.outbox_salvage import Salvaged, salvage, set_aside
from edge.messaging.payload import parse_timestamp
from edge.messaging.seq_file import SeqFile

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE open_tracks (track TEXT PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL) WITHOUT ROWID;
"""

HELD_LIMIT = 1000
"""Events kept in memory while the disk takes none."""
ROW_OVERHEAD_BYTES = 80
"""What SQLite adds to the topic and the payload of an event: id, times, headers, half-filled pages."""
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

    def __init__(self, folder: Path, *, max_events: int, max_bytes: int) -> None:
        self.on_commit: Callable[[], None] = lambda: None
        """Called after events were committed, in the thread that committed them."""
        self._folder = folder
        self._path = folder / "outbox.db"
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._lock_file: IO[bytes] | None = None
        self._seq_file = SeqFile(folder / "seq")
        self._connection: sqlite3.Connection | None = None
        self._held: deque[Draft] = deque()
        self._acknowledged: set[int] = set()
        """Acknowledged events whose deletion has not been committed."""
        self._lost_while_held = 0
        self._disk_is_failing = False
        self._cap_is_reached = False
        self._next_seq = 1
        self._depth = 0
        self._bytes = 0
        self._lost = 0

    def open(self) -> None:
        """Makes the folder and the file where needed. A damaged file is set aside, and what can be read of it is taken
        over. Raises MaskdError where the folder cannot be written or another maskd uses it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock_file = self._exclusive_lock()
            self._seq_file.open()
            self._open_or_replace()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise self._unusable(error) from error
        except MaskdError:
            self.close()
            raise

    def close(self) -> None:
        """Writes what still waits in memory, if the disk takes it."""
        with self._lock:
            if self._connection is not None:
                self.retry()
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
    def oldest_unsent_at(self) -> float | None:
        """When the oldest unacknowledged event happened, in seconds since 1970."""
        with self._lock:
            row = self._db.execute("SELECT created FROM events ORDER BY seq LIMIT 1").fetchone()
            if row is not None:
                return float(row[0])
            return self._held[0].wall_time if self._held else None

    def append(self, drafts: Sequence[Draft]) -> list[Event]:
        """Commits events, those that waited in memory first, and returns all that are now safe, numbered in order.
        Empty where the disk takes none: they then wait in memory."""
        with self._lock:
            self._held.extend(drafts)
            if not self._held:
                return []
            try:
                events = self._commit([*self._held])
            except (sqlite3.Error, OSError) as error:
                self._report_disk(error)
                while len(self._held) > HELD_LIMIT:
                    self._held.popleft()
                    self._lost_while_held += 1
                return []
            self._held.clear()
            self._disk_works()
        self.on_commit()
        return events

    def retry(self) -> None:
        """Writes what waits in memory for a disk that took no more; cheap where nothing waits."""
        self.append([])
        with self._lock:
            if self._acknowledged:
                self.acknowledge([])

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
        """The broker has these; unknown ones are ignored. A deletion that the disk refuses is made later."""
        with self._lock:
            self._acknowledged.update(seqs)
            try:
                with self._transaction() as db:
                    depth, size = self._delete(db, f"seq IN ({','.join(map(str, sorted(self._acknowledged)))})")
            except sqlite3.Error as error:
                self._report_disk(error)
                return
            self._depth -= depth
            self._bytes -= size
            self._acknowledged.clear()
            if self._depth == 0:
                self._cap_is_reached = False
            if not self._held:
                self._disk_works()

    def recover(self, now: float) -> list[Event]:
        """Ends every track that a crash left open, as of `now` (seconds since 1970), and returns the `ended` events.

        Call it once after open(), before the first append(). Raises MaskdError where the disk takes nothing.
        """
        with self._lock:
            try:
                with self._transaction() as db:
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
        if ended:
            log.warning("maskd was not stopped in order; %d people who were there then are now ended", len(ended))
            self.on_commit()
        return [event for _, event in ended]

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the outbox is not open")
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, a full disk among them.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _commit(self, drafts: Sequence[Draft]) -> list[Event]:
        numbered = [(draft.topic, draft.numbered(self._next_seq + index)) for index, draft in enumerate(drafts)]
        with self._transaction() as db:
            for topic, event in numbered:
                if event.type == "ended":
                    db.execute("DELETE FROM open_tracks WHERE track = ?", (event.track,))
                else:
                    # An upsert, since the `started` may be among those that were lost while the disk was full.
                    db.execute(
                        "INSERT OR REPLACE INTO open_tracks VALUES (?, ?, ?)", (event.track, topic, event.to_json())
                    )
            stored = self._store(db, numbered)
        self._count(stored)
        return [event for _, event in numbered]

    def _store(self, db: sqlite3.Connection, numbered: Sequence[tuple[str, Event]]) -> _Stored:
        """Inside a transaction: inserts events with the next numbers, and makes room by the caps."""
        next_seq = self._next_seq + len(numbered)
        if numbered:
            self._seq_file.write(next_seq - 1)
        rows = [
            (event.seq, str(event.id), topic, event.to_json(), parse_timestamp(event.time)) for topic, event in numbered
        ]
        db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
        depth = self._depth + len(rows)
        size = self._bytes + sum(len(row[2]) + len(row[3]) + ROW_OVERHEAD_BYTES for row in rows)
        given_up = 0
        while depth > 0 and (depth > self._max_events or size > self._max_bytes):
            # By the average size; what is left over goes in the next round.
            excess = max(1, depth - self._max_events, (size - self._max_bytes) * depth // size)
            oldest = f"seq IN (SELECT seq FROM events ORDER BY seq LIMIT {excess})"  # noqa: S608
            deleted, deleted_size = self._delete(db, oldest)
            depth, size, given_up = depth - deleted, size - deleted_size, given_up + deleted
        lost = self._lost + self._lost_while_held + given_up
        db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", [("next_seq", next_seq), ("lost", lost)])
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

    @staticmethod
    def _delete(db: sqlite3.Connection, where: str) -> tuple[int, int]:
        """Deletes events and returns how many they were and what they counted in bytes."""
        count, size = db.execute(f"SELECT count(*), coalesce(sum({_SIZE}), 0) FROM events WHERE {where}").fetchone()  # noqa: S608
        db.execute(f"DELETE FROM events WHERE {where}")  # noqa: S608
        return count, size

    def _report_disk(self, error: Exception) -> None:
        if not self._disk_is_failing:
            log.error(
                "the outbox in %s cannot be written (%s); up to %d events wait in memory: free some space there",
                self._folder,
                error,
                HELD_LIMIT,
            )
        self._disk_is_failing = True

    def _disk_works(self) -> None:
        if self._disk_is_failing:
            log.info("the outbox in %s can be written again; what waited in memory is safe now", self._folder)
        self._disk_is_failing = False

    def _exclusive_lock(self) -> IO[bytes]:
        file = (self._folder / "outbox.lock").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise MaskdError(
                f"the outbox in {self._folder} is in use by another maskd; "
                "stop that one, or set storage.path to another folder"
            ) from error
        return file

    def _open_or_replace(self) -> None:
        existed = self._path.exists()
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            # Exactly this class means a damaged file; its subclasses mean a disk or a permission.
            if type(error) is not sqlite3.DatabaseError:
                raise
            self._replace(str(error))
        else:
            if existed and not self._has_tables:
                log.warning("the outbox %s is empty, as after a power cut; numbering goes on", self._path)
            if not self._has_tables:
                self._create(Salvaged.nothing())
        self._load()

    def _connect(self) -> None:
        self._connection = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
        db = self._connection
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise MaskdError(
                f"the outbox {self._path} was written by a newer maskd; install that one, or move the file away"
            )

    @property
    def _has_tables(self) -> bool:
        return bool(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _replace(self, problem: str) -> None:
        """The damaged file goes aside, and a new one takes over what could be read."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        salvaged = salvage(self._path)
        aside = set_aside(self._path)
        log.error(
            "the outbox %s is damaged (%s); it is kept as %s, and %d unsent events were read from it",
            self._path,
            problem,
            aside.name,
            len(salvaged.events),
        )
        self._connect()
        self._create(salvaged)

    def _create(self, salvaged: Salvaged) -> None:
        next_seq = max(salvaged.next_seq, self._seq_file.read() + 1)
        with self._transaction() as db:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            # A damaged table can show a row twice.
            db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)", salvaged.events)
            db.executemany("INSERT OR IGNORE INTO open_tracks VALUES (?, ?, ?)", salvaged.open_tracks)
            db.executemany("INSERT INTO meta VALUES (?, ?)", [("next_seq", next_seq), ("lost", salvaged.lost)])
            db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _load(self) -> None:
        with self._transaction() as db:
            # Written, not only read: a disk that takes nothing is then found at the start.
            db.execute("INSERT INTO meta VALUES ('starts', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1")
            meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
            self._next_seq, self._lost = meta["next_seq"], meta["lost"]
            self._depth, self._bytes = db.execute(
                f"SELECT count(*), coalesce(sum({_SIZE}), 0) FROM events"  # noqa: S608
            ).fetchone()

    def _unusable(self, error: Exception) -> MaskdError:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        return MaskdError(
            f"the outbox in {self._folder} cannot be written: {reason}; "
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


def _readable(rows: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, Event]]:
    for topic, payload in rows:
        event = parse_event(payload)
        if event is None:
            log.warning("a person's last event on %s cannot be read, so no `ended` is published", topic)
        else:
            yield topic, event
