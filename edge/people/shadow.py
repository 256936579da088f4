"""What other rules would make of the picture that a camera shows now, next to the live run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from edge.people.crowd import Crowd
from edge.people.observations import Look, Observations
from edge.people.replay_observed import Judgements, ObservedEye, faces_of
from edge.people.scene import Person
from edge.people.watched_camera import CameraRules

WARM_UP_S = 15.0
"""Observations by which it learns who is there already."""
MOST_LOOKS = 2000
"""After these it begins again, so that what it remembers stays small."""


class Shadow:
    """Follows one camera by other rules. Not to be shared between threads."""

    def __init__(self, observations: Observations, labels: Sequence[str], rules: CameraRules) -> None:
        self._observations = observations
        self._labels = labels
        self._rules = rules
        self._begin()

    def people(self) -> list[Person]:
        """Those on the newest picture, with the names of the live run where it follows the same face."""
        if self._taken > MOST_LOOKS:
            self._begin()
        looks = self._of_those_present() if self._newest is None else self._observations.since(self._newest.at)
        for look in looks[:-1]:
            self._prepare(look)
            self._crowd.follow(faces_of(look, self._rules), self._eye, look.frame_size, look.at)
        if looks:
            self._take(looks[-1])
        return self._people

    @property
    def newest(self) -> Look | None:
        """The picture that those people are on."""
        return self._newest

    def _begin(self) -> None:
        numbers = count(1)
        self._judgements = Judgements((), self._labels)
        self._eye = ObservedEye(self._judgements, self._rules.thresholds.min_confidence)
        self._crowd = Crowd(self._rules.people, camera="", new_id=lambda: f"new {next(numbers)}")
        self._newest: Look | None = None
        self._taken = 0
        self._people: list[Person] = []

    def _of_those_present(self) -> Sequence[Look]:
        """Without those who have left: they would only cost time."""
        looks = [*self._observations.latest(WARM_UP_S)]
        since = looks[-1].at - self._rules.people.tracking.lost_after_s if looks else 0.0
        present = {face.track for look in looks if look.at >= since for face in look.faces}
        kept = (replace(each, faces=tuple(face for face in each.faces if face.track in present)) for each in looks)
        return [look for look in kept if look.faces or look.at >= since]

    def _prepare(self, look: Look) -> None:
        self._judgements.add(look)
        self._eye.look = look
        self._taken += 1

    def _take(self, look: Look) -> None:
        self._prepare(look)
        seen = self._crowd.look(faces_of(look, self._rules), self._eye, look.frame_size, look.at)
        live = {face.box: f"{face.track:012x}" for face in look.faces if face.track}
        self._people = [
            replace(person, track=live.get(person.box, person.track)) for person in seen.people if person.seen
        ]
        self._newest = look
