"""Which zones a person is in, since when, and until when: pure logic that takes the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.config import ZoneSettings
from edge.geometry import Box
from edge.vision.faces import Face

Point = tuple[float, float]
"""In fractions of the picture's width and height."""
Zones = Mapping[str, ZoneSettings]
"""By name."""

LEAVE_S = 0.5
"""Outside for so long, and the stay is over: a person on the border does not enter and leave all the time."""


@dataclass(frozen=True, slots=True)
class ZoneStay:
    """One person's stay in one zone, in monotonic seconds."""

    zone: str
    entered_at: float
    left_at: float | None
    """When the person was last inside; None while the stay goes on."""
    counts: bool = True
    """Whether it has been `dwell_s` long."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The zones that count for a person."""

    zones: tuple[str, ...] = ()
    """Those in which the person has been for `dwell_s`, in the order of the configuration."""
    is_waiting: bool = False
    """In a zone, but in none for its `dwell_s` yet."""


_NOWHERE = Whereabouts()


@dataclass(slots=True)
class _Stay:
    entered_at: float
    inside_at: float


class ZoneStays:
    """The stays of the people of one camera.

    A person enters a zone when the middle of the face is inside, and has left once it was outside for LEAVE_S. While
    the face is not seen, nothing changes. No one is in a zone that is ignored.
    """

    def __init__(self, zones: Zones) -> None:
        self._zones = _judging(zones)
        self._stays: dict[str, dict[str, _Stay]] = {}
        self._seen: dict[str, tuple[Point, float]] = {}
        """Where and when each person was last seen."""

    def adjust(self, zones: Zones) -> None:
        """Between two pictures: from now on these hold, for those who are there as well. The stay in a zone that is
        gone is over."""
        self._zones = _judging(zones)
        for track, (point, at) in self._seen.items():
            self._enter(track, point, at)

    def update(self, track: str, point: Point, now: float) -> tuple[ZoneStay, ...]:
        """The stays of a person who is seen at `point` at `now`, in the order of entering; one that has just ended is
        among them this once."""
        self._seen[track] = point, now
        stays = self._enter(track, point, now)
        over = [zone for zone, stay in stays.items() if now - stay.inside_at >= LEAVE_S or zone not in self._zones]
        return (
            *(self._told(zone, stay, stay.inside_at) for zone in over for stay in (stays.pop(zone),)),
            *self.current(track),
        )

    def current(self, track: str) -> tuple[ZoneStay, ...]:
        """The stays that go on."""
        stays = self._stays.get(track, {})
        return tuple(self._told(zone, stay, None) for zone, stay in stays.items())

    def whereabouts(self, track: str) -> Whereabouts:
        """As the latest update left them."""
        known = self._stays.get(track)
        if not known:
            return _NOWHERE
        stays = {zone: known[zone] for zone in self._zones if zone in known}
        counting = tuple(zone for zone, stay in stays.items() if self._counts(zone, stay))
        return Whereabouts(counting, is_waiting=bool(stays) and not counting)

    def forget(self, track: str) -> None:
        """The person has left the picture."""
        self._stays.pop(track, None)
        self._seen.pop(track, None)

    def _told(self, zone: str, stay: _Stay, left_at: float | None) -> ZoneStay:
        return ZoneStay(zone, stay.entered_at, left_at, self._counts(zone, stay))

    def _counts(self, zone: str, stay: _Stay) -> bool:
        return zone not in self._zones or stay.inside_at - stay.entered_at >= self._zones[zone].dwell_s

    def _enter(self, track: str, point: Point, now: float) -> dict[str, _Stay]:
        stays = self._stays.setdefault(track, {})
        for zone in zones_at(self._zones, point):
            stays.setdefault(zone, _Stay(now, now)).inside_at = now
        return stays


def not_ignored(faces: Sequence[Face], zones: Zones, frame_size: tuple[int, int]) -> Sequence[Face]:
    """The faces of a picture of `frame_size` (width, height) pixels that are in no ignored zone."""
    ignored = {name: zone for name, zone in zones.items() if zone.ignore}
    if not ignored:
        return faces
    return [face for face in faces if not zones_at(ignored, point_of(face.box, frame_size))]


def point_of(box: Box, frame_size: tuple[int, int]) -> Point:
    """The middle of what a picture of `frame_size` (width, height) shows of a face at `box`, which is in pixels."""
    width, height = frame_size
    x, y = box.clipped(width, height).center
    return x / width, y / height


def zones_at(zones: Zones, point: Point) -> tuple[str, ...]:
    """The names of the zones that hold a point."""
    return tuple(name for name, zone in zones.items() if _contains(zone.corners, point))


def _judging(zones: Zones) -> Zones:
    return {name: zone for name, zone in zones.items() if not zone.ignore}


def _contains(polygon: Sequence[Point], point: Point) -> bool:
    """Whether a point lies in a polygon, concave ones too: a ray to its right then crosses the outline an odd number
    of times."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside
