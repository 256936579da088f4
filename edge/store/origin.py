"""Whether the outbox is still where it was made, or a copy: a restored backup, or a cloned memory card."""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_MACHINE = ("etc/machine-id", "proc/device-tree/serial-number")
_AT_FDCWD = -100
_STATX_BTIME = 0x800


class Origin:
    """Compares where the outbox lies with where its last start found it."""

    def __init__(self, folder: Path, *, put_back: bool) -> None:
        """`put_back`: the seq file was written by another program than maskd."""
        self._machine = machine_mark(folder)
        self._folder = folder
        self._put_back = put_back

    def compare(self, path: Path, known: Mapping[str, int]) -> tuple[dict[str, int], str | None]:
        """`path`: the database, `known`: its figures. Returns those to be stored, and a sentence on what has happened
        to a copy. Raises OSError."""
        marks = {"machine": self._machine, "place": place_mark(path)}
        if known.get("machine", self._machine) != self._machine:
            return marks, f"the state in {self._folder} comes from another machine or memory card"
        if known.get("place", marks["place"]) != marks["place"] or self._put_back:
            return marks, f"the state in {self._folder} is a copy, such as a restored backup"
        return marks, None


def machine_mark(folder: Path, root: Path = Path("/")) -> int:
    """Differs on another machine, and on another memory card. `root`: where `etc`, `proc` and `sys` are."""
    texts = [_read(root / name) for name in _MACHINE]
    with suppress(OSError):
        device = folder.stat().st_dev
        block = (root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
        # A partition lies below its disk. SD cards have a `cid`, NVMe disks a `serial`.
        texts += [_read(place / "device" / name) for place in (block, block.parent) for name in ("cid", "serial")]
    return _mark(*texts)


def place_mark(path: Path) -> int:
    """Differs between a file and each of its copies. Raises OSError."""
    born = _birth_time_ns(path)
    # Numbers of files are given again, times of birth are not; but not every file system knows these.
    return _mark("born", str(born)) if born is not None else _mark("inode", str(path.stat().st_ino))


def _mark(*texts: str) -> int:
    digest = hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:7], "big")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""


class _StatxTime(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_uint32), ("reserved", ctypes.c_int32))


class _Statx(ctypes.Structure):
    """The beginning of struct statx of statx(2), which has 256 bytes."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("before_times", ctypes.c_char * 60),
        ("accessed", _StatxTime),
        ("born", _StatxTime),
        ("rest", ctypes.c_char * 256),
    )


def _birth_time_ns(path: Path) -> int | None:
    """None where the file system or the C library does not tell. Raises OSError."""
    path.stat()
    found = _Statx()
    try:
        failed = ctypes.CDLL(None).statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, ctypes.byref(found))
    except (OSError, AttributeError):
        return None
    if failed or not found.mask & _STATX_BTIME:
        return None
    return int(found.born.seconds) * 1_000_000_000 + int(found.born.nanoseconds)
