"""Boxes on a picture: the one place where corner arithmetic lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels; (x1, y1) is the top left corner, (x2, y2) lies just outside."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        return max(0.0, self.x2 - self.x1)

    @property
    def height(self) -> float:
        return max(0.0, self.y2 - self.y1)

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def clipped(self, width: float, height: float) -> Box:
        """The part of the box that lies on a picture of this size, in pixels."""

        def within(value: float, limit: float) -> float:
            return min(max(value, 0.0), limit)

        return Box(within(self.x1, width), within(self.y1, height), within(self.x2, width), within(self.y2, height))

    def scaled(self, x: float, y: float) -> Box:
        """Coordinates multiplied by `x` and `y`: from one picture size to another, or to fractions of it."""
        return Box(self.x1 * x, self.y1 * y, self.x2 * x, self.y2 * y)

    def moved(self, dx: float, dy: float) -> Box:
        return Box(self.x1 + dx, self.y1 + dy, self.x2 + dx, self.y2 + dy)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        return float(iou_matrix(boxes_to_array([self]), boxes_to_array([other]))[0, 0])


def boxes_to_array(boxes: Sequence[Box]) -> NDArray[np.float32]:
    """Boxes as rows of x1, y1, x2, y2; shape (n, 4) even where n is 0."""
    return np.array([(b.x1, b.y1, b.x2, b.y2) for b in boxes], dtype=np.float32).reshape(-1, 4)


def iou_matrix(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of every row of `a` (n, 4) with every row of `b` (m, 4); shape (n, m)."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    area_a = np.clip(a[:, 2:] - a[:, :2], 0, None).prod(axis=1)
    area_b = np.clip(b[:, 2:] - b[:, :2], 0, None).prod(axis=1)
    union = area_a[:, None] + area_b[None, :] - overlap
    return np.asarray(overlap / np.maximum(union, 1e-9), dtype=np.float32)
