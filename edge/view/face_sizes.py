"""How large the faces of those who come are, against what the models need."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

VISITS = 9
"""Of the latest visits, half decide."""
LEAST_VISITS = 5
GONE_S = 10.0
"""Without a look at a person's face for this long, the visit is over."""
_LARGE_ENOUGH = 1.1
"""Of what is needed, before the faces no longer count as too small."""


class FaceSizes:
    def __init__(self) -> None:
        self.are_small = False
        self._here: dict[str, tuple[float, float]] = {}
        """By track: the largest face so far, as a share of what is needed, and when it was last seen."""
        self._latest: deque[float] = deque(maxlen=VISITS)

    def add(self, heights: Mapping[str, float], needed_px: float, now: float) -> bool:
        """Takes in the heights in pixels of the people who are there, by their tracks; whether most faces are too
        small, by their largest moment."""
        for track, height in heights.items():
            largest, _ = self._here.get(track, (0.0, now))
            self._here[track] = (max(largest, height / needed_px), now)
        for track, (largest, seen_at) in [*self._here.items()]:
            if now - seen_at > GONE_S:
                del self._here[track]
                self._latest.append(largest)
        if len(self._latest) >= LEAST_VISITS:
            self.are_small = median(self._latest) < (_LARGE_ENOUGH if self.are_small else 1.0)
        return self.are_small
