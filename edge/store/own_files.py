"""The folder and the database that an outbox writes to: whether they are still what lies at their paths."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from edge.store.disk_health import ReplacedError
from edge.store.folder_lock import FolderLock


class OwnFiles:
    """SQLite goes on writing to a file that was deleted, and ext4 to a disk that has turned read-only; nothing of that
    would be there after a restart."""

    def __init__(self, folder: Path, database: Path) -> None:
        self._lock = FolderLock(folder)
        self._database = database
        self._status: os.stat_result | None = None

    def acquire(self) -> None:
        """Raises OSError, and MaskdError where another maskd has the folder."""
        self._lock.acquire()

    def release(self) -> None:
        self._lock.release()

    def note_database(self) -> None:
        """Once it is open. Raises OSError."""
        self._status = self._database.stat()

    def require(self) -> None:
        """Raises OSError where what is written now would be gone after a restart."""
        if self._status is None:
            raise ReplacedError("its disk was read-only when maskd started: see `dmesg`, and replace a failing card")
        self.require_writable()
        with suppress(OSError):
            if os.path.samestat(self._status, self._database.stat()) and self._lock.holds_the_path:
                return
        raise ReplacedError(f"{self._database} was removed or replaced while maskd runs")

    def require_writable(self) -> None:
        """Raises OSError where the disk has turned read-only."""
        if self._lock.is_read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
