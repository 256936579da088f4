"""Proves to systemd, and to who asks for the daemon's health, that every thread works on which vision depends."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.daemon.systemd import watchdog_s
from edge.system.part import Part

HANG_S = 30.0
"""Without progress; as WatchdogSec= of systemd/maskd.service."""


class Watchdog:
    """A sign from an idle timer proves nothing: one goes out only where all of these parts have got on since the
    last. Belongs to the main thread, whose own life it proves too."""

    def __init__(self, tell: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`tell` takes the monotonic time, and may be called more often than systemd wants to hear."""
        self._parts: Sequence[Part] = ()
        self._tell = tell
        self._clock = clock
        self._seen: list[int | None] = []
        self._got_on_at: float | None = None

    def watch(self, parts: Sequence[Part]) -> None:
        self._parts = [part for part in parts if part.progress is not None]
        self._seen = [part.progress for part in self._parts]

    def look(self, now: float) -> bool:
        """Returns whether all got on."""
        progress = [part.progress for part in self._parts]
        works = all(one != before for one, before in zip(progress, self._seen, strict=True))
        if works:
            self._seen = progress
            self._got_on_at = now
            self._tell(now)
        return works

    def health(self, _fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """To the command `health`, from any thread: `problem` is a sentence, or None."""
        at = self._got_on_at
        if at is None:
            return {"problem": "maskd is still starting"}
        idle_s = self._clock() - at
        if idle_s > HANG_S:
            return {"problem": f"maskd has hung for {idle_s:.0f} s; restart it, and see its log"}
        return {"problem": None}


class HangEnd:
    """Ends the process after a hang where no systemd does: WATCHDOG_USEC without NOTIFY_SOCKET, as in the container.

    Python's faulthandler does it in a thread that needs no interpreter, and writes first what every thread was doing.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._limit_s = None if environment.get("NOTIFY_SOCKET") else watchdog_s(environment)
        self._next_at = 0.0

    def got_on(self, now: float) -> None:
        """`now` in monotonic seconds."""
        if self._limit_s is not None and now >= self._next_at:
            self._next_at = now + self._limit_s / 4
            faulthandler.dump_traceback_later(self._limit_s, exit=True)

    def end(self) -> None:
        """A stop has a time limit of its own."""
        if self._limit_s is not None:
            faulthandler.cancel_dump_traceback_later()
            self._next_at = float("inf")
