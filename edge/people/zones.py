"""Which zones a person is in, since when, and until when: pure logic that takes the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Zones = Mapping[str, Sequence[Point]]
"""Polygons by name, in fractions of the picture's width and height."""

LEAVE_S = 0.5
"""Outside for so long, and the stay is over: a person on the border does not enter and leave all the time."""


@dataclass(frozen=True, slots=True)
class ZoneStay:
    """One person's stay in one zone, in monotonic seconds."""

    zone: str
    entered_at: float
    left_at: float | None
    """When the person was last inside; None while the stay goes on."""


@dataclass(slots=True)
class _Stay:
    entered_at: float
    inside_at: float


class ZoneStays:
    """The stays of the people of one camera.

    A person enters a zone when the middle of the face is inside, and has left once it was outside for LEAVE_S. While
    the face is not seen, nothing changes.
    """

    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._stays: dict[str, dict[str, _Stay]] = {}

    def adjust(self, zones: Zones) -> None:
        """Between two pictures: from now on these hold. The stay in a zone that is gone is over."""
        self._zones = zones

    def update(self, track: str, point: Point, now: float) -> tuple[ZoneStay, ...]:
        """The stays of a person who is seen at `point` (fractions of the picture) at `now`, in the order of entering;
        one that has just ended is among them this once."""
        stays = self._stays.setdefault(track, {})
        for zone in zones_at(self._zones, point):
            stays.setdefault(zone, _Stay(now, now)).inside_at = now
        over = [zone for zone, stay in stays.items() if now - stay.inside_at >= LEAVE_S or zone not in self._zones]
        return (
            *(ZoneStay(zone, stay.entered_at, stay.inside_at) for zone in over for stay in (stays.pop(zone),)),
            *self.current(track),
        )

    def current(self, track: str) -> tuple[ZoneStay, ...]:
        """The stays that go on."""
        stays = self._stays.get(track, {})
        return tuple(ZoneStay(zone, stay.entered_at, None) for zone, stay in stays.items())

    def forget(self, track: str) -> None:
        """The person has left the picture."""
        self._stays.pop(track, None)


def zones_at(zones: Zones, point: Point) -> tuple[str, ...]:
    """The names of the zones that hold a point, in fractions of the picture."""
    return tuple(name for name, polygon in zones.items() if _contains(polygon, point))


def _contains(polygon: Sequence[Point], point: Point) -> bool:
    """Whether a point lies in a polygon, concave ones too: a ray to its right then crosses the outline an odd number
    of times."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside
