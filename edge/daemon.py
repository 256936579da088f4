"""The composition root: the only place that wires the parts of the daemon together."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from types import FrameType

from edge.board import temperature_c
from edge.camera import open_camera
from edge.camera.capture import CaptureThread
from edge.camera.latest import LatestFrame
from edge.compliance import Compliance, Transition
from edge.config import CameraSettings, Config
from edge.errors import MaskdError, UsageError
from edge.logs import configure_logging
from edge.messaging.events import Event, ModelNames, draft_events
from edge.messaging.mqtt import MqttClient
from edge.messaging.outbox import Outbox
from edge.messaging.payload import timestamp
from edge.messaging.publisher import Publisher
from edge.messaging.reports import CameraStatus, InferenceMs, MqttStatus, OutboxStatus, Status
from edge.messaging.sender import Sender
from edge.messaging.windows import WindowCounts
from edge.systemd import Notifier
from edge.tracking import Tracker
from edge.vision.build import build_vision
from edge.vision.pipeline import Vision
from edge.vision.thresholds import camera_compliance, camera_thresholds
from edge.watcher import WatchedCamera, Watcher

FLUSH_S = 1.5
"""For the broker to acknowledge what is left, on a stop. With the other parts' limits it keeps a stop under 5 s."""
VISION_STOP_S = 1.5
GOODBYE_S = 1.0
STATUS_LINE_S = 10.0

_log = logging.getLogger(__name__)


def run(config: Config) -> int:
    """Runs until SIGTERM, SIGINT or the end of every source; returns the exit status.

    Raises MaskdError where a part cannot start, or fails in a way that a restart may mend.
    """
    configure_logging(config.log_level)
    daemon = Daemon(config)
    with stop_signals(daemon.stop):
        daemon.run()
    if daemon.has_hanging_reads:
        # Python aborts where a thread returns from such a read while the interpreter ends; all else is done.
        logging.shutdown()
        os._exit(0)
    return 0


