"""Whether anything moves before a camera: a cheap look at a picture that decides whether the detector looks at it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import Image

AWAKE_S = 2.0
"""For so long after the last motion, or the last person, every picture is looked at."""
_ROWS = 60
"""Of the small picture: the smallest face that a detector finds covers two or three of its pixels, its body dozens."""
_LEAST_CHANGE = 6.0
"""Of 256 grey levels, after averaging 3x3 pixels of the small picture. Less is noise."""
_TIMES_NOISE = 6.0
"""A change is this many times as strong as the noise of the whole picture."""
_MAD_TO_SIGMA = 1.4826
"""From the median of absolute values to the standard deviation, for normally distributed noise."""


@dataclass(frozen=True, slots=True)
class GateRules:
    """When the detector may leave out a picture."""

    enabled: bool = True
    still_s: float = 1.0
    """Seconds between two looks at a scene in which nothing moves."""


class MotionGate:
    """One camera's. Pure logic, apart from the arithmetic: times are the pictures' own, in monotonic seconds."""

    def __init__(self) -> None:
        self._reference: NDArray[np.float32] | None = None
        """The small picture of the last look."""
        self._looked_at = -math.inf
        self._awake_until = -math.inf

    def opens(self, image: Image, now: float, rules: GateRules, *, is_empty: bool) -> bool:
        """Whether the detector is to look at this picture of shape (height, width, 3), taken at `now`. `is_empty`:
        nobody is followed, not even somebody who was just lost."""
        if not rules.enabled:
            self._reference = None
            return True
        small = _small(image)
        if not is_empty or self._moved(small):
            self._awake_until = now + AWAKE_S
        is_due = now - self._looked_at >= rules.still_s or now < self._looked_at
        if not is_due and now > self._awake_until:
            return False
        self._reference, self._looked_at = small, now
        return True

    def _moved(self, small: NDArray[np.float32]) -> bool:
        before = self._reference
        if before is None or before.shape != small.shape:
            return True
        change = small - before
        # A lamp that is switched, or a cloud, changes all of it alike.
        change -= np.float32(_median(change))
        change = np.abs(cv2.blur(change, (3, 3)))
        noise = _MAD_TO_SIGMA * _median(change)
        return float(change.max()) > max(_LEAST_CHANGE, _TIMES_NOISE * noise)


def _median(values: NDArray[np.float32]) -> float:
    """Of every eighth value, which is near enough."""
    return float(np.median(values.reshape(-1)[::8]))


def _small(image: Image) -> NDArray[np.float32]:
    """Its green channel, which is most of its light, with about `_ROWS` rows."""
    step = max(1, min(image.shape[:2]) // (2 * _ROWS))
    sampled = np.ascontiguousarray(image[::step, ::step, 1])
    size = max(1, sampled.shape[1] // 2), max(1, sampled.shape[0] // 2)
    return np.asarray(cv2.resize(sampled, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
