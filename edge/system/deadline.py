"""One limit of time that is handed from part to part, so that their waits never add up to more."""

from __future__ import annotations

import time


class Deadline:
    def __init__(self, seconds: float) -> None:
        """So many seconds from now."""
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds; 0 once it is past."""
        return max(0.0, self._at - time.monotonic())

    @property
    def is_past(self) -> bool:
        return self.left == 0

    def within(self, seconds: float, *, spare: float = 0.0) -> Deadline:
        """For one part: at most `seconds` from now, and such that `spare` is left for those that come after it."""
        return Deadline(max(0.0, min(seconds, self.left - spare)))
