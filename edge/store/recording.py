"""Keeps the record up with the outbox: what was committed, and what went out without the disk."""

from __future__ import annotations

import time
from collections.abc import Iterable

from edge.store.outbox_rows import OutboxRows
from edge.store.record import Record
from edge.store.unsaved import HELD_LIMIT, Unsaved

BATCH = 1000
"""Rows read or deleted at a time."""
BATCHES = 5
"""Appended at a time, where the record lacks very many; the rest comes a second later."""


class Recording:
    """Belongs to the outbox's lock."""

    def __init__(self, record: Record | None) -> None:
        self._record = record
        self._up_to = 0
        """The last row that the record has."""

    @property
    def problem(self) -> str | None:
        """Why the record cannot be written at present, in a sentence."""
        return None if self._record is None else self._record.problem

    def begin(self) -> None:
        if self._record is not None:
            self._up_to = self._record.newest().row
            self.tidy()

    def tidy(self) -> None:
        if self._record is not None:
            self._record.tidy(time.time())

    def catch_up(self, rows: OutboxRows, unsaved: Unsaved, *, disk_refuses: bool) -> None:
        """Appends what the record lacks, as far as it still waits here; where the disk refuses, the next time. Raises
        sqlite3.Error."""
        if self._record is None:
            return
        while unsaved.delivered and not disk_refuses:
            row, sent = unsaved.delivered[0]
            if not self._record.append([(row, sent.wall_time, sent.payload)], time.time()):
                return
            unsaved.delivered.popleft()
        newest = rows.figures.counted.row
        for _ in range(BATCHES):
            if self._up_to >= newest:
                return
            batch = rows.read(BATCH, after_row=self._up_to)
            recorded = self._record.append([(row.row, row.created, row.payload) for row in batch], time.time())
            if recorded < len(batch):
                self._up_to = batch[recorded - 1].row if recorded else self._up_to
                return
            self._up_to = batch[-1].row if len(batch) == BATCH else newest

    def deletable(self, acknowledged: Iterable[int]) -> list[int]:
        """Up to `BATCH` rows that need wait for the record no longer; a record whose disk takes nothing is waited for
        by at most `HELD_LIMIT` events."""
        rows = sorted(acknowledged)
        if self._record is None:
            return rows[:BATCH]
        waiting = sum(row > self._up_to for row in rows)
        return rows[: min(BATCH, len(rows) - min(waiting, HELD_LIMIT))]
