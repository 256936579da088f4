"""Whether anything moves before a camera: a cheap look at a picture that decides whether the detector looks at it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.pixels import Grey, Pixels

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
_Small = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GateRules:
    """When the detector may leave out a picture."""

    enabled: bool = True
    still_s: float = 1.0
    """Seconds between two looks at a scene in which nothing moves."""


class MotionGate:
    """One camera's. Pure logic, apart from the arithmetic: times are the pictures' own, in monotonic seconds."""

    def __init__(self) -> None:
        self._reference: _Look | None = None
        """The last one."""
        self._timing = GateTiming()

    def opens(self, pixels: Pixels, now: float, rules: GateRules, *, is_empty: bool) -> bool:
        """Whether the detector is to look at this picture, taken at `now`. `is_empty`: nobody is followed, not even
        somebody who was just lost."""
        if not rules.enabled:
            self._reference = None
            return True
        look, before = _Look(pixels), self._reference
        if not self._timing.opens(
            now, rules, is_empty=is_empty, has_moved=lambda: before is None or _differ(before.small, look.small)
        ):
            return False
        self._reference = look
        return True


class GateTiming:
    """When a gate opens, whatever tells it of motion."""

    def __init__(self) -> None:
        self._looked_at = -math.inf
        self._awake_until = -math.inf

    def opens(self, now: float, rules: GateRules, *, is_empty: bool, has_moved: Callable[[], bool]) -> bool:
        """`has_moved`: whether something has, since the last look."""
        if not is_empty or has_moved():
            self._awake_until = now + AWAKE_S
        is_due = now - self._looked_at >= rules.still_s or now < self._looked_at
        if not is_due and now > self._awake_until:
            return False
        self._looked_at = now
        return True


class MotionMarks:
    """Compares each picture with all that a gate could have looked at last, so that it can be replayed later by rules
    that follow other people."""

    def __init__(self, still_s: float) -> None:
        self._still_s = still_s
        self._recent: deque[tuple[float, _Small]] = deque()
        """The newest first."""

    def mark(self, pixels: Pixels, now: float) -> int:
        """Bit n is set where something has moved since the picture n + 1 before this one."""
        small = _small(pixels)
        marks = sum(_differ(before, small) << back for back, (_, before) in enumerate(self._recent))
        self._recent.appendleft((now, small))
        while now - self._recent[-1][0] >= self._still_s:
            self._recent.pop()
        return marks


class MarkedGate:
    """A motion gate before pictures that were marked once."""

    def __init__(self, rules: GateRules) -> None:
        self._rules = rules
        self._timing = GateTiming()
        self._looked_at: int | None = None

    def opens(self, number: int, marks: int, now: float, *, is_empty: bool) -> bool:
        """As MotionGate.opens, for the picture of this number; each has the number of the one before it plus 1."""
        before = self._looked_at

        def has_moved() -> bool:
            return before is None or bool(marks >> (number - before - 1) & 1)

        if self._rules.enabled and not self._timing.opens(now, self._rules, is_empty=is_empty, has_moved=has_moved):
            return False
        self._looked_at = number
        return True


class _Look:
    """At one picture, which it does not keep. It makes the small one when that is compared, which it is not while
    someone is there."""

    def __init__(self, pixels: Pixels) -> None:
        self._sampled = _sampled(pixels)

    @cached_property
    def small(self) -> _Small:
        return _averaged(self._sampled)


def _differ(before: _Small, after: _Small) -> bool:
    """Whether something has moved between two small pictures."""
    if before.shape != after.shape:
        return True
    change = after - before
    # A lamp that is switched, or a cloud, changes all of it alike.
    change -= np.float32(_median(change))
    change = np.abs(cv2.blur(change, (3, 3)))
    noise = _MAD_TO_SIGMA * _median(change)
    return float(change.max()) > max(_LEAST_CHANGE, _TIMES_NOISE * noise)


def _median(values: _Small) -> float:
    """Of every eighth value, the upper of the middle two, which is near enough; np.median takes several times as
    long."""
    some = values.reshape(-1)[::8]
    return float(np.partition(some, some.size // 2)[some.size // 2])


def _small(pixels: Pixels) -> _Small:
    """Its brightness, with about `_ROWS` rows."""
    return _averaged(_sampled(pixels))


def _sampled(pixels: Pixels) -> Grey:
    """A copy of its brightness, with about twice `_ROWS` rows."""
    return np.array(pixels.brightness(max(1, min(pixels.size) // (2 * _ROWS))))


def _averaged(sampled: Grey) -> _Small:
    size = max(1, sampled.shape[1] // 2), max(1, sampled.shape[0] // 2)
    return np.asarray(cv2.resize(sampled, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
