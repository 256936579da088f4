"""The vision thread: takes the freshest frame of each camera in turn and says what happened to the people on it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.camera.latest import wait_for_any
from edge.people.scene import Scene
from edge.people.watched_camera import IDLE_S, Timings, WatchedCamera
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.vision.pipeline import Vision

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Watch:
    """The cameras being watched; replaced as a whole."""

    cameras: tuple[WatchedCamera, ...] = ()
    endless: bool = False


class Watcher(Part):
    """The thread `vision`. It ends when it is stopped, or when every camera's source has ended and it is not told to
    wait for others."""

    doing = "the vision thread"
    stop_s = 2.0

    def __init__(
        self,
        vision: Vision,
        *,
        problems: Sequence[str] = (),
        on_round: Callable[[list[Scene]], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        """`problems`: what the status tells of `vision`.

        Both calls are made in this thread. `on_round`: after every round, at least each `IDLE_S`, with one scene of
        each camera. `on_end`: at the end, with the error that caused it."""
        self.timings = Timings()
        self.rounds = 0
        self._problems = problems
        self._vision = vision
        self._on_round = on_round
        self._on_end = on_end
        self._watch = _Watch(endless=True)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vision", daemon=True)

    def watch(self, cameras: Sequence[WatchedCamera], endless: bool) -> None:
        """From any thread: from the next round on these are watched, whose slots share one condition, and the people of
        those that are not among them any more are ended. `endless`: a camera may yet come when all have ended."""
        self._watch = _Watch(tuple(cameras), endless)
        self._wake.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self, deadline: Deadline) -> None:
        """Ends all tracks and then the thread."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(deadline.left)
        if self._thread.is_alive():
            _log.warning("the vision thread still works on a picture; people on it get their `ended` at the next start")

    def status(self) -> PartStatus:
        times = {"detect": _rounded(self.timings.detect_ms), "classify": _rounded(self.timings.classify_ms)}
        return PartStatus(self._problems, {"inference_ms": times})

    @property
    def progress(self) -> int:
        """Rounds that were finished."""
        return self.rounds

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._watch_all()
        except Exception as unexpected:  # noqa: BLE001 - it belongs to the daemon, which decides
            error = unexpected
        self._on_end(error)

    def _watch_all(self) -> None:
        cameras: tuple[WatchedCamera, ...] = ()
        while not self._stopping.is_set():
            watch = self._watch
            gone = [camera for camera in cameras if camera not in watch.cameras]
            cameras = watch.cameras
            scenes = [camera.finish() for camera in gone]
            scenes += [camera.watch(self._vision) for camera in cameras]
            for scene in scenes:
                self.timings.add(scene.timings)
            self._on_round(scenes)
            self.rounds += 1
            # A camera that was closed during this round for another watch is not a source that has ended.
            if not watch.endless and all(camera.latest.closed for camera in cameras) and self._watch is watch:
                break
            self._wait(cameras)
        self._on_round([camera.finish() for camera in cameras])

    def _wait(self, cameras: Sequence[WatchedCamera]) -> None:
        """Until a frame has come; at most IDLE_S."""
        slots = [camera.latest for camera in cameras if not camera.latest.closed]
        if slots:
            wait_for_any(slots, IDLE_S)
        else:
            self._wake.wait(IDLE_S)
        self._wake.clear()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
