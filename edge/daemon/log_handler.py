"""Writes log lines without ever waiting for the program that reads them."""

from __future__ import annotations

import logging
import os
import select
import stat
import time
from collections import deque

WAITING_LIMIT = 1000
"""Lines that are kept for a reader that falls behind; those that come on top of them are dropped, and counted."""
LAST_WORDS_S = 0.5
"""At the end, for a reader that is behind and reads again."""


class PatientHandler(logging.Handler):
    """Writes each record as lines to a descriptor that take_without_waiting() has prepared.

    A full pipe, a journal that has stopped or a paused terminal costs lines, never time. Once the reader reads again a
    line says how many are missing.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._dropped = 0
        self._is_writing = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:  # noqa: BLE001 - as every handler of logging's does
            self.handleError(record)
            return
        if len(self._waiting) < WAITING_LIMIT:
            self._tell_gap()
            self._waiting.append(line)
        else:
            self._dropped += 1
        self.write_waiting()

    def write_waiting(self) -> None:
        """Writes what the reader takes now. From any thread, and from a signal handler in the middle of itself."""
        self.acquire()
        try:
            if self._is_writing:
                return
            self._is_writing = True
            try:
                self._write()
            except BlockingIOError:
                pass  # kept for the next time
            except OSError:
                self._waiting.clear()  # the reader has gone
            finally:
                self._is_writing = False
        finally:
            self.release()

    def flush(self) -> None:
        """Gives a reader that is behind `LAST_WORDS_S` to take what waits."""
        give_up_at = time.monotonic() + LAST_WORDS_S
        self.write_waiting()
        poller = select.poll()
        poller.register(self._descriptor, select.POLLOUT)
        while self._waiting and (left := give_up_at - time.monotonic()) > 0:
            poller.poll(left * 1000)
            self.write_waiting()
            time.sleep(0.01)

    def _write(self) -> None:
        while self._waiting:
            written = os.write(self._descriptor, self._waiting[0])
            rest = self._waiting.popleft()[written:]
            if rest:
                self._waiting.appendleft(rest)
            elif not self._waiting:
                self._tell_gap()

    def _tell_gap(self) -> None:
        if self._dropped:
            text = f"log lines dropped because the reader did not keep up: {self._dropped}"
            record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)
            self._waiting.append(self.format(record).encode() + b"\n")
            self._dropped = 0


def take_without_waiting(descriptor: int) -> None:
    """Has a write to it fail with BlockingIOError where it would wait, in this process alone if that is possible: also
    a library that writes there by itself is then never held up."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        # A socket cannot be opened again, nor another user's pipe. A terminal is left alone: the shell has it too.
        if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
            os.set_blocking(descriptor, False)
        return
    os.dup2(own, descriptor)
    os.close(own)
