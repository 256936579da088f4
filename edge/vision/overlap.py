"""Many boxes at once, as arrays: for every box of one list, how far it overlaps every box of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Box

Coordinates = NDArray[np.float32]


def boxes_to_array(boxes: Sequence[Box]) -> NDArray[np.float32]:
    """Boxes as rows of x1, y1, x2, y2; shape (n, 4) even where n is 0."""
    return np.array([(b.x1, b.y1, b.x2, b.y2) for b in boxes], dtype=np.float32).reshape(-1, 4)


def iou_matrix(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of every row of `a` (n, 4) with every row of `b` (m, 4); shape (n, m)."""
    # A column at a time: with few boxes, numpy's reductions over the axis of coordinates cost more than the arithmetic.
    a_columns, b_columns = a.T[:, :, None], b.T
    overlap = _area(
        np.maximum(a_columns[0], b_columns[0]),
        np.maximum(a_columns[1], b_columns[1]),
        np.minimum(a_columns[2], b_columns[2]),
        np.minimum(a_columns[3], b_columns[3]),
    )
    union = _area(*a_columns) + _area(*b_columns) - overlap
    return np.asarray(overlap / np.maximum(union, np.float32(1e-9)), dtype=np.float32)


def _area(x1: Coordinates, y1: Coordinates, x2: Coordinates, y2: Coordinates) -> Coordinates:
    zero = np.float32(0)
    return np.asarray(np.maximum(x2 - x1, zero) * np.maximum(y2 - y1, zero), np.float32)
