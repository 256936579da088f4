"""The cameras that are switched on, each with a thread that reads it: started and ended as the configuration says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from edge.camera.build import open_camera
from edge.camera.capture import CaptureThread
from edge.camera.latest import LatestFrame
from edge.config import CameraSettings, Config
from edge.config.live import is_opened_alike
from edge.errors import MaskdError
from edge.payloads.reports import CameraStatus
from edge.people.watched_camera import WatchedCamera, camera_rules
from edge.system.deadline import Deadline
from edge.system.masking import hide
from edge.system.part import Part, PartStatus
from edge.view.words import sentence
from edge.vision.thresholds import Recommendations

STOP_S = 1.5
"""For all cameras that are closed together; a read that hangs longer is left behind."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunningCamera:
    capture: CaptureThread
    watched: WatchedCamera
    opened_by: CameraSettings
    """The settings that it was started with."""


class RunningCameras(Part):
    """Not to be called from two threads at once, except for its properties and status()."""

    doing = "a camera"

    def __init__(
        self,
        recommended: Recommendations,
        on_failure: Callable[[Exception], None],
        *,
        watch: Callable[[Sequence[WatchedCamera], bool], None] = lambda _cameras, _is_endless: None,
        may_switch_on: Callable[[Sequence[str], Config], bool] = lambda _names, _config: False,
    ) -> None:
        """`on_failure` hears of an unexpected error, and of a file that cannot be played among the first cameras.
        `watch` gets the cameras to watch, and whether another camera may come once all have ended, which
        `may_switch_on` says of the names of those that are off."""
        self._recommended = recommended
        self._on_failure = on_failure
        self._watch = watch
        self._may_switch_on = may_switch_on
        self._config = Config()
        self._is_started = False
        self._secrets: frozenset[str] = frozenset()
        self._frame_came = threading.Condition()
        self._running: dict[str, RunningCamera] = {}
        self._is_first_time = True

    @property
    def running(self) -> dict[str, RunningCamera]:
        """By name; never changed, only replaced."""
        return self._running

    @property
    def watched(self) -> list[WatchedCamera]:
        return [camera.watched for camera in self._running.values()]

    @property
    def is_settled(self) -> bool:
        return all(state_of(camera.capture) != "opening" for camera in self._running.values())

    def describe(self, now: float) -> str:
        """All of them in a few words, such as `door 9.8 fps, till lost`."""
        states = []
        for name, camera in self._running.items():
            state = state_of(camera.capture)
            rate = f"{camera.watched.rate.per_second(now):.1f} fps"
            states.append(f"{name} {rate if state == 'connected' else state}")
        return ", ".join(states) or "every camera is switched off"

    def apply(self, config: Config) -> None:
        """Starts and ends cameras until those that `config` switches on are running, as it wants them. One whose source
        is the same goes on, by the new rules, unless it has failed. Takes as long as a camera that has to be closed."""
        # A camera that goes may still have something to say.
        self._config, self._secrets = config, self._secrets | config.secrets
        if not self._is_started:
            return
        # A source that is closed on the way to its next settings has not ended.
        self._watch(self.watched, True)
        wanted = {name: settings for name, settings in config.cameras.items() if settings.enabled}
        kept = {
            name: camera
            for name, camera in self._running.items()
            if name in wanted and not camera.capture.failed and is_opened_alike(camera.opened_by, wanted[name])
        }
        self._stop([camera.capture for name, camera in self._running.items() if name not in kept], Deadline(STOP_S))
        for name, camera in kept.items():
            camera.watched.rules = camera_rules(config, name, self._recommended)
        self._running = {name: kept.get(name) or self._start(name, config) for name in wanted}
        self._is_first_time = False
        off = [name for name, settings in config.cameras.items() if not settings.enabled]
        self._watch(self.watched, self._may_switch_on(off, config))

    def start(self) -> None:
        """Only now: another maskd may have turned out to use the same folder, and the same cameras."""
        self._is_started = True
        self.apply(self._config)

    def tick(self, _now: float) -> None:
        """Starts those for which the system had no thread, if it has one now."""
        for camera in self._running.values():
            if not camera.capture.started:
                camera.capture.start()

    def stop(self, deadline: Deadline | None = None) -> None:
        """Ends all of them; without a deadline it returns within 2 s."""
        self._stop([camera.capture for camera in self._running.values()], deadline or Deadline(STOP_S))

    def status(self) -> PartStatus:
        running, now = self._running, time.monotonic()
        return PartStatus(
            [*camera_problems(running), *view_problems(running)],
            {
                "cameras": {
                    name: camera_status(settings.enabled, running.get(name), now, self._secrets)
                    for name, settings in self._config.cameras.items()
                }
            },
        )

    def _start(self, name: str, config: Config) -> RunningCamera:
        settings = config.cameras[name]
        latest = LatestFrame(self._frame_came)
        on_failure = self._on_failure if self._is_first_time else partial(self._failed_later, name)
        capture = CaptureThread(name, partial(open_camera, name, settings), latest, on_failure)
        capture.start()
        return RunningCamera(
            capture, WatchedCamera(name, latest, camera_rules(config, name, self._recommended)), settings
        )

    def _stop(self, captures: Sequence[CaptureThread], deadline: Deadline) -> None:
        for capture in captures:
            capture.ask_to_stop()
        for capture in captures:
            capture.stop(deadline)

    def _failed_later(self, name: str, error: Exception) -> None:
        """Switching a camera on at run time must never stop the others: the status tells of the problem."""
        if isinstance(error, MaskdError):
            _log.error("camera %s: %s; then reload maskd", name, error)
        else:
            self._on_failure(error)


def state_of(capture: CaptureThread) -> Literal["opening", "connected", "lost", "ended"]:
    """`opening`: it has neither given a picture yet nor failed to; `ended`: a file was played to its end."""
    if capture.connected:
        return "connected"
    if capture.ended:
        return "ended"
    return "opening" if capture.last_error is None else "lost"


def camera_status(
    enabled: bool, camera: RunningCamera | None, now: float, secrets: frozenset[str] = frozenset()
) -> CameraStatus:
    """`camera` None: it is not running. `secrets`: hidden in what it says."""
    if camera is None:
        return CameraStatus(enabled=enabled, connected=False, fps=0, frames=0, dropped=0, error=None)
    capture = camera.capture
    connected = capture.connected
    return CameraStatus(
        enabled=enabled,
        connected=connected,
        fps=round(camera.watched.rate.per_second(now), 1),
        frames=capture.frames,
        dropped=capture.dropped,
        error=None if connected or capture.last_error is None else hide(capture.last_error, secrets),
        view=camera.watched.view.faults if connected else (),
    )


def camera_problems(running: Mapping[str, RunningCamera]) -> Iterator[str]:
    """One for each camera that should give pictures and does not; a file that was played to its end is none."""
    for name, camera in running.items():
        capture = camera.capture
        if not capture.connected and not capture.ended and capture.last_error is not None:
            yield f"camera {name}: {capture.last_error}"


def view_problems(running: Mapping[str, RunningCamera]) -> Iterator[str]:
    """One for each thing that is wrong with the picture of a camera that gives pictures."""
    for name, camera in running.items():
        view = camera.watched.view
        if camera.capture.connected:
            yield from (f"camera {name}: {sentence(fault, view.needed_px)}" for fault in view.faults)
