"""Plays recorded pictures at the speed of life."""

from __future__ import annotations

import time


class Timeline:
    """Positions in a recording, in seconds from its start -> moments of time.monotonic(), from the first one on."""

    def __init__(self) -> None:
        self._zero: float | None = None

    def wait_for(self, position: float) -> float:
        """Waits until the position is due and returns when it was due; one that is overdue returns at once."""
        now = time.monotonic()
        if self._zero is None:
            self._zero = now - position
        due = self._zero + position
        if due > now:
            time.sleep(due - now)
        return due
