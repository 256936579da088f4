"""Reads a large outbox as a whole while maskd runs already: it would take too long before the start."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from edge.store.outbox_file import checksum

log = logging.getLogger(__name__)

BATCH = 500
REST_S = 0.005
"""After each batch, for the threads that have events to write and to send."""
STEPS = 20_000
"""Of SQLite's machine, between two looks at whether the end is asked for."""


class OutboxCheck:
    """The thread `outbox-check`, which ends with the last row."""

    def __init__(self, path: Path, *, on_damage: Callable[[str], None]) -> None:
        """`on_damage` hears, in this thread, what is wrong with the database at `path`."""
        self._path = path
        self._on_damage = on_damage
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox-check", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Soon, and without a result."""
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)

    def _run(self) -> None:
        begin = time.monotonic()
        try:
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                db.set_progress_handler(self._stopping.is_set, STEPS)
                problem = self._first_problem(db)
        except sqlite3.OperationalError as error:
            log.info("the outbox in %s was not read completely: %s", self._path.parent, error)
            return
        except sqlite3.DatabaseError as error:
            problem = str(error)
        if problem is not None and not self._stopping.is_set():
            self._on_damage(problem)
        elif problem is None:
            log.info("the outbox in %s was read completely in %.1f s", self._path.parent, time.monotonic() - begin)

    def _first_problem(self, db: sqlite3.Connection) -> str | None:
        """Raises sqlite3.Error."""
        last = 0
        while rows := db.execute("SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (last, BATCH)).fetchall():
            if any(row[-1] != checksum(*row[:-1]) for row in rows):
                return "a row of the table events has changed"
            last = rows[-1][0]
            if self._stopping.wait(REST_S):
                return "the end was asked for"
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        return None if problem == "ok" else str(problem)
