"""A relay, a buzzer or a lamp at a pin: on for a moment, or while the occasion of a rule is there."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from edge.config.gpio_output import GpioSettings
from edge.errors import MaskdError
from edge.outputs.gpio_line import GpioLine, board_name
from edge.outputs.momentary_output import IDLE_S, MomentaryOutput
from edge.payloads.action import Action
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline

FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0

_log = logging.getLogger(__name__)


class Gpio(MomentaryOutput):
    def __init__(self, setting: str, settings: GpioSettings, *, on_failure: Callable[[BaseException], None]) -> None:
        super().__init__(setting, on_failure=on_failure)
        self._settings = settings
        self._until = -math.inf
        """On until then, in monotonic seconds."""
        self._is_there = False
        """Whether the occasion of a rule is."""
        self._lock = threading.Lock()
        """Guards what follows."""
        self._line: GpioLine | None = None
        self._is_on = False
        self._retry_at = -math.inf
        self._backoff = Backoff(FIRST_RETRY_S, LAST_RETRY_S)

    def take(self, _action: Action) -> None:
        if self._settings.mode == "pulse":
            self._until = time.monotonic() + self._settings.pulse_s

    def follow(self, rules: frozenset[str]) -> None:
        if self._settings.mode != "while" or bool(rules) == self._is_there:
            return
        self._is_there = bool(rules)
        self._until = time.monotonic() + self._settings.most_s if rules else -math.inf
        self._worker.wake()

    def withhold(self, withholds: bool) -> None:
        self._withholds = withholds
        if withholds:
            self._until = -math.inf
            with self._lock:
                self._switch(time.monotonic())
        self._worker.wake()

    def work(self, now: float) -> float:
        with self._lock:
            if self._line is None and now >= self._retry_at:
                self._open(now)
            return self._switch(time.monotonic())

    def stop(self, deadline: Deadline) -> None:
        super().stop(deadline)
        if self._lock.acquire(timeout=deadline.left + 0.1):
            try:
                self._release()
            finally:
                self._lock.release()

    def try_out(self) -> str:
        return f"{board_name()}; GPIO{self._settings.pin} was not switched"

    def _open(self, now: float) -> None:
        settings = self._settings
        try:
            self._line = GpioLine(settings.pin, is_active_high=settings.active == "high")
        except MaskdError as error:
            self._lose(error, now)
            return
        if settings.mode == "pulse":
            self._until = -math.inf  # of a pulse that was asked for before, the moment is gone
        self._backoff.reset()
        self.works()

    def _switch(self, now: float) -> float:
        """As it is meant to be now; returns for how many seconds that holds."""
        if self._line is None:
            return min(IDLE_S, max(0.05, self._retry_at - now))
        left = self._until - now
        is_on = left > 0 and not self._withholds
        if is_on != self._is_on:
            try:
                self._line.switch(is_on)
            except MaskdError as error:
                self._release()
                self._lose(error, now)
                return self._switch(now)
            self._is_on = is_on
            _log.info("%s: %s", self.setting, "on" if is_on else "off")
        return min(IDLE_S, left) if is_on else IDLE_S

    def _lose(self, error: MaskdError, now: float) -> None:
        self._retry_at = now + max(0.2, self._backoff.next())
        self.fails(str(error))

    def _release(self) -> None:
        line, self._line, self._is_on = self._line, None, False
        if line is not None:
            try:
                line.release()
            except MaskdError as error:
                _log.warning("%s: %s", self.setting, error)
