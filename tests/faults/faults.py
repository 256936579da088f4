"""What is broken, one class for each way. A fault is injected, lasts a while, and is healed."""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.messaging.events import parse_event
from tests.faults.proxy import BOTH_WAYS, Conditions, Direction
from tests.faults.rig import Rig

HOUR_S, YEAR_S = 3600.0, 365 * 86400.0
BALLAST = "ballast"
ENDING_S = 5.0
"""For a daemon to end that could not start on a full disk."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a fault brings with it, and what it excuses."""

    reconnects: bool = False
    """The daemon connects anew; else the fault did nothing."""
    log: str | None = None
    """What the daemon says to it; else the fault did nothing."""
    says_offline: bool = False
    """The daemon goes away while it is connected, which subscribers must hear."""
    repeats_all: bool = False
    """More than what was in flight may come again: the memory of what was acknowledged is damaged, or could not be
    written."""
    clock_goes_back: bool = False
    small_disk: bool = False
    """Only a rig with a small disk can have it."""

    def __or__(self, other: Expectations) -> Expectations:
        return Expectations(
            reconnects=self.reconnects or other.reconnects,
            log=self.log or other.log,
            # With something else broken as well, the broker may hear of neither.
            says_offline=False,
            # On a full disk what was acknowledged cannot be struck out.
            repeats_all=self.repeats_all or other.repeats_all or self.small_disk or other.small_disk,
            clock_goes_back=self.clock_goes_back or other.clock_goes_back,
            small_disk=self.small_disk or other.small_disk,
        )


class Fault:
    """One that does nothing, which shows what the checks say of an undisturbed daemon."""

    name = "none"
    lasts_s = (0.5, 3.0)
    """From injecting it to healing it, at least and as a rule at most."""
    lasts_long_s = (0.5, 3.0)
    """The same, now and then."""
    expect = Expectations()

    def inject(self, rig: Rig, rng: random.Random) -> None:
        pass

    def heal(self, rig: Rig) -> None:
        pass


