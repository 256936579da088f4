"""Remembers what a camera showed before, and tells whether it still shows that."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.view.edges import edges, has_features, match
from edge.view.measures import Floats, Measures

RECENT_S = 10.0
"""What moves by within this time leaves no edge."""
ADAPTS_S = 3600.0
"""Within about this time a scene that changes bit by bit is learned anew."""
_MOVED_SHIFT = 0.04
_FITS_THERE, _FITS_BETTER = 0.6, 0.2
_STRANGE, _SAME = 0.15, 0.4
"""Correlation of two scenes: that of different ones is below the first, nineteen times in twenty; that of one scene by
any light is above the second."""


@dataclass(slots=True)
class _Average:
    """A map of edges, averaged over time."""

    edges: Floats
    began_at: float
    seen_at: float

    def add(self, found: Floats, now: float, over_s: float) -> None:
        gap, age = now - self.seen_at, now - self.began_at
        # At first as the mean of all that was seen, so that the first picture has no more weight than others.
        share = max(1 - math.exp(-gap / over_s), gap / (age + 1) if age < over_s else 0.0)
        self.edges = self.edges + min(1.0, share) * (found - self.edges)
        self.seen_at = now


class SceneMemory:
    """Of one camera, in memory alone: it knows nothing of the time before it was made. By day and by infrared light a
    scene looks different, so there is one memory of each."""

    def __init__(self) -> None:
        self._recent: _Average | None = None
        self._recent_kind: object = None
        self._known: dict[object, _Average] = {}
        self._is_strange = False

    def is_moved(self, measures: Measures, now: float) -> bool:
        """What is before the camera is not what was before; the last answer, where nothing can be said."""
        found = edges(measures.small)
        if not has_features(found):
            return self._is_strange
        kind = (found.shape, measures.is_colourless)
        recent = self._recent
        if recent is None or kind != self._recent_kind or now - recent.seen_at > RECENT_S:
            self._recent, self._recent_kind = _Average(found, now, now), kind
            return self._is_strange
        recent.add(found, now, RECENT_S)
        if now - recent.began_at >= RECENT_S:
            self._compare(kind, recent, now)
        return self._is_strange

    def _compare(self, kind: object, recent: _Average, now: float) -> None:
        known = self._known.get(kind)
        if known is None:
            if not self._is_strange:
                self._known[kind] = _Average(recent.edges, now, now)
            return
        fit = match(recent.edges, known.edges)
        is_elsewhere = fit.shift >= _MOVED_SHIFT and fit.best >= max(_FITS_THERE, fit.here + _FITS_BETTER)
        if is_elsewhere or fit.here < _STRANGE:
            self._is_strange = True
        elif fit.here >= _SAME:
            self._is_strange = False
            known.add(recent.edges, now, ADAPTS_S)
        known.seen_at = now
