"""What the operating system tells the process."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_log = logging.getLogger(__name__)


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


class HangupSignal:
    """SIGHUP asks for a reload while this is entered; one that comes before anybody wants to hear of it is remembered.

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
