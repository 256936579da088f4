"""What /tmp may be, and disks of their own that tests fill or turn read-only, where this user may mount one."""

from __future__ import annotations

import errno
import os
import resource
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


@contextmanager
def real_disk(folder: Path, *, megabytes: int = 20) -> Iterator[None]:
    """An ext4 file system over `folder` while this lasts. Skips the test where this user may mount none."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_name(f"{folder.name}.img")
    with image.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    try:
        _run("mkfs.ext4", "-q", "-F", str(image))
        _run("mount", "-o", "loop", str(image), str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this user may mount no ext4: {error}")
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))


def mount_read_only(folder: Path) -> None:
    """As the machine does at its start with a card that has errors: a disk of real_disk() with no file open."""
    _run("mount", "-o", "remount,ro", str(folder))


def turn_read_only(folder: Path) -> None:
    """As ext4 does by itself where its journal finds an error: a disk of real_disk() takes nothing from now on."""
    _run("mount", "-o", "remount,abort", str(folder))


@contextmanager
def no_larger_files() -> Iterator[None]:
    """`ulimit -f` of this process is reached while this lasts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _run(*command: str) -> None:
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
