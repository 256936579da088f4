"""What can still be read of a damaged outbox, and where the damaged file goes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.store.outbox_file import TABLES, checksum, connect, insert, put_meta

KEPT_ASIDE = 3
"""Damaged files, the latest ones, so that a failing card does not fill itself."""
_OF_THE_FILE = {"layout", "place"}
"""Figures that hold for the damaged file alone."""
_COMPANIONS = ("-wal", "-shm")


def copy_readable(path: Path, db: sqlite3.Connection) -> int:
    """Copies every row of the database at `path` that is as it was written, inside a transaction of `db`; returns how
    many events these are. Raises sqlite3.Error where `db` takes nothing."""
    try:
        damaged = connect(path)
    except sqlite3.Error:
        return 0
    with closing(damaged):
        # A row behind a damaged page may still be reached from the other end. A damaged table can show a row twice.
        copied = insert(db, "events", _rows(damaged, "events", "ORDER BY seq"), or_else="IGNORE")
        copied += insert(db, "events", _rows(damaged, "events", "ORDER BY seq DESC"), or_else="IGNORE")
        insert(db, "open_tracks", _rows(damaged, "open_tracks"), or_else="IGNORE")
        put_meta(db, {key: value for key, value in _rows(damaged, "meta") if key not in _OF_THE_FILE})
    return copied


def set_aside(path: Path) -> Path:
    """Renames a database, with its log files, by the date, and deletes the oldest of those that lie there already.
    Raises OSError."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    path.rename(target)
    for suffix in _COMPANIONS:
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(target.with_name(target.name + suffix))
    for old in aside(path)[:-KEPT_ASIDE]:
        for name in (old, *(old.with_name(old.name + suffix) for suffix in _COMPANIONS)):
            # A folder in the file's place stays: its contents may be useful.
            with suppress(OSError):
                name.unlink()
    return target


def aside(path: Path) -> list[Path]:
    """The damaged files kept, oldest first."""
    names = path.parent.glob(f"{path.name}.damaged-*")
    return sorted(name for name in names if not name.name.endswith(_COMPANIONS))


def _rows(damaged: sqlite3.Connection, table: str, order: str = "") -> Iterator[tuple[Any, ...]]:
    # What follows a damaged page cannot be read in order, so the rows simply end there.
    with suppress(sqlite3.Error):
        for *row, crc in damaged.execute(f"SELECT * FROM {table} {order}"):  # noqa: S608
            if len(row) == TABLES[table].count(", ") and checksum(*row) == crc:
                yield tuple(row)
