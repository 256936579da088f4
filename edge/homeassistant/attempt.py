"""An announcement on its way, and how often one is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.homeassistant.announced import Announced
from edge.mqtt import Receipt
from edge.system.backoff import Backoff


@dataclass(slots=True)
class Attempt:
    """Messages on their way to the broker."""

    aim: Announced
    """What is true when all have arrived."""
    topic: str
    """The one that matters most."""
    given_up: list[str]
    """Topics that the broker was not asked to clear, though nothing is published there any more."""
    since: float
    awaited: dict[Receipt, str] = field(default_factory=dict)
    """The topics of those that the broker has not acknowledged."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds."""

    jitter_s: float = 3.0
    """The longest wait after a birth message of Home Assistant."""
    least_gap_s: float = 5.0
    """The shortest time between two announcements."""
    settled_s: float = 2.0
    """Mosquitto 2.0 closes the connection on a message that its access list forbids, so one has arrived when the
    connection has outlived it by so long."""
    pause: Backoff = field(default_factory=lambda: Backoff(first_s=60.0, cap_s=3600.0))
    """Between announcements that the broker does not take."""
