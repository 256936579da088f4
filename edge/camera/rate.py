"""Frames per second, as they really come."""

from __future__ import annotations

import threading
from collections import deque

WINDOW_S = 5.0


class FrameRate:
    """Counts over the last WINDOW_S seconds; one thread counts, any thread asks. `now` is in monotonic seconds."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()
        self._lock = threading.Lock()

    def count(self, now: float) -> None:
        with self._lock:
            self._moments.append(now)
            self._forget_before(now - WINDOW_S)

    def per_second(self, now: float) -> float:
        """0 until two frames have come, and again once none has come for the whole window."""
        with self._lock:
            self._forget_before(now - WINDOW_S)
            if len(self._moments) < 2:
                return 0.0
            # A pause since the last frame counts once it is longer than the frames' own distance, so a stall shows.
            spacing = (self._moments[-1] - self._moments[0]) / (len(self._moments) - 1)
            span = max(self._moments[-1], now - spacing) - self._moments[0]
            return (len(self._moments) - 1) / span if span > 0 else 0.0

    def _forget_before(self, moment: float) -> None:
        while self._moments and self._moments[0] < moment:
            self._moments.popleft()
