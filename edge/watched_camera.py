"""What the vision thread keeps of one camera: who is there, and the rules by which they are judged."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.camera.frame import DamagedPictureError, Frame
from edge.camera.latest import LatestFrame
from edge.camera.rate import FrameRate
from edge.compliance import Compliance
from edge.config import ComplianceSettings, Config, TrackingSettings
from edge.config.per_camera import for_camera
from edge.people.scene import LookTimings, Person, Scene
from edge.people.transition import Transition
from edge.tracking import Track, Tracker
from edge.vision.pipeline import Vision
from edge.vision.thresholds import Recommendations, Thresholds, camera_thresholds

IDLE_S = 0.5
"""Longest wait for a frame, so that a camera that went silent still lets its people go."""
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class CameraRules:
    """Everything about judging a camera's pictures that can change while somebody is there."""

    thresholds: Thresholds
    tracking: TrackingSettings
    compliance: ComplianceSettings
    zones: Mapping[str, Sequence[tuple[float, float]]]


def camera_rules(config: Config, camera: str, recommended: Recommendations) -> CameraRules:
    """Those of the camera of this name."""
    own = for_camera(config, camera)
    return CameraRules(
        camera_thresholds(config, camera, recommended), own.tracking, own.compliance, config.cameras[camera].zones
    )


class WatchedCamera:
    """One camera's state. It belongs to the vision thread, except for `rules`."""

    def __init__(self, name: str, latest: LatestFrame, rules: CameraRules) -> None:
        self.name = name
        self.latest = latest
        self.rate = FrameRate()
        self.rules = rules
        """Replaced as a whole, by any thread; the next picture is judged by them. Nobody who is there is lost."""
        self._rules_in_use = rules
        self._tracker = Tracker(
            rules.tracking,
            camera=name,
            min_score=rules.thresholds.min_score,
            new_id=lambda: secrets.token_hex(6),
        )
        self._compliance = Compliance(rules.compliance, camera=name, zones=rules.zones)
        self._frame_size = (1, 1)
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
        result = vision.observe(image, rules.thresholds, lores=frame.lores)
        self.rate.count(time.monotonic())
        height, width = image.shape[:2]
        self._frame_size = (width, height)
        self._seen_at = frame.captured_at
        update = self._tracker.update(result.observations, frame.captured_at)
        transitions = self._compliance.update(update, self._frame_size, frame.captured_at)
        classified = sum(o.classification is not None for o in result.observations)
        timings = LookTimings(result.detect_ms, result.classify_ms, classified)
        return self._scene(update.active, transitions, frame, timings)

    def finish(self) -> Scene:
        """Ends everybody who is still there."""
        now = self._seen_at if self._seen_at is not None else time.monotonic()
        transitions = self._compliance.update(self._tracker.finish(), self._frame_size, now)
        return self._scene((), [*transitions, *self._compliance.finish()])

    def _take_over_rules(self) -> CameraRules:
        rules = self.rules
        if rules is not self._rules_in_use:
            self._rules_in_use = rules
            self._tracker.adjust(rules.tracking, min_score=rules.thresholds.min_score)
            self._compliance.adjust(rules.compliance, rules.zones)
        return rules

    def _without_frame(self, now: float) -> Scene:
        if self.latest.closed:
            return self.finish()
        if self._seen_at is None or now - self._seen_at < IDLE_S:
            return self._scene(self._tracker.tracks, [])
        update = self._tracker.update((), now)
        return self._scene(update.active, self._compliance.update(update, self._frame_size, now))

    def _scene(
        self,
        tracks: Sequence[Track],
        transitions: Sequence[Transition],
        frame: Frame | None = None,
        timings: LookTimings | None = None,
    ) -> Scene:
        people = tuple(self._person(track, is_seen=frame is not None) for track in tracks)
        return Scene(self.name, frame, people, tuple(transitions), timings or LookTimings())

    def _person(self, track: Track, *, is_seen: bool) -> Person:
        seen = track.observation if is_seen else None
        classification = None if seen is None else seen.classification
        return Person(
            track=track.id,
            box=track.box,
            score=track.score,
            seen=seen is not None,
            confirmed=track.confirmed,
            first_seen=track.first_seen,
            last_seen=track.last_seen,
            status=self._compliance.status_of(track.id),
            classification=classification,
            classified_at=None if classification is None else track.last_seen,
            zones=(),
        )


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
