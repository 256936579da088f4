"""Opens the outbox's database, and builds it again where it was damaged, from what it still holds and the record."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import MaskdError
from edge.payloads.events import Event, parse_event
from edge.payloads.numbering import Counted, counted, latest
from edge.payloads.payload import parse_timestamp
from edge.payloads.topics import Topics
from edge.store.outbox_file import (
    connect,
    counted_meta,
    create_tables,
    get_meta,
    has_tables,
    insert,
    meta_counted,
    put_meta,
    recount,
    set_up,
    transaction,
    verify,
)
from edge.store.outbox_salvage import copy_readable, set_aside
from edge.store.record import Record
from edge.store.record_line import RecordedLine
from edge.store.seq_file import Numbers
from edge.system.atomic_file import sync_folder

log = logging.getLogger(__name__)

VERIFIED_BYTES = 20_000_000
"""Of a database that is read as a whole before it is used: a second or two on a slow board."""
STEPS = 50_000
"""Of SQLite's machine, between two looks at whether the end is asked for: some milliseconds."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the events from outside the database."""

    numbers: Numbers
    record: Record | None
    prefix: str
    """The topics' first level, which a recorded event does not name."""

    @property
    def highest(self) -> Counted:
        """Events up to this one were certainly committed."""
        numbers = self.numbers
        committed = Counted(numbers.committed, numbers.committed_seq, numbers.epoch)
        recorded = self.record.newest() if self.record is not None else None
        return latest([committed, recorded, Counted(numbers.acknowledged)])

    def recorded(self) -> Iterator[tuple[RecordedLine, Event, str]]:
        """Each event of the record with its topic."""
        for line, event in self.record.events() if self.record is not None else ():
            yield line, event, Topics(self.prefix, event.device).event(event.camera)


class OpeningStoppedError(Exception):
    """The end was asked for while the outbox was being opened; nothing is lost, and the next start begins again."""


def open_database(
    path: Path, evidence: Evidence, stops: Callable[[], bool] = lambda: False
) -> tuple[sqlite3.Connection, str | None]:
    """The database, ready for use, and a sentence on what was wrong with it and has been repaired. One of more than
    `VERIFIED_BYTES` is read in passing only; `OutboxCheck` reads the rest later.

    `stops` is asked often: true ends this by OpeningStoppedError. Raises sqlite3.Error or OSError where the disk takes
    no new file either or another program holds this one, and MaskdError for the file of a newer maskd.
    """
    _finish_replacing(path)
    existed = path.exists()
    db = None
    try:
        db = connect(path)
        with _interrupted(db, stops):
            set_up(db)
            if not _look_at(db, path):
                create_tables(db)
                existed = False
    except (sqlite3.Error, OSError, MaskdError) as error:
        if db is not None:
            db.close()
        if isinstance(error, MaskdError) or not existed or "locked" in str(error):
            raise
        return _replace(path, str(error), evidence, stops)
    except BaseException:
        if db is not None:
            db.close()
        raise
    try:
        problem = "lost its latest changes" if existed else "been emptied or removed"
        with _interrupted(db, stops):
            return db, _complete(db, path, problem, evidence)
    except BaseException:
        db.close()
        raise


def _look_at(db: sqlite3.Connection, path: Path) -> bool:
    """Whether there are tables. Raises sqlite3.Error for damage that is seen."""
    if is_marked_damaged(path):
        raise sqlite3.DatabaseError("found while maskd ran")
    return verify(db, path) if path.stat().st_size <= VERIFIED_BYTES else has_tables(db, path)


def mark_damaged(path: Path) -> None:
    """The next open_database() builds the database at `path` again."""
    with suppress(OSError):
        _mark(path).touch()


def is_marked_damaged(path: Path) -> bool:
    return _mark(path).exists()


def _mark(path: Path) -> Path:
    return path.with_name(path.name + ".rebuild")


@contextmanager
def _interrupted(db: sqlite3.Connection, stops: Callable[[], bool]) -> Iterator[None]:
    """Ends what `db` does by OpeningStoppedError as soon as `stops` says so."""
    db.set_progress_handler(lambda: stops(), STEPS)
    try:
        yield
    except sqlite3.OperationalError:
        if stops():
            raise OpeningStoppedError from None
        raise
    finally:
        with suppress(sqlite3.ProgrammingError):  # closed meanwhile
            db.set_progress_handler(None, 0)


