"""The folder of the pictures of events: one JPEG for each, under the event's id."""

from __future__ import annotations

import errno
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from edge.store.state_files import FRESH, SNAPSHOTS
from edge.system.atomic_file import write_own_file

LEAST_FREE_BYTES = 50_000_000
"""On the disk, which events need more."""
LARGEST_BYTES = 2_000_000
"""Of a file that is read as a snapshot; one has about 30 kB."""
_NAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jpg")
_BEGIN, _END = b"\xff\xd8", b"\xff\xd9"
"""Of a JPEG: what a power cut cut off has no end."""


class SnapshotFolder:
    """Between `open` and the end, one thread at a time may change it; `has` and `read` are for any."""

    def __init__(self, storage: Path, *, least_free_bytes: int = LEAST_FREE_BYTES) -> None:
        """`storage`: `storage.path`."""
        self.path = storage / SNAPSHOTS
        self._least_free_bytes = least_free_bytes
        self._sizes: dict[str, int] = {}
        """Of each file by its name, the oldest first."""
        self._bytes = 0

    def open(self) -> None:
        """Takes in what an earlier run has left, and deletes what it has left half-written. Raises OSError."""
        sizes: dict[str, int] = {}
        for name, size in self._found().items():
            if name.endswith(FRESH) or size == 0:
                (self.path / name).unlink()
            else:
                sizes[name] = size
        self._sizes, self._bytes = dict(sorted(sizes.items())), sum(sizes.values())

    def keep(self, event: UUID, jpeg: bytes, *, keep_bytes: int) -> None:
        """Raises OSError; then nothing is left of it."""
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        if shutil.disk_usage(self.path).free < self._least_free_bytes + len(jpeg):
            raise OSError(
                errno.ENOSPC, f"less than {self._least_free_bytes // 1_000_000} MB is free, which events need"
            )
        name = f"{event}.jpg"
        write_own_file(self.path / name, jpeg, mode=0o640, sync=False)
        self._bytes += len(jpeg) - self._sizes.get(name, 0)
        self._sizes[name] = len(jpeg)
        self.shrink(keep_bytes)

    def shrink(self, keep_bytes: int) -> None:
        """Deletes the oldest past this. Raises OSError."""
        while self._bytes > keep_bytes and self._sizes:
            self._delete(next(iter(self._sizes)))

    def has(self, event: UUID) -> bool:
        return os.access(self.path / f"{event}.jpg", os.F_OK)

    def read(self, event: UUID) -> bytes | None:
        """None where there is none, or a damaged one."""
        try:
            descriptor = os.open(self.path / f"{event}.jpg", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(LARGEST_BYTES)
        except OSError:
            return None
        return data if data.startswith(_BEGIN) and data.endswith(_END) else None

    def times(self) -> list[float]:
        """When the kept ones were taken, in seconds since 1970."""
        return [_time_of(name) for name in self._sizes]

    def delete_before(self, time: float) -> None:
        """In seconds since 1970. Raises OSError."""
        for name in [name for name in self._sizes if _time_of(name) < time]:
            self._delete(name)

    def delete_all(self) -> None:
        """Whatever lies there under the name of a snapshot, and the folder, where nothing else is in it. Raises OSError
        where one is left; the others are gone by then."""
        failure: OSError | None = None
        for name in self._found():
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                failure = error
        if failure is not None:
            raise failure
        self._sizes, self._bytes = {}, 0
        with suppress(OSError):
            self.path.rmdir()

    def usage(self) -> tuple[int, int]:
        """How many there are on the disk, and their bytes. Raises OSError."""
        found = self._found()
        return len(found), sum(found.values())

    def _found(self) -> dict[str, int]:
        """Name and size of each file; a folder that bears such a name is not ours. Raises OSError."""
        found: dict[str, int] = {}
        try:
            for entry in os.scandir(self.path):
                if _NAME.fullmatch(entry.name.removesuffix(FRESH)) and not entry.is_dir(follow_symlinks=False):
                    found[entry.name] = entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            pass  # there is none yet
        return found

    def _delete(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)
        self._bytes -= self._sizes.pop(name)


def _time_of(name: str) -> float:
    """The time in an event's id, which is a UUIDv7."""
    return int(UUID(name.removesuffix(".jpg")).int >> 80) / 1000
