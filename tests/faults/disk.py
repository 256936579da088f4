"""A small disk of its own for `storage.path`, to be filled up, and to be cut off from power."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import tempfile
import time
from enum import IntEnum
from pathlib import Path

SIZE = 40_000_000
_EXT4_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_WRITING_THE_JOURNAL = 2


class Disk(IntEnum):
    """Where `storage.path` lies; each kind can be treated as those before it."""

    ORDINARY = 0
    """In a folder, on whatever disk that is on."""
    SMALL = 1
    """A file system in memory, which is soon full."""
    WITH_POWER = 2
    """A real one (ext4 in a file), which forgets what was not synced when its power is cut."""


class SmallDisk:
    """Mounted on a folder. Needs the right to mount."""

    def __init__(self, folder: Path, kind: Disk) -> None:
        self._folder = folder
        self._kind = kind
        self._image = folder.with_name(f"{folder.name}.img")

    def attach(self) -> None:
        """Raises OSError or subprocess.CalledProcessError where this machine does not allow it."""
        if self._kind is Disk.SMALL:
            _run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(self._folder))
            return
        if not self._image.exists():
            self._image.touch()
            os.truncate(self._image, SIZE)
            _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        _run("mount", "-o", "loop", str(self._image), str(self._folder))

    def detach(self) -> None:
        """Waits for programs that still have a file open there, at most for some seconds."""
        for _ in range(50):
            if _succeeds("umount", str(self._folder)):
                return
            time.sleep(0.1)
        _run("umount", "--lazy", str(self._folder))

    def cut_power(self) -> None:
        """From now on nothing reaches the disk, and what had not reached it is lost. Whoever writes there must be
        killed before reattach(). Only for Disk.WITH_POWER."""
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_WRITING_THE_JOURNAL))
        finally:
            os.close(descriptor)

    def turn_read_only(self) -> None:
        """As ext4 does by itself where its journal finds an error, until reattach(). Only for Disk.WITH_POWER."""
        _run("mount", "-o", "remount,abort", str(self._folder))

    def reattach(self) -> None:
        """As when the machine starts again."""
        self.detach()
        self.attach()


def best_disk() -> Disk:
    """What this machine allows; `run.py` gets itself the right to mount where it can."""
    return next((kind for kind in (Disk.WITH_POWER, Disk.SMALL) if _works(kind)), Disk.ORDINARY)


def _works(kind: Disk) -> bool:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "disk"
        folder.mkdir()
        disk = SmallDisk(folder, kind)
        try:
            disk.attach()
        except (OSError, subprocess.CalledProcessError):
            return False
        try:
            if kind is Disk.WITH_POWER:
                disk.cut_power()
        except OSError:
            return False
        finally:
            disk.detach()
        return True


def _succeeds(*command: str) -> bool:
    try:
        _run(*command)
    except subprocess.CalledProcessError:
        return False
    return True


def _run(*command: str) -> None:
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
