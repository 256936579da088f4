"""The people in front of each camera now: pure logic."""

from __future__ import annotations

from collections import Counter

from edge.payloads.payload import Timestamp
from edge.payloads.reports import Presence
from edge.payloads.statuses import UNKNOWN
from edge.people.transition import Transition


class PresenceCounts:
    """Follows the people of all cameras; one who was not announced is not counted."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._people: dict[str, dict[str, Transition]] = {}
        """The latest of each person, by camera and track."""

    def observe(self, transition: Transition) -> None:
        here = self._people.setdefault(transition.camera, {})
        if transition.type == "ended":
            here.pop(transition.track, None)
        else:
            here[transition.track] = transition

    def presence(self, camera: str, time: Timestamp) -> Presence:
        """The state of a camera, also if it has seen no one."""
        here = self._people.get(camera, {}).values()
        return Presence(
            device=self._device,
            camera=camera,
            people=len(here),
            counts=dict(Counter(person.status for person in here)),
            violation=any(person.status != UNKNOWN and not person.compliant for person in here),
            time=time,
        )
