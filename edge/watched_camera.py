"""What the vision thread keeps of one camera: who is there, and the rules by which they are judged."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.camera.latest import LatestFrame
from edge.camera.rate import FrameRate
from edge.compliance import Compliance, Transition
from edge.config import ComplianceSettings, Config, TrackingSettings
from edge.tracking import Tracker
from edge.vision.pipeline import Vision
from edge.vision.thresholds import Recommendations, Thresholds, camera_compliance, camera_thresholds

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
    return CameraRules(
        camera_thresholds(config, camera, recommended),
        config.tracking,
        camera_compliance(config, camera),
        config.cameras[camera].zones,
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

    def watch(self, vision: Vision, timings: Timings) -> list[Transition]:
        """Judges the waiting frame, if there is one, and returns what happened by it."""
        rules = self._take_over_rules()
        frame = self.latest.take(timeout=0)
        if frame is None:
            return self._without_frame(time.monotonic())
        result = vision.observe(frame.image, rules.thresholds, lores=frame.lores)
        timings.add(
            result.detect_ms, result.classify_ms, sum(o.classification is not None for o in result.observations)
        )
        self.rate.count(time.monotonic())
        height, width = frame.image.shape[:2]
        self._frame_size = (width, height)
        self._seen_at = frame.captured_at
        update = self._tracker.update(result.observations, frame.captured_at)
        return self._compliance.update(update, self._frame_size, frame.captured_at)

    def finish(self) -> list[Transition]:
        """Ends everybody who is still there."""
        now = self._seen_at if self._seen_at is not None else time.monotonic()
        return [
            *self._compliance.update(self._tracker.finish(), self._frame_size, now),
            *self._compliance.finish(),
        ]

    def _take_over_rules(self) -> CameraRules:
        rules = self.rules
        if rules is not self._rules_in_use:
            self._rules_in_use = rules
            self._tracker.adjust(rules.tracking, min_score=rules.thresholds.min_score)
            self._compliance.adjust(rules.compliance, rules.zones)
        return rules

    def _without_frame(self, now: float) -> list[Transition]:
        if self.latest.closed:
            return self.finish()
        if self._seen_at is None or now - self._seen_at < IDLE_S:
            return []
        return self._compliance.update(self._tracker.update((), now), self._frame_size, now)


@dataclass(slots=True)
class Timings:
    """Moving means in milliseconds, None before the first; written by one thread, read by any."""

    detect_ms: float | None = None
    classify_ms: float | None = None
    """Per face."""

    def add(self, detect_ms: float, classify_ms: float, faces: int) -> None:
        self.detect_ms = _smoothed(self.detect_ms, detect_ms)
        if faces:
            self.classify_ms = _smoothed(self.classify_ms, classify_ms / faces)


def _smoothed(mean: float | None, value: float) -> float:
    return value if mean is None else mean + _SMOOTHING * (value - mean)
