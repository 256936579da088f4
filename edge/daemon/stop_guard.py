"""Ends a process whose stop does not come to its end by itself."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from edge.system.deadline import Deadline

STOP_S = 3.5
"""For all parts of an orderly stop together."""
EXIT_S = 4.0
"""From the signal to the end of the process, come what may."""
LAST_WORDS_S = 0.3
"""For the line in the log that says so."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


class StopGuard:
    """The thread `stop`, which hears of a stop signal even while the main thread is held up in a call that does not
    return: it ends the process `EXIT_S` after it, and says what was at work.

    Entered in the main thread, and once per process: Python tells one descriptor of signals.
    """

    def __init__(self) -> None:
        self.doing = "the start"
        """What the main thread is at, for the log."""
        self.uncommitted: Callable[[], int] = lambda: 0
        """Events that the disk has not taken, counted without waiting for it."""
        self._deadline: Deadline | None = None
        self._lock = threading.Lock()
        self._telling: socket.socket | None = None

    def __enter__(self) -> StopGuard:
        told, self._telling = socket.socketpair()
        self._telling.setblocking(False)
        self._before = signal.set_wakeup_fd(self._telling.fileno(), warn_on_full_buffer=False)
        with suppress(RuntimeError):  # the system starts no more threads: only a stop that hangs is then unlimited
            threading.Thread(target=self._watch, args=(told,), name="stop", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """The thread goes on: what follows may hang as well."""
        signal.set_wakeup_fd(self._before)

    def begin(self) -> Deadline:
        """From any thread: a stop is under way. Returns when its parts must be done, counted from the first signal."""
        if self._telling is not None:
            with suppress(BlockingIOError):
                self._telling.send(bytes([signal.SIGTERM]))
        return self._begin()

    def _begin(self) -> Deadline:
        with self._lock:
            if self._deadline is None:
                self._deadline = Deadline(STOP_S)
            return self._deadline

    def _watch(self, told: socket.socket) -> None:
        while not set(told.recv(4096)) & set(STOP_SIGNALS):
            pass
        deadline = self._begin()
        threading.Event().wait(deadline.left + EXIT_S - STOP_S)
        self._end()

    def _end(self) -> None:
        uncommitted = self.uncommitted()
        status = 1 if uncommitted else 0
        with suppress(RuntimeError):  # the log may be a file on the disk that hangs
            threading.Thread(target=_exit_later, args=(status,), daemon=True).start()
        lost = f"; events not written to disk in time, which may be lost: {uncommitted}" if uncommitted else ""
        _log.error("%s still hangs %g s after the stop signal and is abandoned%s", self.doing, EXIT_S, lost)
        logging.shutdown()
        os._exit(status)


def _exit_later(status: int) -> None:
    time.sleep(LAST_WORDS_S)
    os._exit(status)
