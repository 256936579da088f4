"""The SQLite database in which actions wait for their outputs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from edge.payloads.action import Action
from edge.store.state_files import ACTIONS

FILE_NAME = ACTIONS
_LAYOUT = 1
_BUSY_S = 0.3


@dataclass(frozen=True, slots=True)
class Waiting:
    row: int
    action: Action


class QueueFile:
    """Not from two threads at once. Every method raises sqlite3.Error where the disk refuses or the file is damaged."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._db: sqlite3.Connection | None = None

    def open(self) -> bool:
        """False: the file was damaged; it is set aside, and an empty one begun."""
        try:
            self._connect()
        except sqlite3.OperationalError:
            self.close()
            raise
        except sqlite3.DatabaseError:
            self.set_aside()
            self._connect()
            return False
        return True

    def close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def set_aside(self) -> None:
        """Raises OSError."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                old = self.path.with_name(self.path.name + suffix)
                old.replace(old.with_name(f"{FILE_NAME}.damaged{suffix}"))

    def add(self, actions: Sequence[tuple[str, Action]], seen: Sequence[UUID]) -> None:
        """Of each: the output's name and the action, which is left out if it waits already. All in one commit, with the
        ids of the latest events that the rules have seen, unless there are none."""
        rows = [(output, str(action.id), action.model_dump_json(by_alias=True)) for output, action in actions]
        with self._commit() as db:
            db.executemany("INSERT OR IGNORE INTO actions (output, id, payload) VALUES (?, ?, ?)", rows)
            if seen:
                ids = " ".join(map(str, seen))
                db.execute("INSERT OR REPLACE INTO notes VALUES ('seen', ?)", (ids,))

    def seen(self) -> list[UUID]:
        row = self._open_db().execute("SELECT value FROM notes WHERE key = 'seen'").fetchone()
        return [] if row is None else [UUID(text) for text in row[0].split()]

    def forget_seen(self) -> None:
        self._open_db().execute("DELETE FROM notes")

    def waiting(self, output: str, limit: int) -> list[Waiting]:
        """The oldest first. A row that is not as it was written is deleted."""
        query = "SELECT row, payload FROM actions WHERE output = ? ORDER BY row LIMIT ?"
        found = []
        for row, payload in self._open_db().execute(query, (output, limit)).fetchall():
            try:
                found.append(Waiting(row, Action.model_validate_json(payload)))
            except ValidationError:
                self.delete([row])
        return found

    def delete(self, rows: Iterable[int]) -> None:
        if gone := [(row,) for row in rows]:
            with self._commit() as db:
                db.executemany("DELETE FROM actions WHERE row = ?", gone)

    def depths(self) -> dict[str, int]:
        """How many wait for each output."""
        return dict(self._open_db().execute("SELECT output, count(*) FROM actions GROUP BY output").fetchall())

    def drop_oldest(self, output: str, count: int) -> None:
        query = "DELETE FROM actions WHERE row IN (SELECT row FROM actions WHERE output = ? ORDER BY row LIMIT ?)"
        self._open_db().execute(query, (output, count))

    @contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        """All of it, or nothing, is on the disk at the end."""
        db = self._open_db()
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def _connect(self) -> None:
        self._db = db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        # Each commit outlives a power cut.
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _LAYOUT) or db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("it is not as it was written")
        db.execute(
            "CREATE TABLE IF NOT EXISTS actions (row INTEGER PRIMARY KEY AUTOINCREMENT, output TEXT NOT NULL, "
            "id TEXT NOT NULL, payload TEXT NOT NULL, UNIQUE (output, id))"
        )
        db.execute("CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
        db.execute(f"PRAGMA user_version={_LAYOUT}")

    def _open_db(self) -> sqlite3.Connection:
        if self._db is None:
            self._connect()
        assert self._db is not None
        return self._db
