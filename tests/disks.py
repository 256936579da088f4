"""Disks in memory: what /tmp may be, and small ones of their own that tests fill, where this user may mount one."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def in_memory(folder: Path) -> bool:
    """Whether its disk is one in memory, as /tmp is in Debian Trixie."""
    told = subprocess.run(["stat", "--file-system", "--format=%T", folder], capture_output=True, text=True, check=True)
    return told.stdout.strip() in {"tmpfs", "ramfs"}


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A new folder where nothing waits for a disk, if this machine has one; for tests that do not cut the power."""
    memory = Path("/dev/shm")
    usable = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 16_000_000
    with tempfile.TemporaryDirectory(dir=memory if usable else None) as name:
        yield Path(name)


class SmallDisk:
    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is free while this lasts."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"\0" * size)
        try:
            yield
        finally:
            self._ballast.unlink()


@contextmanager
def small_disk(folder: Path, *, kilobytes: int = 1024) -> Iterator[SmallDisk]:
    """Lies over `folder` while this lasts. Skips the test where this user may mount nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "maskd-test", str(folder)],
        capture_output=True,
        check=False,
    )
    if mount.returncode != 0:
        pytest.skip(f"this user may mount no tmpfs: {mount.stderr.decode().strip() or errno.EPERM}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
