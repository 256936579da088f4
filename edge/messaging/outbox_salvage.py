"""What can still be read of a damaged outbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.messaging.events import Event, parse_event
from edge.messaging.payload import parse_timestamp


@dataclass(frozen=True, slots=True)
class Salvaged:
    """Rows of the tables, fit to be inserted again."""

    events: list[tuple[int, str, str, bytes, float]]
    open_tracks: list[tuple[str, str, bytes]]
    next_seq: int
    """1 where it is not known."""
    lost: int

    @classmethod
    def nothing(cls) -> Salvaged:
        return cls([], [], 1, 0)


def salvage(path: Path) -> Salvaged:
    """Reads as far as each table goes; a row whose payload is no event is left out."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        meta = {row[0]: row[1] for row in _rows(db, "SELECT key, value FROM meta") if isinstance(row[1], int)}
        events = [
            (event.seq, str(event.id), topic, event.to_json(), parse_timestamp(event.time))
            for topic, event in _events(db, "SELECT topic, payload FROM events ORDER BY seq")
        ]
        open_tracks = [
            (event.track, topic, event.to_json())
            for topic, event in _events(db, "SELECT topic, payload FROM open_tracks")
        ]
    highest = max((row[0] for row in events), default=0)
    return Salvaged(events, open_tracks, max(meta.get("next_seq", 1), highest + 1), max(0, meta.get("lost", 0)))


def set_aside(path: Path) -> Path:
    """Renames a database, with its log files, by the date. Raises OSError."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(target)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(target.with_name(target.name + suffix))
    return target


def _rows(db: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from db.execute(query)
    except sqlite3.Error:
        # What follows the damaged page cannot be read in order.
        return


def _events(db: sqlite3.Connection, query: str) -> Iterator[tuple[str, Event]]:
    for topic, payload in _rows(db, query):
        event = parse_event(payload) if isinstance(payload, bytes) else None
        if event is not None and isinstance(topic, str) and topic.endswith(f"/{event.camera}/event"):
            yield topic, event
