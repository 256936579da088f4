"""One thread that watches cameras: the freshest frame of each in turn, and what happened to the people on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.camera.latest import wait_for_any
from edge.people.scene import Scene
from edge.people.watched_camera import IDLE_S, Timings, WatchedCamera
from edge.system.deadline import Deadline
from edge.system.worker import Worker
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
        on_end: Callable[[BaseException | None], None],
    ) -> None:
        """Both calls are made in this thread. `on_round`: after every round, at least each `IDLE_S`, with one scene of
        each camera. `on_end`: at the end, with the error that caused it."""
        self.timings = Timings()
        self.rounds = 0
        self.watch = Watch(endless=True)
        self._vision = vision
        self._on_round = on_round
        self._on_end = on_end
        self._cameras: tuple[WatchedCamera, ...] = ()
        self._worker = Worker(name, self._look, on_failure=on_end, on_stop=self._finish)

    @property
    def is_alive(self) -> bool:
        return self._worker.is_alive

    def start(self) -> None:
        self._worker.start()

    def wake(self) -> None:
        self._worker.wake()

    def ask_to_stop(self) -> None:
        """After the picture that it is at, all tracks are ended, and then the thread."""
        self._worker.ask_to_stop()

    def stop(self, deadline: Deadline) -> None:
        self._worker.stop(deadline)

    def _look(self, _now: float) -> float:
        """One round. Returns when a frame has come, or how long to rest where none can."""
        watch = self.watch
        self._judge(watch)
        self.rounds += 1
        # A camera that was closed during this round for another watch is not a source that has ended.
        is_over = all(camera.latest.closed for camera in watch.all_cameras) and self.watch is watch
        if is_over and not watch.endless:
            self._worker.ask_to_stop()
            return 0
        slots = [camera.latest for camera in self._cameras if not camera.latest.closed]
        if not slots:
            return IDLE_S
        wait_for_any(slots, IDLE_S)
        return 0

    def _judge(self, watch: Watch) -> None:
        """The scenes, with their pictures, are let go at its end, before the wait for the next ones."""
        gone = [camera for camera in self._cameras if camera not in watch.cameras]
        self._cameras = watch.cameras
        scenes = [camera.finish() for camera in gone]
        scenes += [camera.watch(self._vision) for camera in self._cameras]
        for scene in scenes:
            self.timings.add(scene.timings)
        self._on_round(scenes)

    def _finish(self) -> None:
        self._on_round([camera.finish() for camera in self._cameras])
        self._on_end(None)
