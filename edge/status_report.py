"""How the device is doing, gathered from its parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version

from edge.board import temperature_c
from edge.config import Config
from edge.masking import hide
from edge.messaging.commands import Commands
from edge.messaging.mqtt import MqttClient
from edge.messaging.outbox import Outbox
from edge.messaging.sender import Sender
from edge.payloads.events import ModelNames
from edge.payloads.payload import timestamp
from edge.payloads.reports import CameraStatus, InferenceMs, MqttStatus, OutboxStatus, Status
from edge.running_cameras import RunningCamera, RunningCameras
from edge.watched_camera import Timings

HOT_C = 85.0
"""From here on a Raspberry Pi slows its processor down."""
EARLIEST_CLOCK = 1_704_067_200.0
"""2024-01-01 in seconds since 1970; a clock that says less was never set."""


class StatusReport:
    def __init__(
        self,
        config: Config,
        models: ModelNames,
        *,
        outbox: Outbox,
        client: MqttClient,
        sender: Sender,
        commands: Commands,
        cameras: RunningCameras,
        timings: Timings,
        reload_problems: Callable[[], Sequence[str]] = tuple,
        vision_problems: Sequence[str] = (),
    ) -> None:
        """`reload_problems`: what reading the configuration again has left, in sentences. `vision_problems`: why the
        CPU runs what a delegate was to run."""
        self.config = config
        """Replaced by any thread."""
        self._models = models
        self._outbox = outbox
        self._client = client
        self._sender = sender
        self._commands = commands
        self._cameras = cameras
        self._timings = timings
        self._reload_problems = reload_problems
        self._vision_problems = vision_problems
        self._started_at = time.monotonic()
        self._lost_before = 0

    def start(self) -> None:
        """After the outbox has been opened: losses count from now on."""
        self._lost_before = self._outbox.lost

    def status(self) -> Status:
        """From any thread."""
        config, running = self.config, self._cameras.running
        now, wall = time.monotonic(), time.time()
        # It tells when a person was there.
        oldest = self._outbox.oldest_unsent_at if config.privacy == "events" else None
        lost, temperature = self._outbox.lost, temperature_c()
        counted = self._outbox.counted
        secrets = config.secrets
        problems = [
            *camera_problems(running),
            *self._reload_problems(),
            *self._vision_problems,
            *self._outbox.problems,
            *device_problems(
                lost=lost - self._lost_before,
                dropped_commands=self._commands.dropped,
                temperature_c=temperature,
                wall_time=wall,
            ),
        ]
        return Status(
            device=config.device,
            version=version("maskd"),
            uptime_s=round(now - self._started_at, 1),
            models=self._models,
            privacy=config.privacy,
            problems=[hide(problem, secrets) for problem in problems],
            cameras={
                name: camera_status(settings.enabled, running.get(name), now, secrets)
                for name, settings in config.cameras.items()
            },
            inference_ms=InferenceMs(
                detect=_rounded(self._timings.detect_ms), classify=_rounded(self._timings.classify_ms)
            ),
            temperature_c=temperature,
            outbox=OutboxStatus(
                depth=self._outbox.depth,
                withheld=self._sender.withheld,
                oldest_unsent_s=None if oldest is None else round(max(0.0, wall - oldest), 1),
                lost=lost,
                epoch=counted.epoch,
                latest_seq=counted.seq,
            ),
            mqtt=MqttStatus(
                connections=self._client.connections, acknowledged=self._sender.sent, refused=self._sender.refusals
            ),
            time=timestamp(wall),
        )


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
    )


def camera_problems(running: Mapping[str, RunningCamera]) -> Iterator[str]:
    """One for each camera that should give pictures and does not; a file that was played to its end is none."""
    for name, camera in running.items():
        capture = camera.capture
        if not capture.connected and not capture.ended and capture.last_error is not None:
            yield f"camera {name}: {capture.last_error}"


def device_problems(
    *, lost: int, dropped_commands: int, temperature_c: float | None, wall_time: float
) -> Iterator[str]:
    """In words that stay the same while the problem does, for a change is published at once."""
    if lost > 0:
        yield (
            "events were lost since maskd started, as outbox.lost counts: the outbox was full, or its disk refused; "
            "bring the broker back, free some space, or raise storage.max_events and storage.max_bytes"
        )
    if dropped_commands > 0:
        yield "commands came faster than they are carried out, and some were dropped; find out who sends them"
    if temperature_c is not None and temperature_c >= HOT_C:
        yield f"the processor is at {HOT_C:.0f} °C or more and slows down; give it air, or a heat sink"
    if wall_time < EARLIEST_CLOCK:
        yield "the clock was never set, so times in events are wrong; give this device a way to a time server"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
