"""One thread that watches cameras: the freshest frame of each in turn, and what happened to the people on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.camera.latest import wait_for_any
from edge.people.scene import Scene
from edge.people.watched_camera import IDLE_S, Timings, WatchedCamera
from edge.vision.pipeline import Vision


@dataclass(frozen=True, slots=True)
class Watch:
    """What one thread watches; replaced as a whole."""

    cameras: tuple[WatchedCamera, ...] = ()
    """Its own."""
    all_cameras: tuple[WatchedCamera, ...] = ()
    """Those of the other threads among them: a thread ends when all of these have ended."""
    endless: bool = False
    """A camera may yet come when all have ended."""


class VisionThread:
    """It ends when it is stopped, or when every camera's source has ended and no other may come."""

    def __init__(
        self,
        name: str,
        vision: Vision,
        *,
        on_round: Callable[[list[Scene]], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        """Both calls are made in this thread. `on_round`: after every round, at least each `IDLE_S`, with one scene of
        each camera. `on_end`: at the end, with the error that caused it."""
        self.timings = Timings()
        self.rounds = 0
        self.watch = Watch(endless=True)
        self._vision = vision
        self._on_round = on_round
        self._on_end = on_end
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._woken.set()

    def end(self) -> None:
        """After the picture that it is at, all tracks are ended, and then the thread."""
        self._stopping.set()
        self.wake()

    def join(self, timeout: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(timeout)

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
            watch = self.watch
            gone = [camera for camera in cameras if camera not in watch.cameras]
            cameras = watch.cameras
            scenes = [camera.finish() for camera in gone]
            scenes += [camera.watch(self._vision) for camera in cameras]
            for scene in scenes:
                self.timings.add(scene.timings)
            self._on_round(scenes)
            self.rounds += 1
            # A camera that was closed during this round for another watch is not a source that has ended.
            is_over = all(camera.latest.closed for camera in watch.all_cameras) and self.watch is watch
            if is_over and not watch.endless:
                break
            self._wait(cameras)
        self._on_round([camera.finish() for camera in cameras])

    def _wait(self, cameras: Sequence[WatchedCamera]) -> None:
        """Until a frame has come; at most IDLE_S."""
        slots = [camera.latest for camera in cameras if not camera.latest.closed]
        if slots:
            wait_for_any(slots, IDLE_S)
        else:
            self._woken.wait(IDLE_S)
        self._woken.clear()
