"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from dataclasses import dataclass

_DOUBLINGS_LIMIT = 32
"""Past this every cap is reached; it keeps the power small over months of attempts."""


@dataclass(slots=True)
class Backoff:
    """Exponential back-off with full jitter: devices that lost the same broker do not all come back at once.

    See "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    first_s: float = 1.0
    cap_s: float = 30.0
    attempts: int = 0

    def next(self) -> float:
        """Seconds to wait now, between 0 and a limit that doubles with every call up to the cap."""
        limit = min(self.cap_s, self.first_s * 2**self.attempts)
        self.attempts = min(self.attempts + 1, _DOUBLINGS_LIMIT)
        return random.uniform(0, limit)  # noqa: S311

    def reset(self) -> None:
        self.attempts = 0
