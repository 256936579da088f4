"""What a device has to say, without a camera: people who come and go, and a status."""

from __future__ import annotations

import random
import secrets
import time
from collections import deque
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Literal

from edge.config import Config
from edge.geometry import Box
from edge.payloads.events import ModelNames
from edge.payloads.payload import timestamp
from edge.payloads.reports import CameraStatus, InferenceMs, MqttStatus, OutboxStatus, Status
from edge.people.transition import Transition

MODELS = ModelNames(detector="face-detector/1.2.0", classifier="mask-classifier/1.3.0")
PAUSE_S = (0.02, 0.08)
"""Between two people whose delays are measured, drawn at random so that no thread's rhythm is met again and again."""
STATUSES = ("with_mask", "without_mask", "mask_weared_incorrect")


@dataclass(slots=True)
class Visits:
    """People before one camera: each call of next() is the next thing that happens to one of them."""

    camera: str
    present: int = 4
    """So many are there once the first have come, so what is kept of them does not grow."""
    _here: deque[Transition] = field(default_factory=deque)

    def next(self, now: float) -> Transition:
        """At `now`, in monotonic seconds."""
        if len(self._here) < self.present:
            transition = _arrival(self.camera, now)
            self._here.append(transition)
            return transition
        last = self._here.popleft()
        if last.type == "started" and random.random() < 0.3:  # noqa: S311
            other = next(status for status in STATUSES if status != last.status)
            changed = _later(last, "changed", now, status=other, previous=last.status)
            self._here.append(changed)
            return changed
        return _later(last, "ended", now, status=last.status, previous=None)


def _arrival(camera: str, now: float) -> Transition:
    x, y = random.uniform(0, 0.8), random.uniform(0, 0.7)  # noqa: S311
    status = random.choices(STATUSES, (80, 15, 5))[0]  # noqa: S311
    return Transition(
        type="started",
        camera=camera,
        track=secrets.token_hex(6),
        status=status,
        previous=None,
        compliant=status == STATUSES[0],
        confidence=random.uniform(0.6, 1),  # noqa: S311
        box=Box(x, y, x + 0.14, y + 0.26),
        zones=("entrance",),
        started_at=now - 3.2,
        at=now,
        votes={status: 15},
    )


def _later(
    last: Transition, kind: Literal["changed", "ended"], now: float, *, status: str, previous: str | None
) -> Transition:
    votes = {**last.votes, status: last.votes.get(status, 0) + 15}
    compliant = status == STATUSES[0]
    return replace(last, type=kind, at=now, status=status, previous=previous, compliant=compliant, votes=votes)


def status_of(
    config: Config, *, started_at: float, depth: int = 0, lost: int = 0, connections: int = 1, acknowledged: int = 0
) -> Status:
    """A status as the daemon makes it; `started_at` in monotonic seconds."""
    return Status(
        device=config.device,
        version=version("maskd"),
        uptime_s=round(time.monotonic() - started_at, 1),
        models=MODELS,
        privacy=config.privacy,
        problems=[],
        cameras={
            name: CameraStatus(enabled=True, connected=True, fps=9.8, frames=1_290_311, dropped=431_208, error=None)
            for name in config.cameras
        },
        inference_ms=InferenceMs(detect=38.21, classify=6.4),
        temperature_c=58.4,
        outbox=OutboxStatus(
            depth=depth, withheld=0, oldest_unsent_s=None, lost=lost, epoch="0123456789ab", latest_seq=acknowledged
        ),
        mqtt=MqttStatus(connections=connections, acknowledged=acknowledged, refused=0),
        time=timestamp(time.time()),
    )
