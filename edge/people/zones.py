"""Which zones a person is in, since when, and until when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ZoneStay:
    """One person's stay in one zone, in monotonic seconds."""

    zone: str
    entered_at: float
    left_at: float | None
    """None while the person is in the zone."""
