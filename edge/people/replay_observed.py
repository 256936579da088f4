"""The people of the last minutes again, by other rules, from what was observed of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from edge.vision.motion import MarkedGate
from edge.vision.pipeline import sifted

LOOKS_PER_BREATH = 16
"""Pictures between two calls of `breathe`: 2 to 3 ms, so that other threads wait for less than the interpreter's switch
interval of 5 ms."""


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
    judgements = Judgements(looks, labels)
    return {name: replay_looks(looks, judgements, name, each) for name, each in rules.items()}


def replay_looks(
    looks: Sequence[Look],
    judgements: Judgements,
    camera: str,
    rules: CameraRules,
    breathe: Callable[[], None] = lambda: None,
) -> Replayed:
    """By one set of rules. `breathe` is called now and then; what it raises ends the replay."""
    numbers = count(1)
    crowd = Crowd(rules.people, camera=camera, new_id=lambda: str(next(numbers)))
    transitions: list[Transition] = []
    eye = ObservedEye(judgements, rules.thresholds.min_confidence)
    gate = MarkedGate(rules.gate)
    for number, look in enumerate(breathing(looks, breathe)):
        if look.marks is not None and not gate.opens(number, look.marks, look.at, is_empty=crowd.is_empty):
            continue
        if crowd.is_empty and not look.faces:
            continue
        eye.look = look
        transitions += crowd.follow(faces_of(look, rules), eye, look.frame_size, look.at)
    return Replayed([*transitions, *crowd.finish().transitions], eye.judged, eye.approximate)


def breathing(looks: Iterable[Look], breathe: Callable[[], None]) -> Iterator[Look]:
    """Calls `breathe` now and then."""
    for number, look in enumerate(looks):
        if number % LOOKS_PER_BREATH == 0:
            breathe()
        yield look


def faces_of(look: Look, rules: CameraRules) -> list[Face]:
    """What the detector would have found by these rules."""
    return sifted([Face(face.box, face.score) for face in look.faces], rules.thresholds)


class Judgements:
    """What the classifier said, by person and time."""

    def __init__(self, looks: Iterable[Look], labels: Sequence[str]) -> None:
        self.labels = labels
        self._times: dict[int, list[float]] = defaultdict(list)
        self._said: dict[int, list[tuple[float, ...]]] = defaultdict(list)
        for look in looks:
            self.add(look)

    def add(self, look: Look) -> None:
        """One that is newer than those before."""
        for face in look.faces:
            if face.probabilities is not None and face.track:
                self._times[face.track].append(look.at)
                self._said[face.track].append(face.probabilities)

    def nearest(self, track: int, at: float) -> tuple[float, ...] | None:
        times = self._times.get(track)
        if not times:
            return None
        later = bisect_left(times, at)
        near = (place for place in (later - 1, later) if 0 <= place < len(times))
        return self._said[track][min(near, key=lambda place: abs(times[place] - at))]


class ObservedEye:
    """The classifier as it answered then."""

    def __init__(self, judgements: Judgements, min_confidence: float) -> None:
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
