"""Files that are there as a whole or not at all, also through a power cut."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_FRESH = ".new"


def write_own_file(path: Path, data: bytes, *, mode: int = 0o666, sync: bool = True) -> None:
    """Writes a file of maskd's own folder, by way of `<name>.new` next to it. Raises OSError.

    `mode` is what the umask leaves bits of, as with open(). `sync` False: no wait for the disk, and a power cut may
    leave an empty file.
    """
    fresh = path.with_name(path.name + _FRESH)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    _fill_and_rename(descriptor, fresh, path, data, sync=sync)


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file that belongs to the owner: its owner, its mode and a link to it stay, and no file next to it is
    touched. Raises OSError."""
    target = path.resolve()
    old = target.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        own = os.fstat(descriptor)
        if (own.st_uid, own.st_gid) != (old.st_uid, old.st_gid):
            # Only then: the service's sandbox forbids the call altogether.
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    except OSError:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)
        raise
    _fill_and_rename(descriptor, Path(name), target, data)


def sync_folder(folder: Path) -> None:
    """Returns once the names in it are on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill_and_rename(descriptor: int, fresh: Path, target: Path, data: bytes, *, sync: bool = True) -> None:
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(descriptor)
        fresh.replace(target)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(target.parent)
