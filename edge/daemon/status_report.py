"""How the device is doing, gathered from its parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from edge.config import Config
from edge.payloads.events import ModelNames
from edge.payloads.payload import timestamp
from edge.payloads.reports import Status
from edge.system.board import HOT_C, temperature_c
from edge.system.masking import hide
from edge.system.part import Part

EARLIEST_CLOCK = 1_704_067_200.0
"""2024-01-01 in seconds since 1970; a clock that says less was never set."""

_WITHOUT_PARTS: Mapping[str, Mapping[str, Any]] = {
    "cameras": {},
    "inference_ms": {"detect": None, "classify": None},
    "outbox": {"withheld": 0},
    "mqtt": {"connections": 0, "acknowledged": 0, "refused": 0},
}
"""What holds where the part that would tell is not there: without a broker nothing is connected, sent or withheld."""


class StatusReport:
    def __init__(self, models: ModelNames, config: Callable[[], Config]) -> None:
        """`config`: what is in effect."""
        self.parts: Sequence[Part] = ()
        """Those that are asked; set once all of them are made."""
        self._models = models
        self._config = config
        self._started_at = time.monotonic()

    def answer(self, _fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """To the command `status`."""
        return {"status": self.status().model_dump(mode="json", by_alias=True)}

    def status(self) -> Status:
        """From any thread."""
        config, now, wall, temperature = self._config(), time.monotonic(), time.time(), temperature_c()
        problems: list[str] = []
        fields: dict[str, Any] = dict(_WITHOUT_PARTS)
        for part in self.parts:
            told = part.status()
            problems += told.problems
            for name, value in told.fields.items():
                fields[name] = {**fields.get(name, {}), **value}
        problems += device_problems(temperature_c=temperature, wall_time=wall)
        return Status(
            device=config.device,
            version=version("maskd"),
            uptime_s=round(now - self._started_at, 1),
            models=self._models,
            privacy=config.privacy,
            problems=[hide(problem, config.secrets) for problem in problems],
            temperature_c=temperature,
            time=timestamp(wall),
            **fields,
        )


def device_problems(*, temperature_c: float | None, wall_time: float) -> Iterator[str]:
    """In words that stay the same while the problem does, for a change is published at once."""
    if temperature_c is not None and temperature_c >= HOT_C:
        yield f"the processor is at {HOT_C:.0f} °C or more and throttles; improve its ventilation, or add a heat sink"
    if wall_time < EARLIEST_CLOCK:
        yield "the clock was never set, so times in events are wrong; connect this device to a time server"