class DaemonKilled(Fault):
    name = "daemon: kill -9"
    expect = Expectations(says_offline=True, reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.kill_daemon()
        if rng.random() < 0.3:  # again, while it starts and cleans up
            rig.start_daemon()
            rig.pause(rng.uniform(0.1, 3.0))
            rig.kill_daemon()

    def heal(self, rig: Rig) -> None:
        rig.start_daemon()


class DaemonStopped(Fault):
    name = "daemon: SIGTERM"
    expect = Expectations(says_offline=True, reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.stop_daemon()

    def heal(self, rig: Rig) -> None:
        rig.start_daemon()


class DaemonFrozen(Fault):
    name = "daemon: frozen"
    lasts_long_s = (9.0, 15.0)  # the keep-alive is 5 s

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.signal_daemon(signal.SIGSTOP)

    def heal(self, rig: Rig) -> None:
        rig.signal_daemon(signal.SIGCONT)


class BrokerKilled(Fault):
    name = "broker: killed"
    lasts_long_s = (10.0, 30.0)
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.proxy.shut_gate()
        rig.broker.kill()

    def heal(self, rig: Rig) -> None:
        rig.broker_comes_for_all(rig.broker.start)


class BrokerRestarted(Fault):
    """It keeps its sessions and their queues, so the daemon may be back before the subscriber is."""

    name = "broker: restarted"
    lasts_long_s = (10.0, 30.0)
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.broker.stop()

    def heal(self, rig: Rig) -> None:
        rig.broker.start()


class BrokerForgets(Fault):
    name = "broker: restarted with empty memory"
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.proxy.shut_gate()
        rig.broker.stop()
        (rig.broker.folder / "mosquitto.db").unlink(missing_ok=True)

    def heal(self, rig: Rig) -> None:
        rig.broker_comes_for_all(rig.broker.start)


class BrokerFrozen(Fault):
    name = "broker: frozen"
    lasts_long_s = (9.0, 20.0)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.broker.freeze()

    def heal(self, rig: Rig) -> None:
        rig.broker.thaw()


class Network(Fault):
    """What the proxy does to the connection."""

    def __init__(
        self,
        name: str,
        conditions: Callable[[random.Random], Conditions],
        *,
        long_s: float = 20.0,
        expect: Expectations = Expectations(),
    ) -> None:
        self.name = f"network: {name}"
        self.expect = expect
        self.lasts_long_s = (9.0, long_s)
        self._conditions = conditions

    def inject(self, rig: Rig, rng: random.Random) -> None:
        conditions = self._conditions(rng)
        rig.note(str(conditions))
        rig.proxy.apply(conditions)

    def heal(self, rig: Rig) -> None:
        rig.proxy.apply(Conditions())


class AnswersLost(Fault):
    """The broker takes everything, and the daemon never hears of it: the classic reason for a repeat."""

    name = "network: acknowledgements lost, then cut"
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.proxy.apply(Conditions(swallowed=frozenset({Direction.TO_DAEMON})))

    def heal(self, rig: Rig) -> None:
        rig.proxy.reset()
        rig.proxy.apply(Conditions())


class DiskFull(Fault):
    name = "disk full"
    lasts_s = (2.0, 6.0)
    lasts_long_s = (10.0, 20.0)
    expect = Expectations(small_disk=True, log="cannot be written")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.forgiven_until = math.inf
        _fill(rig.storage / BALLAST, leave=rng.choice([0, 0, rng.randrange(1, 2_000)]))

    def heal(self, rig: Rig) -> None:
        (rig.storage / BALLAST).unlink()
        rig.forgiven_until = time.monotonic() + ENDING_S


class ClockStepped(Fault):
    """Forward or back, and right again at the end, as by a time server."""

    name = "clock stepped"
    expect = Expectations(clock_goes_back=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        seconds = rng.choice([-1, 1]) * rng.choice([1.5, 90.0, HOUR_S, 30 * HOUR_S, YEAR_S, 10 * YEAR_S])
        rig.note(f"the clock is stepped by {seconds:g} s")
        rig.step_clock(seconds)

    def heal(self, rig: Rig) -> None:
        rig.step_clock(0.0)


class OutboxDamaged(Fault):
    """The daemon dies, and its files are not what they were."""

    expect = Expectations(repeats_all=True, reconnects=True)

    def __init__(self, name: str, damage: Callable[[Path, random.Random], str]) -> None:
        self.name = f"outbox: {name}"
        self._damage = damage

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.kill_daemon()
        names = ["outbox.db", "outbox.db", "outbox.db-wal", "outbox.db-wal", "seq"]
        path = rng.choice([path for name in names if (path := rig.storage / name).exists()])
        rig.note(f"{path.name}: {self._damage(path, rng)}")

    def heal(self, rig: Rig) -> None:
        rig.start_daemon()


class RecordTorn(Fault):
    """The record is written without waiting for the disk, so a power cut takes its latest lines, or half of one."""

    name = "record: torn"
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.kill_daemon()
        path = max((rig.storage / "record").glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
        text = path.read_bytes()
        kept = max(0, len(text) - rng.randrange(1, 5000))
        # Those of them that the broker had are nowhere any more.
        cut_off = text.splitlines()[text.count(b"\n", 0, kept) :]
        rig.unrecorded |= {event.seq for line in cut_off if (event := parse_event(line)) is not None}
        rig.torn_lines += 1
        rig.note(f"{path.name}: cut after {kept} of {len(text)} bytes")
        os.truncate(path, kept)

    def heal(self, rig: Rig) -> None:
        rig.start_daemon()


class CameraGone(Fault):
    name = "camera: gone"
    lasts_long_s = (6.0, 15.0)
    expect = Expectations(log="trying again until it comes back")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.camera_goes()

    def heal(self, rig: Rig) -> None:
        rig.camera_comes()


class CameraSilent(Fault):
    """Connected, without pictures."""

    name = "camera: silent"
    lasts_long_s = (6.0, 15.0)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.silence_camera(True)

    def heal(self, rig: Rig) -> None:
        rig.silence_camera(False)


class Pair(Fault):
    """Two faults at once; the first to come is not always the first to go."""

    def __init__(self, first: Fault, second: Fault) -> None:
        self.name = f"{first.name} + {second.name}"
        self.lasts_s = max(first.lasts_s, second.lasts_s)
        self.lasts_long_s = max(first.lasts_long_s, second.lasts_long_s)
        self.expect = first.expect | second.expect
        self._parts = (first, second)
        self._heals_in_order = True

    def inject(self, rig: Rig, rng: random.Random) -> None:
        first, second = self._parts
        self._heals_in_order = rng.random() < 0.5
        first.inject(rig, rng)
        rig.pause(rng.uniform(0.0, 3.0))
        rig.note(f"and: {second.name}")
        second.inject(rig, rng)

    def heal(self, rig: Rig) -> None:
        for part in self._parts if self._heals_in_order else reversed(self._parts):
            part.heal(rig)
            rig.pause(0.5)


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
    block = bytes(65536)
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(block)
        except OSError:
            pass
        size = file.seek(0, 1)
        file.truncate(max(0, size - leave))


def _cut() -> Fault:
    return Network("cut", lambda _: Conditions(listening=False), expect=Expectations(reconnects=True))


def _slow(rng: random.Random) -> Conditions:
    if rng.random() < 0.5:
        return Conditions(delay_s=rng.uniform(0.1, 2.0))
    return Conditions(bytes_per_s=rng.uniform(200, 3000))


def _cutting(rng: random.Random) -> Conditions:
    ways = rng.choice([[Direction.TO_BROKER], [Direction.TO_DAEMON], [*Direction]])
    longest = {Direction.TO_BROKER: 4000, Direction.TO_DAEMON: 60}
    return Conditions(cut_after={way: rng.randrange(longest[way]) for way in ways})


def _held(rng: random.Random) -> Conditions:
    return Conditions(held=rng.choice([BOTH_WAYS, BOTH_WAYS, *(frozenset({way}) for way in Direction)]))


SINGLE: Sequence[Fault] = (
    Fault(),
    DaemonKilled(),
    DaemonStopped(),
    DaemonFrozen(),
    BrokerKilled(),
    BrokerRestarted(),
    BrokerForgets(),
    BrokerFrozen(),
    _cut(),
    Network("black hole", _held),
    Network("slow", _slow, long_s=15.0),
    Network("cut within a packet, again and again", _cutting),
    AnswersLost(),
    DiskFull(),
    ClockStepped(),
    OutboxDamaged("truncated", truncate),
    OutboxDamaged("overwritten", overwrite),
    OutboxDamaged("a file removed", remove),
    RecordTorn(),
    CameraGone(),
    CameraSilent(),
)

PAIRS: Sequence[Fault] = (
    Pair(BrokerKilled(), DaemonKilled()),
    Pair(BrokerKilled(), DaemonStopped()),
    Pair(BrokerForgets(), OutboxDamaged("truncated", truncate)),
    Pair(BrokerKilled(), OutboxDamaged("overwritten", overwrite)),
    Pair(_cut(), OutboxDamaged("a file removed", remove)),
    Pair(BrokerFrozen(), RecordTorn()),
    Pair(DiskFull(), DaemonStopped()),
    Pair(DiskFull(), DaemonKilled()),
    Pair(BrokerRestarted(), DiskFull()),
    Pair(_cut(), ClockStepped()),
    Pair(Network("slow", _slow, long_s=15.0), DaemonKilled()),
    Pair(CameraGone(), DaemonStopped()),
)