class Daemon:
    """All parts of a running maskd. `run` starts them, waits, and stops them in the order in which events flow."""

    def __init__(self, config: Config) -> None:
        cameras = {name: settings for name, settings in config.cameras.items() if settings.enabled}
        if not cameras:
            raise UsageError("every camera in the configuration has `enabled: false`; enable one.")
        self._config = config
        self._started_at = time.monotonic()
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._notifier = Notifier()
        self._next_status_line_at = 0.0
        self._vision = build_vision(config)
        self._models = ModelNames(detector=self._vision.detector.identity, classifier=self._vision.classifier.identity)
        self._outbox = Outbox(
            config.storage.path, max_events=config.storage.max_events, max_bytes=config.storage.max_bytes
        )
        self._mqtt = MqttClient(config.mqtt, config.device)
        self._sender = Sender(self._outbox, self._mqtt, on_failure=self._fail)
        self._publisher = Publisher(
            self._mqtt,
            WindowCounts(config.device, cameras, window_s=config.counting_window_s, now=self._started_at),
            self._status,
            status_interval_s=config.mqtt.status_interval_s,
            on_failure=self._fail,
        )
        frame_came = threading.Condition()
        self._slots = {name: LatestFrame(frame_came) for name in cameras}
        self._captures = [
            CaptureThread(name, partial(open_camera, name, settings), self._slots[name], self._fail)
            for name, settings in cameras.items()
        ]
        self._watched = [
            watched_camera(name, settings, self._slots[name], config, self._vision)
            for name, settings in cameras.items()
        ]
        self._watcher = Watcher(
            self._vision,
            self._watched,
            on_transitions=self._announce,
            on_progress=self._progress,
            on_end=self._vision_ended,
        )

    @property
    def has_hanging_reads(self) -> bool:
        """A camera's thread was left behind in a read that did not return."""
        return any(capture.hanging for capture in self._captures)

    def stop(self) -> None:
        """Asks `run` to stop; from any thread or signal handler."""
        self._over.set()

    def run(self) -> None:
        """Raises MaskdError where a part cannot start, or where a thread failed."""
        self._outbox.open()
        try:
            for event in self._outbox.recover(time.time()):
                _log.info(
                    "camera %s: ended a person who was there when maskd last stopped (seq %d)", event.camera, event.seq
                )
            self._start()
            self._over.wait()
        finally:
            self._notifier.stopping()
            self._shut_down()
        if isinstance(self._failure, MaskdError):
            raise self._failure
        if self._failure is not None:
            _log.error("a part of maskd failed; please report this:", exc_info=self._failure)
            raise MaskdError(f"stopped by an unexpected error ({self._failure!r}); the log above tells where")

    def _start(self) -> None:
        if self._config.mqtt.enabled:
            self._sender.start()
            self._publisher.start()
            self._mqtt.start()
        for capture in self._captures:
            capture.start()
        self._watcher.start()
        _log.info(
            "maskd %s is watching %s with %s and %s",
            version("maskd"),
            ", ".join(capture.name for capture in self._captures),
            self._models.detector,
            self._models.classifier,
        )
        self._notifier.ready()

    def _shut_down(self) -> None:
        with ThreadPoolExecutor(len(self._captures), thread_name_prefix="stop") as pool:
            list(pool.map(CaptureThread.stop, self._captures))
        if not self._watcher.stop(VISION_STOP_S):
            _log.warning("the vision thread still works on a picture; people on it get their `ended` at the next start")
        if self._config.mqtt.enabled:
            self._publisher.stop()
            self._mqtt.hurry()  # the broker may have come back since the last attempt
            if not self._sender.flush(FLUSH_S) and self._outbox.depth:
                _log.info("%d events stay in the outbox until the broker is back", self._outbox.depth)
            self._sender.stop(GOODBYE_S)
            self._mqtt.stop(GOODBYE_S)
        self._outbox.close()

    def _fail(self, error: BaseException) -> None:
        """A thread has ended by an error: the first one is the daemon's."""
        if self._failure is None:
            self._failure = error
        self._over.set()

    def _vision_ended(self, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
        self._over.set()

    def _announce(self, transitions: list[Transition]) -> None:
        """In the vision thread: commits what happened, so that it outlives whatever comes next."""
        self._publisher.observe(transitions)
        if self._config.privacy == "aggregate":
            return
        for event in self._outbox.append(draft_events(transitions, self._mqtt.topics, self._models)):
            _log.info("%s", describe(event))

    def _progress(self) -> None:
        """In the vision thread, after every round: a proof of work for systemd."""
        self._notifier.watchdog()
        now = time.monotonic()
        if now >= self._next_status_line_at:
            self._next_status_line_at = now + STATUS_LINE_S
            self._notifier.status(
                ", ".join(
                    f"{capture.name} {watched.rate.per_second(now):.1f} fps"
                    if capture.connected
                    else f"{capture.name} lost"
                    for capture, watched in zip(self._captures, self._watched, strict=True)
                )
            )

    def _status(self) -> Status:
        now, wall = time.monotonic(), time.time()
        oldest = self._outbox.oldest_unsent_at
        timings = self._watcher.timings
        return Status(
            device=self._config.device,
            version=version("maskd"),
            uptime_s=round(now - self._started_at, 1),
            models=self._models,
            cameras={
                capture.name: CameraStatus(
                    connected=capture.connected,
                    fps=round(watched.rate.per_second(now), 1),
                    frames=capture.frames,
                    dropped=capture.dropped,
                    error=None if capture.connected else capture.last_error,
                )
                for capture, watched in zip(self._captures, self._watched, strict=True)
            },
            inference_ms=InferenceMs(detect=_rounded(timings.detect_ms), classify=_rounded(timings.classify_ms)),
            temperature_c=temperature_c(),
            outbox=OutboxStatus(
                depth=self._outbox.depth,
                oldest_unsent_s=None if oldest is None else round(max(0.0, wall - oldest), 1),
                lost=self._outbox.lost,
            ),
            mqtt=MqttStatus(
                connections=self._mqtt.connections, acknowledged=self._sender.sent, refused=self._sender.refusals
            ),
            time=timestamp(wall),
        )


def watched_camera(
    name: str, settings: CameraSettings, latest: LatestFrame, config: Config, vision: Vision
) -> WatchedCamera:
    """One camera's tracker and compliance logic, as the configuration asks for them."""
    thresholds = camera_thresholds(config, name, vision.recommended)
    tracker = Tracker(config.tracking, camera=name, min_score=thresholds.min_score, new_id=lambda: secrets.token_hex(6))
    compliance = Compliance(camera_compliance(config, name), camera=name, zones=settings.zones)
    return WatchedCamera(name, latest, tracker, compliance, thresholds)


def describe(event: Event) -> str:
    """An event as one line of the log."""
    before = f" (was {event.previous})" if event.previous else ""
    return (
        f"camera {event.camera}: {event.track} {event.type} {event.status}{before}, "
        f"confidence {event.confidence:.2f}, {event.duration_s:.1f} s, seq {event.seq}"
    )


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop` while this lasts."""

    def handle(number: int, _frame: FrameType | None) -> None:
        _log.info("stopping on %s", signal.Signals(number).name)
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
