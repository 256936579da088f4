"""Visits of zones and their lengths, from scripted scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edge.camera.frame import Frame
from edge.config import ComplianceSettings, TrackingSettings
from edge.people.crowd import Seen
from edge.people.scene import Scene
from edge.people.zone_visits import ZoneVisit, ZoneVisits
from tests.support.scripted import FRAME_SIZE, ScriptedCrowd, rectangle, shown

IMAGE = np.zeros((FRAME_SIZE[1], FRAME_SIZE[0], 3), np.uint8)


def scene(seen: Seen, at: float | None) -> Scene:
    frame = None if at is None else Frame(IMAGE, at, 1)
    return Scene("door", frame, seen.people, seen.transitions)


class Walk:
    """One person, ten pictures a second."""

    def __init__(self, *, dwell_s: float = 0.0, lost_after_s: float = 1.0) -> None:
        zones = {
            "ward": rectangle(0.0, 0.5, compliant=["with_mask"]),
            "desk": rectangle(0.0, 1.0, compliant=["all"], dwell_s=dwell_s),
        }
        self.scripted = ScriptedCrowd(
            compliance=ComplianceSettings(min_votes=3),
            tracking=TrackingSettings(min_hits=1, lost_after_s=lost_after_s),
            zones=zones,
        )
        self.visits = ZoneVisits()
        self.told: list[ZoneVisit] = []
        self._number = 0

    def stand(self, x: float, seconds: float, letter: str = "n") -> Walk:
        for _ in range(round(seconds * 10)):
            self.look(x, letter, lambda scenes: self.told.extend(self.visits.take(scenes[0])))
        return self

    def look(self, x: float, letter: str, take: Callable[[Sequence[Scene]], None]) -> None:
        at = self._number / 10
        seen = self.scripted.look([shown(letter, x=x * FRAME_SIZE[0])] if letter != "." else [], at)
        take([scene(seen, at)])
        self._number += 1


def test_a_stay_counts_once_it_is_over() -> None:
    walk = Walk().stand(0.47, 3).stand(0.53, 2)
    assert walk.visits.people("door") == {"desk": 1}
    assert [(each.zone, each.is_violation) for each in walk.told] == [("ward", True)]
    assert walk.told[0].seconds == pytest.approx(2.9)
    walk.stand(0.53, 2, ".")
    assert [(each.zone, each.is_violation) for each in walk.told[1:]] == [("desk", False)], "it was not this rule"
    assert walk.told[1].seconds == pytest.approx(4.9), "up to the last picture that showed the person"
    assert walk.visits.people("door") == {}


def test_who_complies_makes_a_visit_without_a_violation() -> None:
    assert [each.is_violation for each in Walk().stand(0.25, 2, "M").stand(0.0, 2, ".").told] == [False, False]


def test_who_was_never_announced_makes_no_visit() -> None:
    assert Walk().stand(0.25, 0.2).stand(0.0, 3, ".").told == []


def test_a_stay_shorter_than_the_dwell_time_is_none() -> None:
    walk = Walk(dwell_s=3.0).stand(0.25, 2)
    assert walk.visits.people("door") == {"ward": 1}
    assert [each.zone for each in walk.stand(0.25, 1.5).stand(0.25, 2, ".").told] == ["ward", "desk"]
    assert [each.zone for each in Walk(dwell_s=3.0).stand(0.25, 2).stand(0.25, 2, ".").told] == ["ward"]


def test_who_is_there_when_counting_begins_does_not_count() -> None:
    """Switched back from `aggregate`, such a visit would tell of the time before."""
    walk = Walk().stand(0.25, 2)
    walk.visits.forget()
    assert walk.stand(0.25, 2).stand(0.25, 3, ".").told == []
    assert {each.zone for each in walk.stand(0.25, 2).stand(0.25, 3, ".").told} == {"ward", "desk"}


def test_a_camera_that_stops_ends_its_stays() -> None:
    walk = Walk().stand(0.25, 2)
    assert len(walk.visits.take(scene(walk.scripted.crowd.finish(), None))) == 2
    assert walk.visits.take(replace(scene(walk.scripted.crowd.finish(), None), camera="gate")) == []
