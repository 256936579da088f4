"""A camera past which people walk all the time, as the vision thread would see it; no picture is looked at."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from edge.camera.frame import Frame
from edge.config import Config
from edge.geometry import Box
from edge.people.crowd import Crowd
from edge.people.observations import Look, ObservedFace
from edge.people.replay_observed import Judgements, ObservedEye, faces_of
from edge.people.scene import Scene
from edge.people.watched_camera import CameraRules, camera_rules
from edge.vision.thresholds import Recommendations

CAMERA = "door"
FPS = 15.0
SIZE = (1280, 720)
IN_VIEW = 4
"""People, on average."""
VISIT_S = 10.0
LABELS = ("with_mask", "without_mask", "mask_weared_incorrect")
MISSED = 0.03
"""Share of the faces that the detector does not find."""


def rules_of(**sections: object) -> CameraRules:
    config = Config.model_validate({"cameras": {CAMERA: {"source": "demo"}}, **sections})
    return camera_rules(config, CAMERA, Recommendations(0.5, 0.5))


@dataclass(frozen=True, slots=True)
class Walker:
    """Crosses the picture once."""

    begins: float
    y: float
    height: float
    is_masked: bool

    def box(self, at: float) -> Box | None:
        gone = (at - self.begins) / VISIT_S
        x = gone * SIZE[0]
        return Box(x, self.y, x + 0.75 * self.height, self.y + self.height) if 0 <= gone <= 1 else None


class BusyCamera:
    def __init__(self, begins_at: float) -> None:
        """`begins_at`: the time of its first picture."""
        self._begins_at = begins_at
        self._chance = random.Random(1)  # noqa: S311 - always the same people
        self._walkers: list[Walker] = []
        self._next = -VISIT_S
        self._number = 0
        numbers = iter(range(1, 1_000_000))
        self._rules = rules_of()
        self._crowd = Crowd(self._rules.people, camera=CAMERA, new_id=lambda: f"{next(numbers):012x}")
        self._eye = ObservedEye(Judgements((), LABELS), 0.5)
        self._image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)

    @property
    def next_at(self) -> float:
        return self._begins_at + self._number / FPS

    def scene(self) -> Scene:
        """The next picture, whose people are followed and judged by the usual settings."""
        look = self._look()
        self._eye.look = look
        faces = tuple(faces_of(look, self._rules))
        seen = self._crowd.look(faces, self._eye, SIZE, look.at)
        frame = Frame(self._image, look.at, self._number)
        self._number += 1
        return Scene(CAMERA, frame, seen.people, seen.transitions, faces=faces)

    def _look(self) -> Look:
        since = self._number / FPS
        while self._next <= since:
            y, height = self._chance.uniform(0, 560), self._chance.uniform(60, 160)
            self._walkers.append(Walker(self._next, y, height, self._chance.random() < 0.7))
            self._next += self._chance.expovariate(IN_VIEW / VISIT_S)
        self._walkers = [each for each in self._walkers if since - each.begins <= VISIT_S]
        shown = [(each, box) for each in self._walkers if (box := each.box(since)) is not None]
        faces = tuple(self._face(each, box) for each, box in shown if self._chance.random() > MISSED)
        return Look(self.next_at, SIZE, faces)

    def _face(self, walker: Walker, box: Box) -> ObservedFace:
        gauss = self._chance.gauss
        sure = min(0.99, max(0.01, gauss(0.85 if walker.is_masked else 0.15, 0.15)))
        return ObservedFace(
            0, box.moved(gauss(0, 1.5), gauss(0, 1.5)), min(0.99, gauss(0.85, 0.1)), (sure, 1 - sure, 0)
        )
