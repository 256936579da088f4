"""Who has been in each zone, for how long, and whether the rule was kept: pure logic."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edge.people.scene import Person, Scene


@dataclass(frozen=True, slots=True)
class ZoneVisit:
    """One stay of an announced person in one zone, which is over."""

    camera: str
    zone: str
    seconds: float
    is_violation: bool
    """Whether the person's status was known at some time of the stay, and broke the rule of this zone."""


@dataclass(slots=True)
class _Open:
    entered_at: float
    inside_at: float
    counts: bool = False
    is_announced: bool = False
    is_violation: bool = False


class ZoneVisits:
    """Of all cameras. A stay counts if it was at least `dwell_s` long, and its person was announced by its end."""

    def __init__(self) -> None:
        self._open: dict[str, dict[tuple[str, str], _Open]] = {}
        """By camera, and track and zone."""
        self._muted: dict[str, set[str]] = {}
        """Tracks that were there before the first look of each camera: their stays began unseen."""

    def take(self, scene: Scene) -> list[ZoneVisit]:
        """The stays that this look has ended."""
        if scene.camera not in self._muted:
            now = scene.frame.captured_at if scene.frame is not None else float("inf")
            self._muted[scene.camera] = {each.track for each in scene.people if each.first_seen < now}
        here = {each.track for each in scene.people}
        muted = self._muted[scene.camera] = self._muted[scene.camera] & here
        known = self._open.setdefault(scene.camera, {})
        still = {key for each in scene.people if each.track not in muted for key in _go_on(known, each)}
        over = [(zone, known.pop((track, zone))) for track, zone in [key for key in known if key not in still]]
        return [
            ZoneVisit(scene.camera, zone, stay.inside_at - stay.entered_at, stay.is_violation)
            for zone, stay in over
            if stay.counts and stay.is_announced
        ]

    def people(self, camera: str) -> Counter[str]:
        """The announced people who are in each zone now."""
        stays = self._open.get(camera, {}).items()
        return Counter(zone for (_, zone), stay in stays if stay.counts and stay.is_announced)

    def forget(self) -> None:
        """Nothing of those who are there now will count."""
        self._open.clear()
        self._muted.clear()


def _go_on(known: dict[tuple[str, str], _Open], person: Person) -> list[tuple[str, str]]:
    """Takes the person's stays in, and returns those that are not over."""
    still = []
    for stay in person.zones:
        key = (person.track, stay.zone)
        each = known.setdefault(key, _Open(stay.entered_at, stay.entered_at))
        each.counts = stay.counts
        if person.status is not None:
            each.is_announced = True
        if stay.left_at is not None:
            each.inside_at = stay.left_at
            continue
        each.inside_at = person.last_seen
        if stay.zone in person.breaks_in:
            each.is_violation = True
        still.append(key)
    return still
