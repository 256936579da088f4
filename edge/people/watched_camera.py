"""What the vision thread keeps of one camera: the people before it, and the rules by which they are judged."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.camera.frame import DamagedPictureError
from edge.camera.latest import LatestFrame
from edge.camera.rate import FrameRate
from edge.config import Config
from edge.config.per_camera import for_camera
from edge.people.crowd import Crowd, Rules
from edge.people.scene import LookTimings, Scene
from edge.people.tracking import Track
from edge.vision.masks import Classification
from edge.vision.pipeline import Vision
from edge.vision.preprocess import Image
from edge.vision.thresholds import Recommendations, Thresholds, camera_thresholds

IDLE_S = 0.5
"""Longest wait for a frame, so that a camera that went silent still lets its people go."""
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class CameraRules:
    """Everything about judging a camera's pictures that can change while people are in view."""

    thresholds: Thresholds
    people: Rules


def camera_rules(config: Config, camera: str, recommended: Recommendations) -> CameraRules:
    """Those of the camera of this name."""
    thresholds = camera_thresholds(config, camera, recommended)
    own = for_camera(config, camera)
    people = Rules(
        min_score=thresholds.min_score,
        recheck_s=own.classifier.recheck_s,
        tracking=own.tracking,
        compliance=own.compliance,
        zones=config.cameras[camera].zones,
    )
    return CameraRules(thresholds, people)


class WatchedCamera:
    """One camera's state. It belongs to the vision thread, except for `rules`."""

    def __init__(self, name: str, latest: LatestFrame, rules: CameraRules) -> None:
        self.name = name
        self.latest = latest
        self.rate = FrameRate()
        self.rules = rules
        """Replaced as a whole, by any thread; the next picture is judged by them. No person in view is lost."""
        self._rules_in_use = rules
        self._crowd = Crowd(rules.people, camera=name, new_id=lambda: secrets.token_hex(6))
        self._seen_at: float | None = None

    def watch(self, vision: Vision) -> Scene:
        """Judges the waiting frame, if there is one."""
        rules = self._take_over_rules()
        frame = self.latest.take(timeout=0)
        if frame is None:
            return self._without_frame(time.monotonic())
        try:
            image = frame.image
        except DamagedPictureError:
            return self._without_frame(time.monotonic())
        started = time.perf_counter()
        faces = vision.detect(image, rules.thresholds, lores=frame.lores)
        detected = time.perf_counter()
        eye = PictureEye(vision, image, rules.thresholds)
        seen = self._crowd.look(faces, eye, (image.shape[1], image.shape[0]), frame.captured_at)
        judged = time.perf_counter()
        self.rate.count(time.monotonic())
        self._seen_at = frame.captured_at
        timings = LookTimings((detected - started) * 1000, (judged - detected) * 1000, seen.classified)
        return Scene(self.name, frame, seen.people, seen.transitions, timings, tuple(faces))

    def finish(self) -> Scene:
        """Ends the visits of the people still in view."""
        seen = self._crowd.finish()
        return Scene(self.name, None, seen.people, seen.transitions)

    def _take_over_rules(self) -> CameraRules:
        rules = self.rules
        if rules is not self._rules_in_use:
            self._rules_in_use = rules
            self._crowd.adjust(rules.people)
        return rules

    def _without_frame(self, now: float) -> Scene:
        if self.latest.closed:
            return self.finish()
        if self._seen_at is None or now - self._seen_at < IDLE_S:
            return Scene(self.name, None, self._crowd.people, ())
        seen = self._crowd.wait(now)
        return Scene(self.name, None, seen.people, seen.transitions)


class PictureEye:
    """The classifier before one picture."""

    def __init__(self, vision: Vision, image: Image, thresholds: Thresholds) -> None:
        self._vision = vision
        self._image = image
        self._thresholds = thresholds

    def classify(self, tracks: Sequence[Track]) -> list[Classification]:
        return self._vision.classify(self._image, [track.box for track in tracks], self._thresholds)

    def keep(self, track: Track) -> Callable[[], Classification]:
        cutout = self._vision.classifier.cut_out(self._image, track.box)
        vision, thresholds = self._vision, self._thresholds
        return lambda: vision.classify(cutout.image, [cutout.box], thresholds)[0]


@dataclass(slots=True)
class Timings:
    """Moving means in milliseconds, None before the first; written by one thread, read by any."""

    detect_ms: float | None = None
    classify_ms: float | None = None
    """Per face."""

    def add(self, look: LookTimings) -> None:
        if look.detect_ms:
            self.detect_ms = _smoothed(self.detect_ms, look.detect_ms)
        if look.classified:
            self.classify_ms = _smoothed(self.classify_ms, look.classify_ms / look.classified)


def _smoothed(mean: float | None, value: float) -> float:
    return value if mean is None else mean + _SMOOTHING * (value - mean)
