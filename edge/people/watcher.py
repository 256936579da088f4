"""The vision threads: which of them watches which camera, and what they tell."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence

from edge.config import Config
from edge.people.cooling import Cooling, problem
from edge.people.scene import Scene
from edge.people.vision_thread import VisionThread, Watch
from edge.people.watched_camera import WatchedCamera
from edge.system.board import temperature_c
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.vision.pipeline import Vision

_MEASURE_EVERY_S = 5.0

_log = logging.getLogger(__name__)


class Watcher(Part):
    """The threads `vision-1`, `vision-2`, ..., one for each `Vision`. A camera stays with the thread that it came to,
    so that its state belongs to one thread."""

    doing = "a vision thread"
    stop_s = 2.0

    def __init__(
        self,
        visions: Sequence[Vision],
        *,
        problems: Sequence[str] = (),
        on_round: Callable[[list[Scene]], None],
        on_end: Callable[[BaseException | None], None],
        temperature: Callable[[], float | None] = temperature_c,
    ) -> None:
        """`problems`: what the status tells of `visions`. `temperature`: the processor's, in degrees Celsius.

        Both calls are made in a vision thread. `on_round`: after every round of a thread's cameras, with one scene of
        each; never by two threads at once. `on_end`: when the last thread has ended, or the first by an error."""
        self._problems = problems
        self._temperature = temperature
        self._cooling = Cooling()
        self._hot_fps: float | None = None
        self._measure_at = -math.inf
        self._on_round = on_round
        self._on_end = on_end
        self._handing_on = threading.Lock()
        self._ending = threading.Lock()
        """Guards what follows."""
        self._running = len(visions)
        self._is_over = False
        self.threads = tuple(
            VisionThread(f"vision-{number}", vision, on_round=self._hand_on, on_end=self._ended)
            for number, vision in enumerate(visions, start=1)
        )
        self._thread_of: dict[WatchedCamera, VisionThread] = {}
        self._counted = [0] * len(visions)
        self._progress = 0

    def watch(self, cameras: Sequence[WatchedCamera], endless: bool) -> None:
        """Not from two threads at once: from the next round on these are watched, whose slots share one condition, and
        the people of those that are not among them any more are ended. `endless`: a camera may yet come when all have
        ended."""
        thread_of = {camera: self._thread_of[camera] for camera in cameras if camera in self._thread_of}
        for camera in cameras:
            if camera not in thread_of:
                loads = list(thread_of.values())
                thread_of[camera] = min(self.threads, key=loads.count)
        self._thread_of = thread_of
        for thread in self.threads:
            own = tuple(camera for camera in cameras if thread_of[camera] is thread)
            thread.watch = Watch(own, tuple(cameras), endless)
        self._wake_all()

    def apply(self, config: Config) -> None:
        self._hot_fps = config.runtime.hot_fps
        self._measure_at = -math.inf

    def tick(self, now: float) -> None:
        if now >= self._measure_at:
            self._cooling.update(self._temperature())
            self._measure_at = now + _MEASURE_EVERY_S
        fps = self._saving_fps
        for camera in tuple(self._thread_of):
            # A tenth less, or pictures that come at that very rate would be dropped by turns.
            camera.rest_s = 0.9 / fps if fps else 0.0

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self, deadline: Deadline) -> None:
        """Ends all tracks and then the threads."""
        for thread in self.threads:
            thread.ask_to_stop()
        for thread in self.threads:
            thread.stop(deadline)
        if any(thread.is_alive for thread in self.threads):
            _log.warning("a vision thread still works on a picture; people on it get their `ended` at the next start")

    def status(self) -> PartStatus:
        timings = [thread.timings for thread in self.threads]
        detect, classify = _mean(t.detect_ms for t in timings), _mean(t.classify_ms for t in timings)
        fps = self._saving_fps
        problems = [*self._problems, problem(fps)] if fps else self._problems
        return PartStatus(problems, {"inference_ms": {"detect": detect, "classify": classify}})

    @property
    def _saving_fps(self) -> float | None:
        return self._hot_fps if self._cooling.is_on else None

    @property
    def progress(self) -> int:
        """Goes on when every thread has finished a round since it last did."""
        rounds = [thread.rounds for thread in self.threads]
        if all(now != before for now, before in zip(rounds, self._counted, strict=True)):
            self._counted = rounds
            self._progress += 1
        return self._progress

    def _hand_on(self, scenes: list[Scene]) -> None:
        with self._handing_on:
            self._on_round(scenes)

    def _ended(self, error: BaseException | None) -> None:
        with self._ending:
            self._running -= 1
            if self._is_over or (error is None and self._running > 0):
                return
            self._is_over = True
        self._wake_all()
        self._on_end(error)

    def _wake_all(self) -> None:
        for thread in self.threads:
            thread.wake()


def _mean(values: Iterable[float | None]) -> float | None:
    """In milliseconds; None before the first picture."""
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 2) if known else None
