"""What waits in the outbox, and what the local record holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path

from edge.checks.row import Row, judged, megabytes
from edge.config import StorageSettings
from edge.store.outbox_file import get_meta, verify
from edge.store.outbox_salvage import aside
from edge.store.record_line import read_line
from edge.store.record_reader import FOLDER_NAME, day_files, lines_backwards

_VERIFIED_BYTES = 50_000_000
"""A larger outbox is counted, but not read as a whole."""
_RECORD_LINES = 200
"""Lines of each of the record's last two days that are read, from their ends."""


def outbox_row(path: Path, *, is_running: bool | None) -> Row:
    """Reads the database without changing it."""
    warnings = [
        f"{len(damaged)} damaged outbox(es) were set aside by earlier starts, the latest {damaged[-1].name}, and "
        "their contents recovered; test the memory card, and delete them once it is replaced"
        for damaged in [aside(path)]
        if damaged
    ]
    if not path.exists():
        return judged("outbox", "empty: maskd has not run yet", warnings=warnings, figures={"depth": 0})
    # With a log next to it, a program has it open or crashed; without one it is as good as a read-only file.
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() or is_running else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=2)) as db:
            if path.stat().st_size <= _VERIFIED_BYTES:
                verify(db, path)
            depth = int(db.execute("SELECT count(*) FROM events").fetchone()[0])
            lost = get_meta(db).get("lost", 0)
    except sqlite3.Error as error:
        if "locked" in str(error):
            return Row("ok", "outbox", "busy: maskd is writing")
        problem = (
            f"{path} is damaged ({error}); the next start of maskd sets it aside and recovers its readable events "
            "and those of the record: sudo systemctl restart maskd; then test the memory card"
        )
        return Row("warn", "outbox", str(path), "\n".join([problem, *warnings]))
    if lost:
        warnings.append(
            f"{lost} events were lost so far because it was full; bring the broker back sooner, or raise "
            "storage.max_events and storage.max_bytes"
        )
    waiting = f"{depth} events wait for the broker" if depth else "no event waits"
    return judged("outbox", waiting, warnings=warnings, figures={"depth": depth, "lost": lost})


def record_row(settings: StorageSettings) -> Row:
    """Reads the end of the local record."""
    if settings.keep_days == 0:
        return Row("skipped", "record", "storage.keep_days is 0: nothing is recorded")
    folder = settings.path / FOLDER_NAME
    try:
        days = day_files(folder)
        size = sum(day.stat().st_size for day in days)
        lines = [line for day in reversed(days[-2:]) for line in islice(lines_backwards(day), _RECORD_LINES)]
    except FileNotFoundError:
        return Row("ok", "record", "empty: no event yet", None, {"days": 0, "bytes": 0})
    except OSError as error:
        problem = f"the record in {folder} cannot be read: {error.strerror}; give it to maskd's user, or remove it"
        return Row("warn", "record", str(folder), problem)
    unreadable = sum(read_line(line) is None for line in lines)
    warnings = []
    if unreadable:
        warnings.append(
            f"{unreadable} of its last {len(lines)} lines cannot be read, because of power cuts or a failing memory "
            "card; maskd skips them"
        )
    detail = f"{len(days)} day(s), {megabytes(size)}"
    return judged("record", detail, warnings=warnings, figures={"days": len(days), "bytes": size})
