"""Opens the outbox's database, and builds it again where it was damaged, from what it still holds and the record."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import MaskdError
from edge.messaging.events import Event, parse_event
from edge.messaging.outbox_file import connect, create_tables, get_meta, insert, put_meta, set_up, transaction, verify
from edge.messaging.outbox_salvage import copy_readable, set_aside, sync_folder
from edge.messaging.payload import parse_timestamp
from edge.messaging.record import Record
from edge.messaging.seq_file import Numbers
from edge.messaging.topics import Topics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of the events from beside the database."""

    numbers: Numbers
    record: Record | None
    prefix: str
    """The topics' first level, which a recorded event does not name."""

    @property
    def highest_seq(self) -> int:
        """Events up to this one were certainly committed."""
        recorded = self.record.highest_seq() if self.record is not None else 0
        return max(self.numbers.committed, self.numbers.acknowledged, recorded)

    def recorded(self) -> Iterator[tuple[Event, str, bytes]]:
        """Each event of the record with its topic and its payload."""
        for event, line in self.record.events() if self.record is not None else ():
            yield event, Topics(self.prefix, event.device).event(event.camera), line


def open_database(path: Path, evidence: Evidence) -> tuple[sqlite3.Connection, str | None]:
    """The database, ready for use, and a sentence on what was wrong with it and has been mended.

    Raises sqlite3.Error or OSError where the disk takes no new file either or somebody else holds this one, and
    MaskdError for the file of a newer maskd.
    """
    _finish_replacing(path)
    existed = path.exists()
    db = None
    try:
        db = connect(path)
        set_up(db)
        if not verify(db, path):
            create_tables(db)
            existed = False
    except (sqlite3.Error, OSError, MaskdError) as error:
        if db is not None:
            db.close()
        if isinstance(error, MaskdError) or not existed or "locked" in str(error):
            raise
        return _replace(path, str(error), evidence)
    try:
        return db, _complete(db, path, "lost its latest changes" if existed else "been emptied or removed", evidence)
    except BaseException:
        db.close()
        raise


def _complete(db: sqlite3.Connection, path: Path, problem: str, evidence: Evidence) -> str | None:
    """Where the database is whole but older than it should be: adds what it lacks."""
    known = get_meta(db)["next_seq"] - 1
    if evidence.highest_seq <= known:
        return None
    with transaction(db):
        restored = _restore(db, evidence, after_seq=known)
    sentence = f"the outbox had {problem}; events read again from the record: {restored}; numbering goes on"
    log.error("%s: %s", path, sentence)
    return sentence


def _replace(path: Path, problem: str, evidence: Evidence) -> tuple[sqlite3.Connection, str]:
    """The new file is complete before the damaged one goes aside, so that a crash in between loses nothing."""
    fresh, journal = _fresh(path)
    for leftover in (journal, fresh):
        leftover.unlink(missing_ok=True)
    with closing(connect(fresh)) as db:
        create_tables(db)
        with transaction(db):
            salvaged = copy_readable(path, db)
            restored = _restore(db, evidence, after_seq=0)
    kept_as = set_aside(path).name
    fresh.rename(path)
    sync_folder(path.parent)
    sentence = (
        f"the outbox was damaged and is kept as {kept_as}; events read from it: {salvaged}, from the record: {restored}"
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
    """The file that is to take the damaged one's place, and the log that lies beside it until it is complete."""
    return path.with_name(path.name + ".new"), path.with_name(path.name + ".new-journal")


def _restore(db: sqlite3.Connection, evidence: Evidence, *, after_seq: int) -> int:
    """Inside a transaction: queues again what the record has after `after_seq` and nobody has acknowledged, opens the
    tracks that were open, and sets the next number. Returns how many events came from the record."""
    acknowledged = evidence.numbers.acknowledged
    tracks = _OpenTracks()
    for table in ("open_tracks", "events"):
        for topic, payload in db.execute(f"SELECT topic, payload FROM {table}"):  # noqa: S608
            if (event := parse_event(payload)) is not None:
                tracks.see(event, topic, payload)

    def missing() -> Iterator[tuple[object, ...]]:
        for event, topic, line in evidence.recorded():
            tracks.see(event, topic, line)
            if event.seq > max(after_seq, acknowledged):
                yield event.seq, topic, line, parse_timestamp(event.time)

    restored = insert(db, "events", missing(), or_else="IGNORE")
    db.execute("DELETE FROM events WHERE seq <= ?", (acknowledged,))
    db.execute("DELETE FROM open_tracks")
    insert(db, "open_tracks", tracks.rows())
    highest = db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
    highest = max(highest, evidence.highest_seq, evidence.numbers.highest, get_meta(db)["next_seq"] - 1)
    put_meta(db, {"next_seq": highest + 1})
    return restored


@dataclass(slots=True)
class _OpenTracks:
    """Finds the tracks without an `ended`, from events in any order."""

    latest: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def see(self, event: Event, topic: str, payload: bytes) -> None:
        if event.type == "ended":
            self.ended.add(event.track)
            self.latest.pop(event.track, None)
        elif event.track not in self.ended and self.latest.get(event.track, (0,))[0] < event.seq:
            self.latest[event.track] = (event.seq, topic, payload)

    def rows(self) -> Iterable[tuple[object, ...]]:
        return ((track, topic, payload) for track, (_, topic, payload) in self.latest.items())
