"""The vision thread: takes the freshest frame of each camera in turn and says what happened to the people on it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.camera.latest import LatestFrame, wait_for_any
from edge.camera.rate import FrameRate
from edge.compliance import Compliance, Transition
from edge.tracking import Tracker
from edge.vision.pipeline import Vision
from edge.vision.thresholds import Thresholds

IDLE_S = 0.5
"""Longest wait for a frame, so that a camera that went silent still lets its people go."""
_SMOOTHING = 0.1

_log = logging.getLogger(__name__)


class WatchedCamera:
    """One camera's state in the vision thread."""

    def __init__(
        self, name: str, latest: LatestFrame, tracker: Tracker, compliance: Compliance, thresholds: Thresholds
    ) -> None:
        self.name = name
        self.latest = latest
        self.rate = FrameRate()
        self._tracker = tracker
        self._compliance = compliance
        self._thresholds = thresholds
        self._frame_size = (1, 1)
        self._seen_at: float | None = None
        self._ended = False

    def watch(self, vision: Vision, timings: Timings) -> list[Transition]:
        """Judges the waiting frame, if there is one, and returns what happened by it."""
        frame = self.latest.take(timeout=0)
        if frame is None:
            return self._without_frame(time.monotonic())
        result = vision.observe(frame.image, self._thresholds)
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

    def _without_frame(self, now: float) -> list[Transition]:
        if self.latest.closed and not self._ended:
            self._ended = True
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


class Watcher:
    """The thread `vision`. It ends when it is stopped, or when every camera's source has ended."""

    def __init__(
        self,
        vision: Vision,
        cameras: Sequence[WatchedCamera],
        *,
        on_transitions: Callable[[list[Transition]], None],
        on_progress: Callable[[], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        """All three are called in this thread: with what happened; after every round; and at the end, with the error
        that caused it."""
        self.timings = Timings()
        self._vision = vision
        self._cameras = cameras
        self._on_transitions = on_transitions
        self._on_progress = on_progress
        self._on_end = on_end
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vision", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Ends everybody's track and then the thread; returns whether it ended within `timeout` seconds."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        error: Exception | None = None
        try:
            slots = [camera.latest for camera in self._cameras]
            while not self._stopping.is_set() and not all(slot.closed for slot in slots):
                wait_for_any(slots, IDLE_S)
                self._round()
            self._publish([transition for camera in self._cameras for transition in camera.finish()])
        except Exception as unexpected:  # noqa: BLE001 - it belongs to the daemon, which decides
            error = unexpected
        self._on_end(error)

    def _round(self) -> None:
        for camera in self._cameras:
            self._publish(camera.watch(self._vision, self.timings))
        self._on_progress()

    def _publish(self, transitions: list[Transition]) -> None:
        if transitions:
            self._on_transitions(transitions)


def _smoothed(mean: float | None, value: float) -> float:
    return value if mean is None else mean + _SMOOTHING * (value - mean)
