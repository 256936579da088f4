"""Reads the local record: a folder with one file of JSON lines for each UTC day."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

FOLDER_NAME = "record"
"""Below `storage.path`."""
LONGEST_LINE = 1_000_000
"""Bytes; an event has some hundreds."""
_BLOCK_BYTES = 65_536
_DAY_FILE = re.compile(r"(\d{4}-\d{2}-\d{2})\.jsonl")


class DayLine(NamedTuple):
    """A line, without its newline, and the name of its file."""

    file_name: str
    line: bytes


def day_of(path: Path) -> date | None:
    """The UTC day whose events a file holds; None for a file that is none of the record's."""
    match = _DAY_FILE.fullmatch(path.name)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def day_files(folder: Path) -> list[Path]:
    """Oldest first. Raises OSError."""
    return sorted(path for path in folder.iterdir() if day_of(path) is not None)


def lines_forwards(path: Path) -> Iterator[bytes]:
    """Lines without their end, oldest first. The last may be torn by a power cut. Of a line that is far longer than any
    event only the first piece is given, which is none. Raises OSError."""
    with path.open("rb") as file:
        is_rest = False
        while line := file.readline(LONGEST_LINE):
            if not is_rest:
                yield line.rstrip(b"\n")
            is_rest = not line.endswith(b"\n")


def lines_backwards(path: Path, *, at_most_bytes: int | None = None) -> Iterator[bytes]:
    """Lines without their end, newest first, reading only as much of the file as is asked for, and at most so many
    bytes from its end. Raises OSError."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        first_byte = 0 if at_most_bytes is None else max(0, end - at_most_bytes)
        if end and _read_at(file.fileno(), end - 1, 1) == b"\n":
            end -= 1
        tail: list[bytes] = []
        """Pieces of a line whose beginning has not been read, the last first."""
        while end > first_byte:
            begin = max(first_byte, end - _BLOCK_BYTES)
            first, *lines = _read_at(file.fileno(), begin, end - begin).split(b"\n")
            if lines:
                yield lines.pop() + b"".join(reversed(tail))
                yield from reversed(lines)
                tail = [first]
            else:
                tail.append(first)
            end = begin
        if tail and first_byte == 0:
            yield b"".join(reversed(tail))


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    return os.pread(descriptor, size, offset)
