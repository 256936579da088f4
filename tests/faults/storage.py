"""What befalls the files that the daemon keeps, and the disk that they lie on."""

from __future__ import annotations

import contextlib
import math
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.disk import Disk
from tests.faults.fault import Expectations, Fault
from tests.faults.proxy import BOTH_WAYS, Conditions
from tests.faults.rig import Rig

BALLAST = "ballast"
ENDING_S = 5.0
"""For a daemon to end that could not start on a full disk."""


class DiskFull(Fault):
    name = "disk full"
    lasts_s = (2.0, 6.0)
    lasts_long_s = (10.0, 20.0)
    expect = Expectations(disk=Disk.SMALL, keeps_acknowledged=True, log="cannot be written")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.daemon.forgiven_until = math.inf
        _fill(rig.storage / BALLAST, leave=rng.choice([0, 0, rng.randrange(1, 2_000)]))

    def heal(self, rig: Rig) -> None:
        (rig.storage / BALLAST).unlink()
        rig.daemon.forgiven_until = time.monotonic() + ENDING_S


class OutboxDamaged(Fault):
    """The daemon dies, and its files are not what they were."""

    expect = Expectations(repeats_all=True, reconnects=True)

    def __init__(self, name: str, damage: Callable[[Path, random.Random], str]) -> None:
        self.name = f"outbox: {name}"
        self._damage = damage

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.daemon.kill()
        names = ["outbox.db", "outbox.db", "outbox.db-wal", "outbox.db-wal", "seq"]
        path = rng.choice([path for name in names if (path := rig.storage / name).exists()])
        rig.note(f"{path.name}: {self._damage(path, rng)}")

    def heal(self, rig: Rig) -> None:
        rig.daemon.start()


class RecordTorn(Fault):
    """The record is written without waiting for the disk, so a power cut takes its latest lines, or half of one."""

    name = "record: torn"
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.daemon.kill()
        path = max((rig.storage / "record").glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
        size = path.stat().st_size
        kept = max(0, size - rng.randrange(1, 5000))
        with rig.losing_of_the_record():
            os.truncate(path, kept)
        rig.note(f"{path.name}: cut after {kept} of {size} bytes")

    def heal(self, rig: Rig) -> None:
        rig.daemon.start()


class PowerCut(Fault):
    """Everything stops at once, and what the disk had not got is gone."""

    name = "power cut"
    expect = Expectations(reconnects=True, disk=Disk.WITH_POWER)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        assert rig.disk is not None
        rig.proxy.apply(Conditions(held=BOTH_WAYS))  # no goodbye either
        with rig.losing_of_the_record():
            rig.disk.cut_power()
            rig.daemon.kill()
            rig.disk.reattach()
        rig.boot_anew()

    def heal(self, rig: Rig) -> None:
        rig.proxy.reset()
        rig.proxy.apply(Conditions())
        rig.daemon.start()


def truncate(path: Path, rng: random.Random) -> str:
    size = path.stat().st_size
    kept = rng.randrange(size) if size else 0
    with path.open("rb+") as file:
        file.truncate(kept)
    return f"cut after {kept} of {size} bytes"


def overwrite(path: Path, rng: random.Random) -> str:
    """A block of garbage, or of nothing, somewhere."""
    size = path.stat().st_size
    length = min(size, rng.choice([64, 512, 4096, 16384]))
    begin = rng.randrange(size - length + 1)
    garbage = rng.choice([bytes(length), rng.randbytes(length)])
    with path.open("rb+") as file:
        file.seek(begin)
        file.write(garbage)
    return f"{length} bytes overwritten from {begin} of {size}"


def remove(path: Path, rng: random.Random) -> str:
    path.unlink()
    return "removed"


def _fill(path: Path, *, leave: int) -> None:
    """Takes all the space of the disk but `leave` bytes."""
    with path.open("wb", buffering=0) as file:
        # Once more in small pieces: a file system sets space aside until it has written what it was given.
        for block in (65536, 512, 512):
            with contextlib.suppress(OSError):
                while file.write(bytes(block)):
                    pass
            os.fsync(file.fileno())
        file.truncate(max(0, file.tell() - leave))
