"""Counts how often maskd ended abruptly while a delegate ran its models, and says when the CPU is to do it instead.

A transfer error of an Edge TPU ends the whole process, without a chance to react. So a start is written down before the
delegate is loaded, and struck off when maskd ends in order or has run for a while.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.config import Config, RuntimeSettings
from edge.system.atomic_file import write_own_file
from edge.vision.delegate import DelegateError, configured_delegate

MOST_ABORTS = 3
"""So many in a row, and the CPU takes over."""
PROVEN_S = 600.0
"""A run of at least this length was not a failed start."""
RETRY_S = 86_400.0
"""After so long a start tries the delegate once more."""

_log = logging.getLogger(__name__)


class Starts(BaseModel):
    """What the file remembers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: str
    """Of the delegate and the models; another fingerprint invalidates the count."""
    unfinished: Annotated[int, Field(ge=0)]
    """Starts in a row that neither ended in order nor lasted."""
    last: Annotated[float, Field(allow_inf_nan=False)]
    """Time of the last one, in seconds since 1970."""
    given_up: bool = False
    """The CPU took over, so the delegate is unused."""


def may_use_delegate(starts: Starts | None, settings: str, now: float) -> bool:
    """`starts` None: nothing is known. A clock that was set by more than `RETRY_S` counts as time gone by."""
    if starts is None or starts.settings != settings or starts.unfinished < MOST_ABORTS:
        return True
    return abs(now - starts.last) >= RETRY_S


def counted(starts: Starts | None, settings: str, now: float) -> Starts:
    """With one more start, at `now`."""
    before = starts.unfinished if starts is not None and starts.settings == settings else 0
    return Starts(settings=settings, unfinished=before + 1, last=now)


@dataclass(frozen=True, slots=True)
class Verdict:
    config: Config
    """What to build vision from: without the delegate where it may not be used."""
    problem: str | None
    """Why it may not be, in a sentence."""


class Accelerator:
    """One run of maskd, as a context: left by an error of the delegate its start stays counted, left otherwise it does
    not. Without a delegate in the configuration it does nothing, and no file is touched."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._delegate = configured_delegate(config.runtime)
        self._file = StartsFile(config.storage.path / "accelerator.json")
        self._settings = fingerprint(config)
        self._counts = False
        self._started_at = 0.0

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: object) -> None:
        if not isinstance(error, DelegateError):
            self._strike_off()

    def begin(self, wall_time: float, now: float) -> Verdict:
        """Before the delegate is loaded. `wall_time` in seconds since 1970, `now` of the monotonic clock."""
        if self._delegate is None:
            return Verdict(self._config, None)
        starts = self._file.read()
        if starts is not None and not may_use_delegate(starts, self._settings, wall_time):
            problem = (
                f"maskd ended abruptly {starts.unfinished} times in a row while {self._delegate.describe()} was in use,"
                " so the models run on the CPU: check its cable, port and power supply, then run `maskd check` and "
                "restart maskd"
            )
            self._file.write(starts.model_copy(update={"given_up": True}))
            return Verdict(without_delegate(self._config), problem)
        self._counts, self._started_at = True, now
        self._file.write(counted(starts, self._settings, wall_time))
        return Verdict(self._config, None)

    def ran(self, now: float) -> None:
        """After each piece of work, as often as you like."""
        if self._counts and now - self._started_at >= PROVEN_S:
            self._strike_off()

    def _strike_off(self) -> None:
        if self._counts:
            self._counts = False
            self._file.clear()

    def forgive(self) -> None:
        """The delegate was just seen to work, so what was counted is void."""
        self._file.clear()

    @property
    def is_given_up(self) -> bool:
        """Whether the last start left the delegate alone, so that another process may have it."""
        starts = self._file.read()
        return starts is not None and starts.given_up


def without_delegate(config: Config) -> Config:
    runtime = RuntimeSettings(
        backend=config.runtime.backend, workers=config.runtime.workers, threads=config.runtime.threads
    )
    return config.model_copy(update={"runtime": runtime})


def fingerprint(config: Config) -> str:
    """Of what decides whether the delegate gets through: itself, its options, the runtime and the models."""
    parts = config.model_dump_json(include={"runtime": True, "detector": {"model", "kind"}, "classifier": {"model"}})
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


class StartsFile:
    """No error is raised: where it cannot be used nothing is counted, and all else goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Starts | None:
        """None where nothing was counted, or nothing readable is left of it."""
        try:
            return Starts.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is damaged"
            _log.warning("the count of abrupt ends cannot be read from %s: %s; it restarts at 0", self._path, reason)
            return None

    def write(self, starts: Starts) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_own_file(self._path, starts.model_dump_json().encode() + b"\n")
        except OSError as error:
            _log.warning(
                "the start cannot be counted in %s: %s; until this is fixed, maskd keeps using a delegate that "
                "crashes it",
                self._path,
                error.strerror or error,
            )

    def clear(self) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning(
                "the count of abrupt ends cannot be cleared in %s: %s; delete that file", self._path, error.strerror
            )
