"""What the vision thread keeps of one camera: the people before it, and the rules by which they are judged."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge.camera.frame import DamagedPictureError
from edge.camera.latest import LatestFrame
from edge.camera.rate import FrameRate
from edge.camera.source import Demo, Files
from edge.config import CameraSettings, Config
from edge.config.per_camera import for_camera
from edge.payloads.view_fault import ViewFault
from edge.people.crowd import Crowd, Rules
from edge.people.scene import LookTimings, Person, Scene
from edge.people.tracking import Track
from edge.view.view import NO_CHECKS, View, ViewRules
from edge.view.words import sentence
from edge.vision.masks import Classification
from edge.vision.motion import GateRules, MotionGate
from edge.vision.pipeline import Vision
from edge.vision.pixels import Pixels
from edge.vision.thresholds import Recommendations, Thresholds, camera_thresholds

IDLE_S = 0.5
"""Longest wait for a frame, so that a camera that went silent still lets its people go."""
_SMOOTHING = 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CameraRules:
    """Everything about judging a camera's pictures that can change while people are in view."""

    thresholds: Thresholds
    people: Rules
    view: ViewRules = NO_CHECKS
    gate: GateRules = field(default_factory=GateRules)


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
    gate = GateRules(own.detector.motion_gate, own.detector.still_s)
    return CameraRules(thresholds, people, _view_rules(own, config.cameras[camera]), gate)


def _view_rules(own: Config, camera: CameraSettings) -> ViewRules:
    """`own`: with the camera's own values."""
    warn_of = set[ViewFault](own.view.warn_of)
    if isinstance(camera.source, Files | Demo):  # these may be still and dark, and change their scene
        warn_of &= {"small_faces"}
    if own.privacy == "aggregate":  # it would tell when someone has come
        warn_of -= {"small_faces"}
    return ViewRules(frozenset(warn_of), own.view.warn_after_s, own.view.frozen_after_s)


class WatchedCamera:
    """One camera's state. It belongs to the vision thread, except for `rules`, and what `view` tells."""

    def __init__(self, name: str, latest: LatestFrame, rules: CameraRules) -> None:
        self.name = name
        self.latest = latest
        self.rate = FrameRate()
        self.rules = rules
        """Replaced as a whole, by any thread; the next picture is judged by them. No person in view is lost."""
        self.rest_s = 0.0
        """Pictures that come sooner after the one before are not looked at; set by any thread."""
        self.view = View(rules.view)
        self._rules_in_use = rules
        self._crowd = Crowd(rules.people, camera=name, new_id=lambda: secrets.token_hex(6))
        self._gate = MotionGate()
        self._seen_at: float | None = None

    def watch(self, vision: Vision) -> Scene:
        """Judges the waiting frame, if there is one."""
        rules = self._take_over_rules()
        frame = self.latest.take(timeout=0)
        if frame is None or self._is_too_soon(frame.captured_at):
            return self._without_frame(time.monotonic())
        try:
            pixels, size = frame.pixels, frame.pixels.size
        except DamagedPictureError:
            return self._without_frame(time.monotonic())
        self._seen_at = frame.captured_at
        self.rate.count(time.monotonic())
        needed_px = vision.needed_face_px(size, rules.thresholds)
        if not self._gate.opens(pixels, frame.captured_at, rules.gate, is_empty=self._crowd.is_empty):
            self._look_at_view(pixels, (), needed_px, frame.captured_at)  # a covered camera shows no motion
            return Scene(self.name, frame, (), (), needed_px=needed_px, is_still=True)
        started = time.perf_counter()
        faces = vision.detect(pixels, rules.thresholds)
        detected = time.perf_counter()
        eye = PictureEye(vision, pixels, rules.thresholds)
        seen = self._crowd.look(faces, eye, size, frame.captured_at)
        judged = time.perf_counter()
        self._look_at_view(pixels, seen.people, needed_px, frame.captured_at)
        timings = LookTimings((detected - started) * 1000, (judged - detected) * 1000, seen.classified)
        return Scene(self.name, frame, seen.people, seen.transitions, timings, tuple(faces), needed_px)

    def _is_too_soon(self, captured_at: float) -> bool:
        return self._seen_at is not None and 0 <= captured_at - self._seen_at < self.rest_s

    def finish(self) -> Scene:
        """Ends the visits of the people still in view."""
        seen = self._crowd.finish()
        return Scene(self.name, None, seen.people, seen.transitions)

    def _look_at_view(self, pixels: Pixels, people: Sequence[Person], needed_px: float, now: float) -> None:
        before = self.view.faults
        heights = {each.track: each.box.height for each in people if each.confirmed and each.seen}
        self.view.look(pixels, heights, needed_px, now)
        for fault in (fault for fault in self.view.faults if fault not in before):
            _log.warning("camera %s: %s", self.name, sentence(fault, needed_px))
        for fault in (fault for fault in before if fault not in self.view.faults):
            _log.info("camera %s: no longer %s", self.name, fault)

    def _take_over_rules(self) -> CameraRules:
        rules = self.rules
        if rules is not self._rules_in_use:
            if rules.people.zones != self._rules_in_use.people.zones:  # they are drawn for what it shows now
                self.view.forget_scene()
            self.view.adjust(rules.view)
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

    def __init__(self, vision: Vision, pixels: Pixels, thresholds: Thresholds) -> None:
        self._vision = vision
        self._pixels = pixels
        self._thresholds = thresholds

    def classify(self, tracks: Sequence[Track]) -> list[Classification]:
        return self._vision.classify(self._pixels, [track.box for track in tracks], self._thresholds)

    def keep(self, track: Track) -> Callable[[], Classification]:
        cutout = self._vision.classifier.cut_out(self._pixels, track.box)
        vision, thresholds = self._vision, self._thresholds
        return lambda: vision.classify(cutout.image(), [cutout.box], thresholds)[0]


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
