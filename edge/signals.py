"""What the operating system tells the process."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

_log = logging.getLogger(__name__)


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop` while this lasts."""

    def handle(number: int, _frame: FrameType | None) -> None:
        _log.info("stopping on %s", signal.Signals(number).name)
        stop()

    with _handlers({signal.SIGTERM: handle, signal.SIGINT: handle}):
        yield


@contextmanager
def hangup_signal(reload: Callable[[], None]) -> Iterator[None]:
    """SIGHUP calls `reload` while this lasts. Where it means what it is named for, that the terminal has gone at which
    the program was started, it ends the program as SIGTERM would."""
    had_terminal = os.isatty(0)

    def handle(_number: int, _frame: FrameType | None) -> None:
        if had_terminal and not os.isatty(0):
            signal.raise_signal(signal.SIGTERM)
        else:
            reload()

    with _handlers({signal.SIGHUP: handle}):
        yield


@contextmanager
def hangups_held_back() -> Iterator[None]:
    """SIGHUP waits while this lasts, instead of ending a program that has no handler for it yet."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


_Handler = Callable[[int, "FrameType | None"], None]


@contextmanager
def _handlers(handlers: Mapping[signal.Signals, _Handler]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
