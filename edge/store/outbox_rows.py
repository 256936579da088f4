"""The rows of the outbox's database and their figures, as one transaction after another leaves them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from edge.payloads.events import NumberedEvent
from edge.payloads.numbering import Counted
from edge.store.outbox_file import (
    ROW_OVERHEAD_BYTES,
    SIZE,
    counted_meta,
    get_meta,
    insert,
    meta_counted,
    put_meta,
    transaction,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts and sizes of the rows, after a transaction."""

    counted: Counted
    depth: int
    bytes: int
    lost: int
    """Events given up since the outbox was made."""


@dataclass(frozen=True, slots=True)
class Row:
    row: int
    topic: str
    payload: bytes
    created: float
    """When it happened, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that waits for the broker's acknowledgement."""

    seq: int
    """Its row: counts all events of this outbox. What it is published under, epoch and number, is in the payload."""
    topic: str
    payload: bytes


class OutboxRows:
    """Belongs to the outbox's lock. Every method raises sqlite3.Error, and leaves everything as it was then."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        figures = get_meta(db)
        self.figures = Figures(meta_counted(figures), figures["depth"], figures["bytes"], figures["lost"])

    def meta(self) -> dict[str, int]:
        """Everything in the table of figures."""
        return get_meta(self._db)

    def start(self, origin: Mapping[str, int], *, epoch: str | None, lost: int) -> None:
        """Counts a start, and notes where the file lies. `epoch`: a new one; None: numbering goes on."""
        counted = self.figures.counted
        figures = replace(
            self.figures,
            counted=counted if epoch is None else Counted(counted.row, 0, epoch),
            lost=max(lost, self.figures.lost),
        )
        with transaction(self._db) as db:
            # Written, not only read: a disk that takes nothing is then found at the start.
            starts = get_meta(db)["starts"] + 1
            put_meta(db, {**origin, "starts": starts, "lost": figures.lost} | counted_meta(figures.counted))
        self.figures = figures

    def store(
        self,
        first_row: int,
        events: Sequence[NumberedEvent],
        tracks: Mapping[str, tuple[str, bytes] | None],
        *,
        counted: Counted,
        max_events: int,
        max_bytes: int,
        lost: int,
        before: Callable[[], None],
    ) -> int:
        """Inserts events from `first_row` on, notes open tracks (None: it has ended), and makes room by the caps.

        `lost`: given up elsewhere; `before` runs inside the transaction. Returns how many the caps cost.
        """
        with transaction(self._db) as db:
            before()
            for track, last in tracks.items():
                if last is None:
                    db.execute("DELETE FROM open_tracks WHERE track = ?", (track,))
                else:
                    # An upsert, since the `started` may be among those that were lost while the disk was full.
                    insert(db, "open_tracks", [(track, *last)], or_else="REPLACE")
            rows = [(row, one.topic, one.payload, one.wall_time) for row, one in enumerate(events, first_row)]
            insert(db, "events", rows)
            depth = self.figures.depth + len(rows)
            size = self.figures.bytes + sum(len(t) + len(p) + ROW_OVERHEAD_BYTES for _, t, p, _ in rows)
            given_up = 0
            while depth > 0 and (depth > max_events or size > max_bytes):
                # By the average size; what is left over goes in the next round.
                excess = max(1, depth - max_events, (size - max_bytes) * depth // size)
                oldest = f"seq IN (SELECT seq FROM events ORDER BY seq LIMIT {excess})"  # noqa: S608
                deleted, deleted_size = self._delete(oldest)
                if not deleted:
                    break
                depth, size, given_up = depth - deleted, size - deleted_size, given_up + deleted
            figures = Figures(counted, depth, size, self.figures.lost + lost + given_up)
            self._put(figures)
        self.figures = figures
        return given_up

    def open_tracks(self) -> list[tuple[str, str, bytes]]:
        """Track, topic and payload of the last event of everyone who was there."""
        return self._db.execute("SELECT track, topic, payload FROM open_tracks").fetchall()

    def delete(self, rows: Sequence[int]) -> None:
        with transaction(self._db):
            count, size = self._delete(f"seq IN ({','.join(map(str, rows))})")
            figures = replace(self.figures, depth=self.figures.depth - count, bytes=self.figures.bytes - size)
            self._put(figures)
        self.figures = figures

    def read(self, limit: int, *, after_row: int = 0, without_topics: Sequence[str] = ()) -> list[Row]:
        excluded = ",".join("?" * len(without_topics))
        found = self._db.execute(
            f"SELECT seq, topic, payload, created FROM events WHERE seq > ? AND topic NOT IN ({excluded}) "  # noqa: S608
            "ORDER BY seq LIMIT ?",
            (after_row, *without_topics, limit),
        )
        return [Row(*row) for row in found]

    def up_to(self, row: int) -> Iterable[int]:
        return (number for (number,) in self._db.execute("SELECT seq FROM events WHERE seq <= ?", (row,)))

    def close(self) -> None:
        self._db.close()

    def _put(self, figures: Figures) -> None:
        totals = {"depth": figures.depth, "bytes": figures.bytes, "lost": figures.lost}
        put_meta(self._db, totals | counted_meta(figures.counted))

    def _delete(self, where: str) -> tuple[int, int]:
        """Returns how many events these were, and what they counted in bytes."""
        query = f"SELECT count(*), coalesce(sum({SIZE}), 0) FROM events WHERE {where}"  # noqa: S608
        count, size = self._db.execute(query).fetchone()
        self._db.execute(f"DELETE FROM events WHERE {where}")  # noqa: S608
        return count, size
