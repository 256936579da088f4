"""What the operating system tells the process."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from types import FrameType

from edge.daemon.stop_guard import STOP_SIGNALS

_log = logging.getLogger(__name__)


class StopSignals:
    """SIGTERM and SIGINT stop the daemon while this is entered. Before there is one that could be stopped, they end the
    program: SystemExit is raised in the main thread."""

    def __init__(self) -> None:
        self._stop: Callable[[], None] | None = None
        self.came_early = False
        """A signal came while there was nothing to be stopped."""

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._handle) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def tell(self, stop: Callable[[], None]) -> None:
        """From now on `stop` is called, in the main thread."""
        self._stop = stop
        if self.came_early:  # and something has swallowed the SystemExit
            stop()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        _log.info("stopping on %s", signal.Signals(number).name)
        if self._stop is not None:
            self._stop()
        else:
            self.came_early = True
            raise SystemExit(0)


class HangupSignal:
    """SIGHUP asks for a reload while this is entered; one that arrives before it is asked for is remembered.

    Where it means what it is named for, that the terminal has gone at which the program was started, it ends the
    program as SIGTERM would.
    """

    def __init__(self) -> None:
        self._reload: Callable[[], None] | None = None
        self._came_early = False
        self._had_terminal = os.isatty(0)

    def __enter__(self) -> HangupSignal:
        self._before = signal.signal(signal.SIGHUP, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGHUP, self._before)

    def tell(self, reload: Callable[[], None]) -> None:
        """From now on `reload` is called, in the main thread."""
        self._reload = reload
        if self._came_early:
            reload()

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._had_terminal and not os.isatty(0):
            signal.raise_signal(signal.SIGTERM)
        elif self._reload is None:
            self._came_early = True
        else:
            self._reload()
