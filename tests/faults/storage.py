"""What befalls the files that the daemon keeps, and the disk that they lie on."""

from __future__ import annotations

import contextlib
import math
import os
import random
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edge.geometry import Box
from edge.payloads.events import ModelNames, event_from_transition
from edge.people.transition import Transition
from edge.store.record_line import write_line
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


class DiskReadOnly(Fault):
    """As a failing card, which the kernel mounts read-only; the machine is then started again with another one.

    `may_lose`: the broker is too slow to take everything before the stop.
    """

    name = "disk: read-only"
    lasts_s = (3.0, 8.0)
    lasts_long_s = (10.0, 20.0)
    expect = Expectations(reconnects=True, disk=Disk.WITH_POWER, log="cannot be written")

    def __init__(self, *, may_lose: bool = False) -> None:
        self._may_lose = may_lose

    def inject(self, rig: Rig, rng: random.Random) -> None:
        assert rig.disk is not None
        rig.disk.turn_read_only()

    def heal(self, rig: Rig) -> None:
        assert rig.disk is not None
        with rig.losing_of_the_record():
            rig.daemon.may_lose = self._may_lose
            rig.daemon.stop()
            rig.daemon.may_lose = False
            rig.disk.reattach()
        rig.boot_anew()
        rig.daemon.start()


class DiskSlow(Fault):
    """Each fsync takes half a second, as on a worn card."""

    name = "disk: slow"
    lasts_s = (8.0, 12.0)
    lasts_long_s = (12.0, 20.0)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        self._since = time.monotonic()
        if rig.trouble is not None:
            rig.trouble.slow_fsync(0.5)

    def heal(self, rig: Rig) -> None:
        if rig.trouble is None:
            return  # without a compiler the disk is as fast as it is

        def is_told() -> bool:
            return b"is slow: writing an event takes" in (rig.newest("/status", self._since) or b"")

        try:
            rig.wait_until(is_told, what="the problem of a slow disk", timeout=20)
        finally:
            rig.trouble.slow_fsync(0.0)


class FilesRemoved(Fault):
    """Somebody deletes the database, or all files, under a daemon that runs."""

    name = "outbox: deleted while maskd runs"
    lasts_s = (2.0, 5.0)
    expect = Expectations(reconnects=True, repeats_all=True, log="was removed or replaced while maskd runs")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        names = ["outbox.db"] if rng.random() < 0.5 else ["outbox.db", "outbox.db-wal", "outbox.db-shm"]
        for name in names:
            (rig.storage / name).unlink(missing_ok=True)

    def heal(self, rig: Rig) -> None:
        rig.daemon.stop()
        rig.daemon.start()


class SecondDaemon(Fault):
    """Started next to the first, which must not notice, though files that could be a lock are deleted."""

    name = "a second daemon"

    def inject(self, rig: Rig, rng: random.Random) -> None:
        for path in rig.storage.glob("*lock*"):
            path.unlink()
        said = rig.daemon.start_another()
        assert "in use by another maskd" in said, said[-500:]


class BackupRestored(Fault):
    """The state of some seconds ago takes the place of the present one."""

    name = "state: a restored backup"
    lasts_s = (0.5, 1.0)
    expect = Expectations(reconnects=True, repeats_all=True, log="is a copy, such as a restored backup")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        backup = rig.folder / "backup"
        rig.daemon.stop()
        shutil.copytree(rig.storage, backup)
        rig.daemon.start()
        before = len(rig.daemon.committed())
        rig.wait_until(
            lambda: len(rig.daemon.committed()) > before + 5 and not rig.daemon.committed() - rig.arrived(),
            what="new events after the backup",
            timeout=30,
        )
        rig.daemon.stop()
        with rig.losing_of_the_record():
            for path in rig.storage.iterdir():  # the folder itself may be a disk
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if rng.random() < 0.5:
                shutil.copytree(backup, rig.storage, dirs_exist_ok=True)
            else:
                shutil.copytree(backup, rig.storage, dirs_exist_ok=True, copy_function=shutil.copy)
        shutil.rmtree(backup)

    def heal(self, rig: Rig) -> None:
        rig.daemon.start()


class CardCloned(Fault):
    """The state wakes up on another machine."""

    name = "state: a cloned card"
    expect = Expectations(reconnects=True, log="comes from another machine or memory card")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.daemon.kill()
        rig.move_to_another_machine()

    def heal(self, rig: Rig) -> None:
        rig.daemon.start()


class RecordOfNonsense(Fault):
    """Lines that no maskd has written, and the outbox is gone, so that the record is asked."""

    name = "record: bad lines"
    expect = Expectations(reconnects=True, repeats_all=True, log="that are damaged")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.daemon.kill()
        path = max((rig.storage / "record").glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
        last = path.read_bytes().splitlines()[-1]
        lines = [
            *(
                last.replace(b'"seq":', b'"seq":' + digits)
                for digits in (b"1000000", b"9223372036854775808", b"-", b"9" * 999)
            ),
            *(b"{}" for _ in range(rng.randrange(1, 100_000))),
            rng.randbytes(5000).translate(None, b"\r\n"),
        ]
        with path.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        rig.torn_lines += len(lines)
        for name in ("outbox.db", "outbox.db-wal", "outbox.db-shm"):
            (rig.storage / name).unlink(missing_ok=True)

    def heal(self, rig: Rig) -> None:
        rig.daemon.start()


class ClockLeapsOverOldDays(Fault):
    """By months, with weeks of the record that such a clock would call too old."""

    name = "clock leaps by 60 days"
    lasts_s = (3.0, 6.0)
    expect = Expectations(clock_goes_back=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        today = datetime.now(timezone.utc).date()
        self._days = [f"{today - timedelta(days=days)}.jsonl" for days in range(2, 22)]
        for number, name in enumerate(self._days, 1):
            (rig.storage / "record" / name).write_bytes(old_event(number))
        rig.step_clock(rng.choice([-1, 1]) * 60 * 86_400.0)
        if rng.random() < 0.3:  # a start while the clock is wrong
            rig.daemon.stop()
            rig.daemon.start()

    def heal(self, rig: Rig) -> None:
        rig.step_clock(0.0)
        rig.pause(2.0)
        gone = [name for name in self._days if not (rig.storage / "record" / name).exists()]
        for name in self._days:
            (rig.storage / "record" / name).unlink(missing_ok=True)
        assert not gone, f"the record has lost {len(gone)} days to a clock that was wrong: {gone}"


def old_event(number: int) -> bytes:
    """A line of the record, from an epoch of its own."""
    made = Transition(
        type="ended",
        camera="door",
        track=f"old-{number}",
        status="with_mask",
        previous=None,
        compliant=True,
        confidence=1.0,
        box=Box(0, 0, 1, 1),
        zones=(),
        started_at=0.0,
        at=1.0,
        votes={},
    )
    models = ModelNames(detector="face-detector/1.0.0", classifier="mask-classifier/1.0.0")
    event = event_from_transition(
        made, epoch="0" * 12, seq=number, device="lobby", models=models, wall_time=1.79e9 + number
    )
    return write_line(0, event.to_json())


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
