"""So many a minute, and no more: pure logic that takes the time."""

from __future__ import annotations

import math
from dataclasses import dataclass

MINUTE_S = 60.0


@dataclass(slots=True)
class PerMinute:
    """Keeps an endless sender from filling a log or wearing out a disk."""

    limit: int
    _turned_away: int = 0
    _admitted: int = 0
    _begin: float = -math.inf

    def admits(self, now: float) -> bool:
        """Whether one more may pass at `now`, in monotonic seconds."""
        if now - self._begin >= MINUTE_S:
            self._begin, self._admitted = now, 0
        if self._admitted >= self.limit:
            self._turned_away += 1
            return False
        self._admitted += 1
        return True

    def take_turned_away(self, now: float) -> int:
        """How many did not pass, told once, when their minute is over."""
        if now - self._begin < MINUTE_S:
            return 0
        count, self._turned_away = self._turned_away, 0
        return count
