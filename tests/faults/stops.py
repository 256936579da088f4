"""What must hold up neither the daemon nor its stop: a reader of the log, a disk, a broker, another program."""

from __future__ import annotations

import random
import sqlite3

from tests.faults.fault import Expectations, Fault
from tests.faults.proxy import Conditions, Direction
from tests.faults.rig import Rig

QOS_2 = 2000
"""Messages that are never released, each with 4000 bytes."""


class Stop(Fault):
    """Something is broken, and then the daemon is stopped, which takes less than 5 s all the same."""

    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        self.break_(rig, rng)
        rig.pause(rng.uniform(0.2, 3.0))
        rig.daemon.stop()

    def heal(self, rig: Rig) -> None:
        self.repair(rig)
        rig.daemon.start()

    def break_(self, rig: Rig, rng: random.Random) -> None:
        raise NotImplementedError

    def repair(self, rig: Rig) -> None:
        raise NotImplementedError


class LogNotRead(Stop):
    name = "log: not read, then SIGTERM"

    def break_(self, rig: Rig, rng: random.Random) -> None:
        rig.daemon.reads_log.clear()

    def repair(self, rig: Rig) -> None:
        rig.daemon.reads_log.set()


class DiskSlow(Stop):
    """Each fsync takes its time, as on a worn card. An event that it has not taken by the end may be lost; it has no
    number then."""

    name = "disk: slow, then SIGTERM"

    def break_(self, rig: Rig, rng: random.Random) -> None:
        seconds = rng.choice([0.1, 0.5, 2.0, 5.0])
        rig.note(f"each fsync takes {seconds:g} s")
        rig.daemon.may_lose = True
        if rig.trouble is not None:
            rig.trouble.slow_fsync(seconds)

    def repair(self, rig: Rig) -> None:
        rig.daemon.may_lose = False
        if rig.trouble is not None:
            rig.trouble.slow_fsync(0)


class StopAtBroker(Stop):
    def __init__(self, name: str, conditions: Conditions) -> None:
        self.name = f"{name}, then SIGTERM"
        self._conditions = conditions

    def break_(self, rig: Rig, rng: random.Random) -> None:
        rig.proxy.apply(self._conditions)

    def repair(self, rig: Rig) -> None:
        rig.proxy.reset()
        rig.proxy.apply(Conditions())


class OutboxLocked(Fault):
    """By another program; events wait in memory."""

    name = "outbox: locked by another program"
    lasts_s = (1.0, 4.0)
    lasts_long_s = (9.0, 15.0)
    expect = Expectations(log="stop the other program that has outbox.db open", keeps_acknowledged=True)

    def __init__(self) -> None:
        self._other: sqlite3.Connection | None = None

    def inject(self, rig: Rig, rng: random.Random) -> None:
        self._other = sqlite3.connect(rig.storage / "outbox.db", isolation_level=None, timeout=10)
        self._other.execute("BEGIN IMMEDIATE")

    def heal(self, rig: Rig) -> None:
        assert self._other is not None
        self._other.close()


class BrokerHostile(Fault):
    """It sends messages with QoS 2 that it never releases, and answers to no question."""

    name = "broker: floods with QoS 2 and answers to nothing"

    def inject(self, rig: Rig, rng: random.Random) -> None:
        topic = b"\x00\x07maskd/x"
        for mid in range(1, QOS_2):
            number = mid.to_bytes(2, "big")
            message = topic + number + b"\x00" + bytes(4000)
            length = bytes([len(message) & 127 | 128, len(message) >> 7])
            rig.proxy.inject(b"\x34" + length + message + b"\x90\x04" + number + b"\x00\x01")
            if mid % 100 == 0:
                rig.pause(0.01)

    def heal(self, rig: Rig) -> None:
        pass


class BrokerRefuses5(Fault):
    name = "broker: refuses MQTT 5"
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.proxy.apply(Conditions(refuses_5=True))
        rig.proxy.reset()

    def heal(self, rig: Rig) -> None:
        rig.proxy.apply(Conditions())


def acknowledges_nothing() -> Fault:
    return StopAtBroker("broker: acknowledges nothing", Conditions(swallowed=frozenset({Direction.TO_DAEMON})))


def drips() -> Fault:
    return StopAtBroker("broker: drips", Conditions(bytes_per_s=3.0))
