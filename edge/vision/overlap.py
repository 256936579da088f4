"""Many boxes at once, as arrays: for every box of one list, how far it overlaps every box of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Box


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
