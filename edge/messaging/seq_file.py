"""The highest event number ever given, kept beside the database for the day when that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

_DIGITS = 20


class SeqFile:
    """A few bytes, written in place, so that a full disk does not stop them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def open(self) -> None:
        """Raises OSError."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self) -> int:
        """0 where nothing readable was ever written. Raises OSError."""
        assert self._descriptor is not None, "open() comes first"
        text = os.pread(self._descriptor, _DIGITS, 0).decode("ascii", errors="replace")
        return int(text) if text.isascii() and text.isdigit() else 0

    def write(self, seq: int) -> None:
        """Returns once the number is on the disk. Raises OSError."""
        assert self._descriptor is not None, "open() comes first"
        os.pwrite(self._descriptor, f"{seq:0{_DIGITS}}".encode(), 0)
        os.fdatasync(self._descriptor)
