"""The line that `systemctl status` shows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

from edge.daemon.running_cameras import RunningCameras, state_of
from edge.mqtt import MqttClient
from edge.payloads.events import ModelNames
from edge.store.outbox import Outbox
from edge.system.part import Part

_log = logging.getLogger(__name__)

LOOK_S = 0.5
REPEAT_S = 10.0
"""For the rates, which are never news."""


class StatusLine(Part):
    """Tells how the device is doing: news at once, all else now and then."""

    def __init__(
        self,
        tell: Callable[[str], None],
        cameras: RunningCameras,
        client: MqttClient | None,
        outbox: Outbox,
        models: ModelNames,
        notes: Callable[[], Sequence[str]],
    ) -> None:
        """`client` None: there is no broker. `notes`: other short remarks for the user."""
        self._tell = tell
        self._cameras = cameras
        self._client = client
        self._outbox = outbox
        self._models = models
        self._notes = notes
        self._next_look_at = 0.0
        self._repeat_at = 0.0
        self._told: object = None

    def start(self) -> None:
        """Says in the log what is running."""
        _log.info(
            "maskd %s is watching %s with %s and %s",
            version("maskd"),
            ", ".join(self._cameras.running) or "nothing until a camera is switched on",
            self._models.detector,
            self._models.classifier,
        )

    def tick(self, now: float) -> None:
        if now < self._next_look_at:
            return
        self._next_look_at = now + LOOK_S
        broker, notes = self._broker(), list(self._notes())
        news = ({name: state_of(camera.capture) for name, camera in self._cameras.running.items()}, broker, notes)
        if now < self._repeat_at and news == self._told:
            return
        self._told = news
        self._repeat_at = now + REPEAT_S
        self._tell("; ".join(self._parts(now, broker, notes)))

    def _parts(self, now: float, broker: str | None, notes: Sequence[str]) -> Iterator[str]:
        yield self._cameras.describe(now)
        if broker is not None:
            yield broker
        yield f"outbox {self._outbox.depth}"
        yield from notes

    def _broker(self) -> str | None:
        if self._client is None:
            return None
        if self._client.connection is not None:
            return "broker connected"
        return "broker lost" if self._client.problem is not None else "connecting to the broker"
