"""People by script: the faces of made-up pictures, and a classifier that answers by the script."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge.config import ComplianceSettings, TrackingSettings, ZoneSettings
from edge.geometry import Box
from edge.payloads.statuses import UNKNOWN
from edge.people.crowd import Crowd, Rules, Seen
from edge.people.tracking import Track
from edge.people.zones import Zones
from edge.vision.faces import Face
from edge.vision.masks import Classification

FRAME_SIZE = (640, 480)
STATUS_OF = {"M": "with_mask", "n": "without_mask", "i": "mask_weared_incorrect", "?": UNKNOWN}
LETTER_OF = {status: letter for letter, status in STATUS_OF.items()}


def rectangle(left: float, right: float, **rules: Any) -> ZoneSettings:
    """A zone from top to bottom, between two fractions of the picture's width."""
    corners = [[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]]
    return ZoneSettings.model_validate({"corners": corners, **rules})


@dataclass(frozen=True, slots=True)
class Shown:
    """One face of a picture, and what the classifier would say of it; None: it must not be asked."""

    face: Face
    answer: Classification | None


def shown(letter: str, x: float = 320.0, y: float = 240.0, *, confidence: float = 0.9, size: float = 80.0) -> Shown:
    """A face whose answer is one letter: M with a mask, n none, i incorrect, ? unknown; o: too faint to be classified.
    `size`: its height in pixels."""
    box = Box(x - size * 3 / 8, y - size / 2, x + size * 3 / 8, y + size / 2)
    if letter == "o":
        return Shown(Face(box, 0.3), None)
    status = STATUS_OF[letter]
    return Shown(Face(box, 0.9), Classification(status, confidence, {status: confidence}))


class ScriptedEye:
    """Answers for the faces of one picture."""

    def __init__(self, picture: Sequence[Shown]) -> None:
        self._picture = picture

    def classify(self, tracks: Sequence[Track]) -> list[Classification]:
        return [self._answer(track) for track in tracks]

    def keep(self, track: Track) -> Callable[[], Classification]:
        answer = self._answer(track)
        return lambda: answer

    def _answer(self, track: Track) -> Classification:
        (found,) = (each for each in self._picture if each.face is track.face)
        assert found.answer is not None, "this face is too faint to be classified"
        return found.answer


class ScriptedCrowd:
    """A crowd whose tracks are called t1, t2, ... in the order of their coming."""

    def __init__(
        self,
        *,
        recheck_s: float = 0.5,
        compliance: ComplianceSettings | None = None,
        tracking: TrackingSettings | None = None,
        zones: Zones | None = None,
    ) -> None:
        numbers = itertools.count(1)
        self.rules = Rules(
            min_score=0.5,
            recheck_s=recheck_s,
            tracking=tracking or TrackingSettings(),
            compliance=compliance or ComplianceSettings(),
            zones=zones or {},
        )
        self.crowd = Crowd(self.rules, camera="door", new_id=lambda: f"t{next(numbers)}")

    def look(self, picture: Sequence[Shown], now: float, frame_size: tuple[int, int] = FRAME_SIZE) -> Seen:
        return self.crowd.look([each.face for each in picture], ScriptedEye(picture), frame_size, now)
