"""One maskd for each folder of `storage.path`: a lock on the folder itself, which has no file that could be deleted."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from edge.errors import MaskdError


class FolderLock:
    """Held from acquire() to release(), and no longer than the process lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises OSError, and MaskdError where another maskd has it."""
        descriptor = _open(self._folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise MaskdError(
                f"the outbox in {self._folder} is in use by another maskd; "
                "stop that one, or set storage.path to another folder"
            ) from error
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def holds_the_path(self) -> bool:
        """False where the folder was removed or replaced, so that its path leads elsewhere, or nowhere."""
        if self._descriptor is None:
            return False
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._descriptor), self._folder.stat())
        return False

    @property
    def is_read_only(self) -> bool:
        """Whether the disk has turned so: ext4 may still take a write then, and call it safe, which it is not."""
        if self._descriptor is None:
            return False
        with suppress(OSError):
            return bool(os.fstatvfs(self._descriptor).f_flag & os.ST_RDONLY)
        return False


def is_locked(folder: Path) -> bool | None:
    """Whether a running maskd holds it; None where this user may not know."""
    try:
        descriptor = _open(folder)
    except PermissionError:
        return None
    except OSError:
        return False
    try:
        # Shared, and given back at once, for a daemon that starts right now.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
