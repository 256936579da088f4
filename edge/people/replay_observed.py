"""The people of the last minutes again, by other rules, from what was observed of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from edge.geometry import Box
from edge.payloads.statuses import UNKNOWN
from edge.people.crowd import Crowd
from edge.people.observations import Look, ObservedFace
from edge.people.tracking import Track
from edge.people.transition import Transition
from edge.people.watched_camera import CameraRules
from edge.vision.faces import Face
from edge.vision.masks import Classification
from edge.vision.pipeline import sifted


@dataclass(frozen=True, slots=True)
class Replayed:
    transitions: list[Transition]
    judged: int
    """Judgements that were asked for."""
    approximate: int
    """Those of faces that the classifier had not looked at: each has the nearest judgement of the same person."""


def replay_observed(
    looks: Sequence[Look], labels: Sequence[str], rules: Mapping[str, CameraRules]
) -> dict[str, Replayed]:
    """What would have happened by each set of rules; a person is named 1, 2, ... Faces below the score that was in
    effect are not known."""
    judgements = _Judgements(looks, labels)
    return {name: _replay(looks, judgements, name, each) for name, each in rules.items()}


def _replay(looks: Sequence[Look], judgements: _Judgements, name: str, rules: CameraRules) -> Replayed:
    numbers = count(1)
    crowd = Crowd(rules.people, camera=name, new_id=lambda: str(next(numbers)))
    transitions: list[Transition] = []
    eye = _Eye(judgements, rules.thresholds.min_confidence)
    for look in looks:
        eye.look = look
        faces = sifted([Face(face.box, face.score) for face in look.faces], rules.thresholds)
        transitions += crowd.look(faces, eye, look.frame_size, look.at).transitions
    return Replayed([*transitions, *crowd.finish().transitions], eye.judged, eye.approximate)


class _Judgements:
    """What the classifier said, by person and time."""

    def __init__(self, looks: Sequence[Look], labels: Sequence[str]) -> None:
        self.labels = labels
        self._of: dict[int, list[tuple[float, tuple[float, ...]]]] = defaultdict(list)
        for look in looks:
            for face in look.faces:
                if face.probabilities is not None and face.track:
                    self._of[face.track].append((look.at, face.probabilities))

    def nearest(self, track: int, at: float) -> tuple[float, ...] | None:
        known = self._of.get(track)
        return min(known, key=lambda one: abs(one[0] - at))[1] if known else None


class _Eye:
    """The classifier as it answered then."""

    def __init__(self, judgements: _Judgements, min_confidence: float) -> None:
        self.look: Look
        """The picture that is judged."""
        self.judged = self.approximate = 0
        self._judgements = judgements
        self._min_confidence = min_confidence

    def classify(self, tracks: Sequence[Track]) -> list[Classification]:
        return [self._classification(self.look, track.box) for track in tracks]

    def keep(self, track: Track) -> Callable[[], Classification]:
        look, box = self.look, track.box
        return lambda: self._classification(look, box)

    def _classification(self, look: Look, box: Box) -> Classification:
        face = next(each for each in look.faces if each.box == box)
        self.judged += 1
        probabilities = face.probabilities or self._nearest(face, look.at)
        if probabilities is None:
            return Classification(UNKNOWN, 0.0, {})
        by_label = dict(zip(self._judgements.labels, probabilities, strict=True))
        best = max(by_label, key=lambda label: by_label[label])
        status = best if by_label[best] >= self._min_confidence else UNKNOWN
        return Classification(status, by_label[best], by_label)

    def _nearest(self, face: ObservedFace, at: float) -> tuple[float, ...] | None:
        self.approximate += 1
        return self._judgements.nearest(face.track, at)
