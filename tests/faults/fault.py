"""What a fault is."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.faults.disk import Disk
from tests.faults.rig import Rig


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
    keeps_acknowledged: bool = False
    """What is acknowledged cannot be struck out meanwhile; it comes again where the daemon ends as well."""
    clock_goes_back: bool = False
    disk: Disk = Disk.ORDINARY
    """What the rig must have."""

    def __or__(self, other: Expectations) -> Expectations:
        return Expectations(
            reconnects=self.reconnects or other.reconnects,
            # With something else broken as well, neither the daemon nor the broker need notice.
            log=None,
            says_offline=False,
            repeats_all=any(e.repeats_all or e.keeps_acknowledged for e in (self, other)),
            clock_goes_back=self.clock_goes_back or other.clock_goes_back,
            disk=max(self.disk, other.disk),
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
