"""Figures with their intervals: the photos are drawn again with replacement, all measures on the same draws.

Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. Photos are drawn, not faces: the faces of one
photo resemble each other. Every measure here is a function of sums over photos, so a draw is a weight for each photo
and all draws are one matrix product; `edge.evaluation.metrics.bootstrap_interval` does the same for any function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.evaluation.metrics import PictureMatches, precision_recall

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 1000
_CHUNK_CELLS = 4_000_000
"""Draws times detections that are held at once: 32 MB for each array."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, its 95 % interval, and the faces or photos that it was measured on."""

    value: float
    low: float
    high: float
    count: int

    def as_text(self, digits: int = 3) -> str:
        return f"{self.value:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f}), n {self.count}"

    def as_json(self) -> dict[str, float | int]:
        return {
            "value": round(self.value, 5),
            "low": round(self.low, 5),
            "high": round(self.high, 5),
            "count": self.count,
        }


class Resampling:
    """The draws of `photos` photos, the same for every measure: differences between models are of the same photos."""

    def __init__(self, photos: int, *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        """Raises ValueError where there is no photo."""
        if photos < 1:
            raise ValueError("an interval needs at least one photo")
        draws = np.random.default_rng(seed).multinomial(photos, np.full(photos, 1 / photos), size=resamples)
        self.weights: Floats = draws.astype(np.float64)
        """How often each photo was drawn, shape (resamples, photos)."""

    def sums(self, per_photo: ArrayLike) -> Floats:
        """Sums over each draw of a figure per photo: (photos,) gives (resamples,), (photos, k) gives (resamples, k)."""
        return np.asarray(self.weights @ np.asarray(per_photo, dtype=np.float64))

    def estimate(self, value: float, draws: Floats, count: int) -> Estimate:
        """The percentile interval; draws that say nothing (not a number) are left out."""
        known = draws[np.isfinite(draws)]
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(known, [tail, 1 - tail]) if known.size else (value, value)
        return Estimate(value, float(low), float(high), count)

    def ratio(self, hits: ArrayLike, counts: ArrayLike) -> Estimate | None:
        """Hits per counted thing, both given per photo; None where nothing was counted.

        Where all or none hit, every draw says the same, and the interval is that of the rule of three instead: no
        event among n photos is compatible with 3/n (Hanley & Lippman-Hand, JAMA 1983).
        """
        hit, counted = np.asarray(hits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
        total = float(counted.sum())
        if total == 0:
            return None
        value, photos = float(hit.sum() / total), int(np.count_nonzero(counted))
        if value == 0:
            return Estimate(0.0, 0.0, min(1.0, 3 / photos), int(total))
        if np.array_equal(hit, counted):
            return Estimate(1.0, max(0.0, 1 - 3 / photos), 1.0, int(total))
        drawn = self.sums(counted)
        with np.errstate(divide="ignore", invalid="ignore"):
            draws = self.sums(hit) / drawn
        return self.estimate(value, draws, int(total))

    def rate(self, counts: ArrayLike) -> Estimate:
        """The mean of a count per photo; where all are 0, the upper end is that of the rule of three (see `ratio`)."""
        counted = np.asarray(counts, dtype=np.float64)
        photos = len(counted)
        if not counted.any():
            return Estimate(0.0, 0.0, 3 / photos, photos)
        return self.estimate(float(counted.mean()), self.sums(counted) / photos, photos)

    def average_precision(self, matches: Sequence[PictureMatches]) -> Estimate | None:
        """The area under the precision-recall curve of these photos; None where no face was to be found.

        Where it is all or nothing, the interval is that of the rule of three; see `ratio`.
        """
        faces = np.array([picture.faces for picture in matches], dtype=np.float64)
        if not faces.sum():
            return None
        value, reach = precision_recall(matches).ap, 3 / np.count_nonzero(faces)
        if value == 0:
            return Estimate(0.0, 0.0, min(1.0, reach), int(faces.sum()))
        if value > 1 - 1e-9:
            return Estimate(1.0, max(0.0, 1 - reach), 1.0, int(faces.sum()))
        return self.estimate(value, self._ap_draws(matches, faces), int(faces.sum()))

    def _ap_draws(self, matches: Sequence[PictureMatches], faces: Floats) -> Floats:
        """`precision_recall(...).ap` of each draw."""
        scores = np.concatenate([picture.scores for picture in matches])
        correct = np.concatenate([picture.correct for picture in matches]).astype(np.float64)
        photo = np.repeat(np.arange(len(matches)), [len(picture.scores) for picture in matches])
        order = np.argsort(-scores, kind="stable")
        scores, correct, photo = scores[order], correct[order], photo[order]
        last_of_score = np.append(scores[1:] != scores[:-1], True)
        drawn_faces = self.sums(faces)
        areas = []
        step = max(1, _CHUNK_CELLS // len(scores))
        for start in range(0, len(self.weights), step):
            weights = self.weights[start : start + step, photo]
            kept = weights.cumsum(axis=1)[:, last_of_score]
            found = (weights * correct).cumsum(axis=1)[:, last_of_score]
            precision = found / np.maximum(kept, 1)
            envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            hits = np.diff(found, axis=1, prepend=0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                areas.append((hits * envelope).sum(axis=1) / drawn_faces[start : start + step])
        return np.concatenate(areas)
