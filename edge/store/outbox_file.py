"""The outbox's SQLite database: its tables, and whether everything in them is as it was written."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import MaskdError
from edge.payloads.numbering import Counted

SCHEMA_VERSION = 3
BUSY_S = 10.0
"""For another program, such as a backup, to let go of the file, at the start."""
BRIEF_BUSY_S = 0.3
"""The same while events come, which meanwhile wait in memory."""
TABLES = {
    "meta": "key TEXT PRIMARY KEY, value INTEGER NOT NULL, crc INTEGER NOT NULL",
    "events": "seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, created REAL NOT NULL, "
    "crc INTEGER NOT NULL",
    "open_tracks": "track TEXT PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, crc INTEGER NOT NULL",
}
"""SQLite checks the shape of its pages, not what they hold; so each row ends with a checksum of the rest."""


_FIGURES = {"next_seq", "seq", "epoch", "lost", "starts", "depth", "bytes"}
UNKNOWN_EPOCH = -1
ROW_OVERHEAD_BYTES = 80
"""What SQLite adds to the topic and the payload of an event: number, time, headers, half-filled pages."""
SIZE = f"length(topic) + length(payload) + {ROW_OVERHEAD_BYTES}"


def connect(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error."""
    return sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


def wait_briefly(db: sqlite3.Connection) -> None:
    """From now on another program that holds the file is waited for `BRIEF_BUSY_S` only. Raises sqlite3.Error."""
    db.execute(f"PRAGMA busy_timeout={round(BRIEF_BUSY_S * 1000)}")


def set_up(db: sqlite3.Connection) -> None:
    """Makes each commit of this connection outlive a power cut. Raises sqlite3.Error."""
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")


def create_tables(db: sqlite3.Connection) -> None:
    """Raises sqlite3.Error."""
    with transaction(db):
        for name, columns in TABLES.items():
            db.execute(f"CREATE TABLE {name} ({columns})")
        figures = {"layout": SCHEMA_VERSION, "lost": 0, "starts": 0, "depth": 0, "bytes": 0}
        put_meta(db, figures | counted_meta(Counted()))
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def has_tables(db: sqlite3.Connection, path: Path) -> bool:
    """Whether this is an outbox at all, which an empty file is not; looks at its beginning only.

    Raises sqlite3.Error where it is damaged, and MaskdError for the file of a newer maskd.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        return False
    figures = get_meta(db)
    # The number alone may be the damage, so it counts only where the table agrees.
    if version > SCHEMA_VERSION and version == figures.get("layout"):
        raise MaskdError(f"the outbox {path} was written by a newer maskd; install that one, or move the file away")
    if version != SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"its layout has the number {version}")
    if not figures.keys() >= _FIGURES:
        raise sqlite3.DatabaseError("a row of the table meta is missing")
    return True


def verify(db: sqlite3.Connection, path: Path) -> bool:
    """Reads everything; returns whether there are tables, which an empty file has not.

    Raises sqlite3.Error where anything is not as it was written, and MaskdError for the file of a newer maskd.
    """
    problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)
    if not has_tables(db, path):
        return False
    for table in TABLES:
        if any(row[-1] != checksum(*row[:-1]) for row in db.execute(f"SELECT * FROM {table}")):  # noqa: S608
            raise changed_row(table)
    return True


def changed_row(table: str) -> sqlite3.DatabaseError:
    return sqlite3.DatabaseError(f"a row of the table {table} has changed")


def counted_meta(counted: Counted) -> dict[str, int]:
    """How far the numbering has come, as figures of the table meta. An epoch of 12 digits is a number of 48 bits."""
    epoch = int(counted.epoch, 16) if counted.epoch else UNKNOWN_EPOCH
    return {"next_seq": counted.row + 1, "seq": counted.seq, "epoch": epoch}


def meta_counted(figures: dict[str, int]) -> Counted:
    epoch = figures.get("epoch", UNKNOWN_EPOCH)
    known = f"{epoch:012x}" if 0 <= epoch < 2**48 else ""
    return Counted(figures.get("next_seq", 1) - 1, figures.get("seq", 0), known)


def recount(db: sqlite3.Connection) -> dict[str, int]:
    """The figures `depth` and `bytes`, by reading all events. Raises sqlite3.Error."""
    depth, size = db.execute(f"SELECT count(*), coalesce(sum({SIZE}), 0) FROM events").fetchone()  # noqa: S608
    return {"depth": depth, "bytes": size}


def get_meta(db: sqlite3.Connection) -> dict[str, int]:
    """The figures whose checksum is right. Raises sqlite3.Error."""
    rows = db.execute("SELECT key, value, crc FROM meta")
    return {key: value for key, value, crc in rows if crc == checksum(key, value) and isinstance(value, int)}


def put_meta(db: sqlite3.Connection, figures: dict[str, int]) -> None:
    insert(db, "meta", figures.items(), or_else="REPLACE")


def insert(db: sqlite3.Connection, table: str, rows: Iterable[tuple[object, ...]], *, or_else: str = "ABORT") -> int:
    """Inserts rows, without their checksums, and returns how many. Raises sqlite3.Error."""
    places = ", ".join("?" * (TABLES[table].count(", ") + 1))
    statement = f"INSERT OR {or_else} INTO {table} VALUES ({places})"  # noqa: S608
    return max(0, db.executemany(statement, ((*row, checksum(*row)) for row in rows)).rowcount)


def checksum(*values: object) -> int:
    return zlib.crc32(repr(values).encode())


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commits at the end of the block; an error undoes the block. Raises sqlite3.Error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, a full disk among them.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
