"""When maskd ran and which cameras gave pictures, so that a report can tell an hour without people from one without
data."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edge.config import Config
from edge.payloads.payload import parse_timestamp, timestamp
from edge.store.clock_trust import LEAP_S, ClockTrust
from edge.store.monthly_file import MonthlyFile
from edge.system.deadline import Deadline
from edge.system.part import Part
from edge.system.worker import Worker

FOLDER_NAME = "uptime"
"""Below `storage.path`."""
LOOK_S = 5.0
SPAN_S = 300.0
"""A line tells of so long at most, which is what a power cut takes from what is known."""
TIDY_S = 3600.0

_log = logging.getLogger(__name__)


class CameraState(Protocol):
    @property
    def enabled(self) -> bool: ...

    @property
    def connected(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Span:
    """In seconds since 1970; maskd ran all the time."""

    begin: float
    end: float
    up: frozenset[str]
    """Cameras that gave pictures."""
    off: frozenset[str]
    """Cameras that were switched off."""


class Uptime(Part):
    """The thread `uptime`."""

    doing = "the notes of when cameras gave pictures"

    def __init__(self, config: Config, cameras: Callable[[], Mapping[str, CameraState]]) -> None:
        self._keep_days = config.storage.keep_days
        self._cameras = cameras
        self._file = MonthlyFile(config.storage.path / FOLDER_NAME)
        self._clock = ClockTrust()
        self._state: tuple[frozenset[str], frozenset[str]] | None = None
        self._began_at = 0.0
        self._wall_offset = 0.0
        self._next_tidy_at = 0.0
        self._has_warned = False
        self._worker = Worker("uptime", self._work, on_failure=self._failed, on_stop=self._finish)

    def apply(self, config: Config) -> None:
        self._keep_days = config.storage.keep_days

    def start(self) -> None:
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        self._worker.stop(deadline)

    def _work(self, now: float) -> float:
        self._look(now)
        self._tidy(now)
        return LOOK_S

    def _look(self, now: float) -> None:
        cameras = self._cameras()
        up = frozenset(name for name, camera in cameras.items() if camera.enabled and camera.connected)
        off = frozenset(name for name, camera in cameras.items() if not camera.enabled)
        offset = time.time() - now
        has_leapt = abs(offset - self._wall_offset) > LEAP_S
        if self._state is not None and ((up, off) != self._state or has_leapt or now - self._began_at >= SPAN_S):
            self._write(now)
            self._state = None
        if self._state is None:
            self._state, self._began_at, self._wall_offset = (up, off), now, offset

    def _write(self, now: float) -> None:
        """By the clock of the span's beginning, since a clock that was set meanwhile tells of what comes after."""
        assert self._state is not None
        up, off = self._state
        end = now + self._wall_offset
        line = {"to": timestamp(end), "s": round(now - self._began_at, 1), "up": sorted(up), "off": sorted(off)}
        try:
            self._file.append([line], end)
            self._has_warned = False
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                _log.warning(
                    "%s cannot be written: %s; a report shows this time as one without data",
                    self._file.folder,
                    error.strerror or error,
                )

    def _tidy(self, now: float) -> None:
        wall = time.time()
        self._clock.observe(wall, now, lambda: ())
        if now >= self._next_tidy_at and self._clock.is_trusted(wall, now):
            self._next_tidy_at = now + TIDY_S
            try:
                self._file.drop_older(max(1.0, self._keep_days), wall)
            except OSError:
                return

    def _finish(self) -> None:
        if self._state is not None:
            self._write(time.monotonic())

    def _failed(self, error: BaseException) -> None:
        """Never the daemon's end."""
        _log.error("it is not noted any more when cameras gave pictures; please report this:", exc_info=error)


def spans(storage: Path, since: float = 0.0) -> Iterator[Span]:
    """What was noted from `since` on (seconds since 1970), oldest first. Raises OSError."""
    for line in MonthlyFile(storage / FOLDER_NAME).lines(since):
        span = _span(line)
        if span is not None and span.end > since:
            yield span


def _span(line: Mapping[str, Any]) -> Span | None:
    try:
        end, length = parse_timestamp(line["to"]), float(line["s"])
        if not 0 <= length <= 10 * SPAN_S:
            return None
        return Span(end - length, end, frozenset(map(str, line["up"])), frozenset(map(str, line["off"])))
    except (KeyError, TypeError, ValueError):
        return None
