"""Lines of JSON in one file for each month, which are appended and kept by age."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

MODE = 0o640
LONGEST_LINE = 100_000
"""Bytes; what is longer was not written by maskd."""


class MonthlyFile:
    """A folder of such files. Each method raises OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, lines: Sequence[dict[str, Any]], now: float) -> None:
        """Without an fsync: a power cut may take the lines of the last half minute. `now` in seconds since 1970."""
        self.folder.mkdir(mode=0o750, exist_ok=True)
        path = self.folder / f"{datetime.fromtimestamp(now, timezone.utc):%Y-%m}.jsonl"
        data = b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data  # a power cut tore the last line
            try:
                while data:
                    data = data[os.write(descriptor, data) :]
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def lines(self, since: float = 0.0) -> Iterator[dict[str, Any]]:
        """Oldest first, from the month of `since` on (seconds since 1970). What is not an object is left out."""
        first = f"{datetime.fromtimestamp(since, timezone.utc):%Y-%m}"
        for path in self._files():
            if path.stem < first:
                continue
            with path.open("rb") as file:
                while line := file.readline(LONGEST_LINE):
                    try:
                        value = json.loads(line)
                    except (ValueError, RecursionError):
                        continue
                    if isinstance(value, dict):
                        yield value

    def drop_older(self, days: float, now: float) -> None:
        """Deletes the months that ended more than `days` before `now`."""
        first_kept = datetime.fromtimestamp(now, timezone.utc).date() - timedelta(days=days)
        for path in self._files():
            next_month = (date.fromisoformat(f"{path.stem}-01") + timedelta(days=31)).replace(day=1)
            if next_month <= first_kept:
                path.unlink()

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if _is_month(path))
        except FileNotFoundError:
            return []


def _is_month(path: Path) -> bool:
    try:
        return path.suffix == ".jsonl" and len(path.stem) == 7 and bool(date.fromisoformat(f"{path.stem}-01"))
    except ValueError:
        return False
