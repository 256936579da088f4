"""The people on recorded pictures, under several sets of rules at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from edge.camera.frame import Frame
from edge.people.crowd import Crowd
from edge.people.transition import Transition
from edge.people.watched_camera import CameraRules, PictureEye
from edge.vision.faces import Face
from edge.vision.motion import MotionGate
from edge.vision.pipeline import Vision, sifted
from edge.vision.pixels import Pixels

SAME_EVENT_S = 0.5
"""Two events, or the starts of two visits, that are no further apart may be the same."""
WALK_PER_S = 5.0
"""Face sizes that a walk of 1 m/s covers in a second."""


def replay(frames: Iterable[Frame], vision: Vision, rules: Mapping[str, CameraRules]) -> dict[str, list[Transition]]:
    """What would have happened on these pictures by each set of rules, in order; a person is named 1, 2, ...

    Each picture goes through the detector at most once. By the rules of a running camera, the events are exactly those
    of a live run on the same pictures. Times are the frames' `captured_at`.
    """
    crowds = {name: _Replayed(name, each) for name, each in rules.items()}
    lowest = replace(
        next(iter(rules.values())).thresholds,
        low_score=min(each.thresholds.low_score for each in rules.values()),
        min_face_px=0.0,
        max_faces=max(each.thresholds.max_faces for each in rules.values()) * 4,
    )
    for frame in frames:
        pixels, at = frame.pixels, frame.captured_at
        looking = [crowd for crowd in crowds.values() if crowd.wants(pixels, at)]
        faces = vision.detect(pixels, lowest) if looking else []
        for crowd in looking:
            crowd.look(vision, pixels, faces, at)
    return {name: crowd.finish() for name, crowd in crowds.items()}


class _Replayed:
    def __init__(self, name: str, rules: CameraRules) -> None:
        numbers = count(1)
        self._thresholds = rules.thresholds
        self._crowd = Crowd(rules.people, camera=name, new_id=lambda: str(next(numbers)))
        self._transitions: list[Transition] = []
        self._gate = MotionGate()
        self._gate_rules = rules.gate

    def wants(self, pixels: Pixels, at: float) -> bool:
        return self._gate.opens(pixels, at, self._gate_rules, is_empty=self._crowd.is_empty)

    def look(self, vision: Vision, pixels: Pixels, faces: Sequence[Face], at: float) -> None:
        eye = PictureEye(vision, pixels, self._thresholds)
        self._transitions += self._crowd.follow(sifted(faces, self._thresholds), eye, pixels.size, at)

    def finish(self) -> list[Transition]:
        self._transitions += self._crowd.finish().transitions
        return self._transitions


@dataclass(frozen=True, slots=True)
class Pair:
    """What happened by one set of rules and by another; None: nothing of the kind."""

    before: Transition | None
    after: Transition | None

    @property
    def differs(self) -> bool:
        """A different event, or the same one by another judgement, in other zones, or at a time that differs by more
        than a rounding."""
        if self.before is None or self.after is None:
            return True
        if (self.before.compliant, self.before.zones) != (self.after.compliant, self.after.zones):
            return True
        return abs(self.before.at - self.after.at) > 0.05

    @property
    def at(self) -> float:
        """When it happened, in the seconds of the frames."""
        return min(each.at for each in (self.before, self.after) if each is not None)


def compare(before: Sequence[Transition], after: Sequence[Transition]) -> list[Pair]:
    """Side by side, in the order of their times: events of one type and status about the same person, who is known by
    the place and not by the number."""
    left = dict(enumerate(after))
    pairs = []
    for one in before:
        alike = ((abs(each.at - one.at), number) for number, each in left.items() if _is_same(one, each))
        nearest = min(alike, default=None)
        pairs.append(Pair(one, None if nearest is None else left.pop(nearest[1])))
    pairs += [Pair(None, each) for each in left.values()]
    return sorted(pairs, key=lambda pair: pair.at)


def _is_same(one: Transition, other: Transition) -> bool:
    apart_s = abs(one.at - other.at)
    # Of the same visit, an event may come much earlier or later.
    is_timely = apart_s <= SAME_EVENT_S or abs(one.started_at - other.started_at) <= SAME_EVENT_S
    if not is_timely or (one.type, one.status) != (other.type, other.status):
        return False
    (x, y), (other_x, other_y) = one.box.center, other.box.center
    size = max(one.box.width, one.box.height)
    return max(abs(x - other_x), abs(y - other_y)) <= size * (1 + WALK_PER_S * apart_s)