def _complete(db: sqlite3.Connection, path: Path, problem: str, evidence: Evidence) -> str | None:
    """Where the database is whole but older than it should be: adds what it lacks."""
    known = meta_counted(get_meta(db)).row
    if evidence.highest.row <= known:
        return None
    with transaction(db):
        restored = _restore(db, evidence, after_row=known)
    sentence = f"the outbox had {problem}; events restored from the record: {restored}; numbering continues"
    log.error("%s: %s", path, sentence)
    return sentence


def _replace(path: Path, problem: str, evidence: Evidence, stops: Callable[[], bool]) -> tuple[sqlite3.Connection, str]:
    """The new file is complete before the damaged one goes aside, so that a crash in between loses nothing."""
    fresh, journal = _fresh(path)
    for leftover in (journal, fresh):
        leftover.unlink(missing_ok=True)
    with closing(connect(fresh)) as db, _interrupted(db, stops):
        create_tables(db)
        with transaction(db):
            salvaged = copy_readable(path, db)
            restored = _restore(db, evidence, after_row=0)
    kept_as = set_aside(path).name
    fresh.rename(path)
    sync_folder(path.parent)
    _mark(path).unlink(missing_ok=True)
    sentence = (
        f"the outbox was damaged and is kept as {kept_as}; events restored from it: {salvaged}, from the record: "
        f"{restored}"
    )
    log.error("%s: %s (%s)", path, sentence, problem)
    db = connect(path)
    set_up(db)
    return db, sentence


def _finish_replacing(path: Path) -> None:
    fresh, journal = _fresh(path)
    if fresh.exists() and not journal.exists() and not path.exists():
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        fresh.rename(path)


def _fresh(path: Path) -> tuple[Path, Path]:
    """The file that is to take the damaged one's place, and the log next to it until it is complete."""
    return path.with_name(path.name + ".new"), path.with_name(path.name + ".new-journal")


def _restore(db: sqlite3.Connection, evidence: Evidence, *, after_row: int) -> int:
    """Inside a transaction: queues again what the record has after `after_row` and the broker has not acknowledged,
    opens the tracks that were open, and sets how far the numbering has come. Returns how many events came from the
    record."""
    acknowledged = evidence.numbers.acknowledged
    tracks = _OpenTracks()
    for query in ("SELECT 1, topic, payload FROM open_tracks", "SELECT seq, topic, payload FROM events"):
        for row, topic, payload in db.execute(query):
            if (event := parse_event(payload)) is not None:
                tracks.see(row, event, topic, payload)

    def missing() -> Iterator[tuple[object, ...]]:
        for line, event, topic in evidence.recorded():
            tracks.see(line.row, event, topic, line.payload)
            if event.durable and line.row > max(after_row, acknowledged):
                yield line.row, topic, line.payload, parse_timestamp(event.time)

    restored = insert(db, "events", missing(), or_else="IGNORE")
    db.execute("DELETE FROM events WHERE seq <= ?", (acknowledged,))
    db.execute("DELETE FROM open_tracks")
    insert(db, "open_tracks", tracks.rows())
    newest = db.execute("SELECT seq, payload FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    waiting = None if newest is None else counted(*newest)
    furthest = latest([meta_counted(get_meta(db)), evidence.numbers.highest, evidence.highest, waiting])
    put_meta(db, counted_meta(furthest) | recount(db))
    return restored


@dataclass(slots=True)
class _OpenTracks:
    """Finds the tracks without an `ended`, from events in any order."""

    latest: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def see(self, row: int, event: Event, topic: str, payload: bytes) -> None:
        if event.type == "ended":
            self.ended.add(event.track)
            self.latest.pop(event.track, None)
        elif event.track not in self.ended and self.latest.get(event.track, (0,))[0] < row:
            self.latest[event.track] = (row, topic, payload)

    def rows(self) -> Iterable[tuple[object, ...]]:
        return ((track, topic, payload) for track, (_, topic, payload) in self.latest.items())
