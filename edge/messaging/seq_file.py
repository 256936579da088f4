"""How far the numbering has come, kept beside the database for the day when that cannot be read."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LONGEST = 200
"""More bytes than the file ever has."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Event numbers, 0 where nothing is known."""

    given: int = 0
    """No higher one was given, or was about to be given, at the last durable write."""
    committed: int = 0
    """Events up to this one were committed to the database."""
    acknowledged: int = 0
    """Every event up to this one has been acknowledged, or was given up."""
    exact: bool = False
    """Written since the last boot, so that nothing written later can be missing."""

    @property
    def highest(self) -> int:
        """What numbering goes on from where the database does not tell: a gap is better than a number given twice."""
        return max(self.committed if self.exact else self.given, self.committed, self.acknowledged)


class SeqFile:
    """One line of constant length, written in place, so that a full disk does not stop it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self.boot = _boot_id()
        """36 characters that change with each start of the machine."""

    def open(self) -> None:
        """Raises OSError."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self) -> Numbers:
        """Zeros where nothing readable was ever written. Raises OSError."""
        assert self._descriptor is not None, "open() comes first"
        line = os.pread(self._descriptor, _LONGEST, 0)
        with suppress(ValueError):
            body, checksum = line.rstrip(b"\n").rsplit(b" ", 1)
            if int(checksum, 16) == zlib.crc32(body):
                given, committed, acknowledged, boot = body.decode("ascii").split(" ")
                exact = boot == self.boot != _UNKNOWN_BOOT
                return Numbers(int(given), int(committed), int(acknowledged), exact)
        return Numbers()

    def write(self, numbers: Numbers, *, durable: bool) -> None:
        """`durable`: returns once the numbers are on the disk; else they outlive this process, not a power cut.
        Raises OSError."""
        assert self._descriptor is not None, "open() comes first"
        body = f"{numbers.given:020} {numbers.committed:020} {numbers.acknowledged:020} {self.boot}".encode("ascii")
        os.pwrite(self._descriptor, b"%s %08x\n" % (body, zlib.crc32(body)), 0)
        if durable:
            os.fdatasync(self._descriptor)


_UNKNOWN_BOOT = "-" * 36


def _boot_id() -> str:
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return _UNKNOWN_BOOT
    return text if len(text) == len(_UNKNOWN_BOOT) and " " not in text else _UNKNOWN_BOOT
