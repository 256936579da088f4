"""What /metrics counts of the cameras' pictures and of events, in plain numbers, from the start of maskd on."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.people.scene import Scene
from edge.people.transition import Transition
from edge.people.zone_visits import ZoneVisits
from edge.store.places_file import ZoneHour

BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
"""From a detection on a fast PC to one of a crowd on a slow board."""

Stage = Literal["wait", "detect", "classify", "age"]
"""`wait`: from the moment a picture was taken until it is looked at; `age`: until it is judged."""


@dataclass(slots=True)
class Histogram:
    """Durations in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    """Of each bucket alone; the last one has what is longer than all."""
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total += seconds

    def copy(self) -> Histogram:
        return Histogram(list(self.counts), self.total)


@dataclass(frozen=True, slots=True)
class Measured:
    """A copy, for one answer."""

    stages: Mapping[tuple[str, Stage], Histogram]
    """By camera and stage."""
    events: Mapping[tuple[str, str, str], int]
    """By camera, type and status."""
    zone_events: Mapping[tuple[str, str, str, str], int]
    """By camera, zone, type and status; an event in two zones counts in both."""
    people: Mapping[tuple[str, str], int]
    """Who is there now, by camera and announced status."""
    zone_people: Mapping[tuple[str, str], int]
    """Who is there now, by camera and zone."""
    zone_visits: Mapping[tuple[str, str], ZoneHour]
    """Visits that have ended, by camera and zone."""


class Measurements:
    """From any thread.

    While privacy is `aggregate`, only the durations of detections are counted: all else here would tell when someone is
    there, also later, from what has been added meanwhile.
    """

    def __init__(self, privacy: Literal["events", "aggregate"]) -> None:
        self._lock = threading.Lock()
        self._privacy = privacy
        self._stages: dict[tuple[str, Stage], Histogram] = {}
        self._events: Counter[tuple[str, str, str]] = Counter()
        self._zone_events: Counter[tuple[str, str, str, str]] = Counter()
        self._people: dict[str, Counter[str]] = {}
        self._stays = ZoneVisits()
        self._zone_visits: dict[tuple[str, str], ZoneHour] = {}
        self._zones: dict[str, Counter[str]] = {}

    def set_privacy(self, privacy: Literal["events", "aggregate"]) -> None:
        with self._lock:
            self._privacy = privacy
            if privacy == "aggregate":
                self._people.clear()
                self._zones.clear()
                self._stays.forget()

    def take(self, scenes: Sequence[Scene]) -> None:
        """What one round of the vision thread showed."""
        now = time.monotonic()
        with self._lock:
            for scene in scenes:
                self._take(scene, now)

    def observe(self, transitions: Sequence[Transition]) -> None:
        """What happened, once it is safe on the disk."""
        with self._lock:
            if self._privacy == "aggregate":
                return
            for each in transitions:
                self._events[each.camera, each.type, each.status] += 1
                for zone in each.zones:
                    self._zone_events[each.camera, zone, each.type, each.status] += 1

    def measured(self, cameras: Sequence[str]) -> Measured:
        """`cameras`: those that are configured."""
        with self._lock:
            shows_all = self._privacy == "events"
            return Measured(
                {
                    (camera, stage): histogram.copy()
                    for (camera, stage), histogram in self._stages.items()
                    if camera in cameras and (shows_all or stage == "detect")
                },
                dict(self._events) if shows_all else {},
                dict(self._zone_events) if shows_all else {},
                {
                    (camera, status): count
                    for camera, people in self._people.items()
                    for status, count in people.items()
                    if camera in cameras
                },
                {
                    (camera, zone): count
                    for camera, zones in self._zones.items()
                    for zone, count in zones.items()
                    if camera in cameras
                },
                {key: visits.model_copy() for key, visits in self._zone_visits.items()} if shows_all else {},
            )

    def _take(self, scene: Scene, now: float) -> None:
        timings, frame = scene.timings, scene.frame
        if self._privacy == "events":
            # A status that was seen once stays, with 0: a series that vanishes looks like a device that is down.
            people = Counter(dict.fromkeys(self._people.get(scene.camera, ()), 0))
            people.update(person.status for person in scene.people if person.status is not None)
            self._people[scene.camera] = people
            self._take_zones(scene)
        if frame is None or scene.is_still:
            return
        self._add(scene.camera, "detect", timings.detect_ms / 1000)
        if self._privacy == "aggregate":
            return
        age_s = max(0.0, now - frame.captured_at)
        self._add(scene.camera, "age", age_s)
        self._add(scene.camera, "wait", max(0.0, age_s - (timings.detect_ms + timings.classify_ms) / 1000))
        if timings.classified:
            self._add(scene.camera, "classify", timings.classify_ms / 1000)

    def _take_zones(self, scene: Scene) -> None:
        for visit in self._stays.take(scene):
            counted = self._zone_visits.setdefault((visit.camera, visit.zone), ZoneHour())
            counted.add(visit.seconds, is_violation=visit.is_violation)
        zones = Counter(dict.fromkeys(self._zones.get(scene.camera, ()), 0))
        zones.update(self._stays.people(scene.camera))
        self._zones[scene.camera] = zones

    def _add(self, camera: str, stage: Stage, seconds: float) -> None:
        self._stages.setdefault((camera, stage), Histogram()).add(seconds)
