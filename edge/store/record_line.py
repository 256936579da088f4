"""A line of the local record: an event as it was published, its place in the outbox, and a checksum of both."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

_END = re.compile(rb',"row":(\d{1,18}),"crc":"([0-9a-f]{8})"\}')
_LONGEST_END = 64
"""More bytes than the end ever has."""


@dataclass(frozen=True, slots=True)
class RecordedLine:
    row: int
    """Counts the events of the outbox; those that went out without it are counted as well."""
    payload: bytes
    """The event as it was published."""


def write_line(row: int, payload: bytes) -> bytes:
    """`payload`: a JSON object, which the line is as well."""
    return b'%s,"row":%d,"crc":"%08x"}\n' % (payload[:-1], row, _checksum(row, payload))


def read_line(line: bytes) -> RecordedLine | None:
    """Without its newline; None where it is not as it was written."""
    if not line.endswith(b'"}'):
        return None
    begin = max(0, len(line) - _LONGEST_END)
    end = _END.search(line, begin)
    if end is None or end.end() != len(line):
        return None
    row, payload = int(end[1]), line[: end.start()] + b"}"
    return RecordedLine(row, payload) if int(end[2], 16) == _checksum(row, payload) else None


def _checksum(row: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(b"%d " % row))
