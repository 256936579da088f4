"""What each cell of the detector's grids should answer for a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.face_network import STRIDES

SIZE_RANGES = {8: (0.0, 32.0), 16: (24.0, 80.0), 32: (64.0, float("inf"))}
"""Face sizes (the longer side, in pixels) that a stride answers for; they overlap, so that none falls between."""

TARGET_CHANNELS = 6
"""Per cell: face (1) or background (0), weight in the loss (0: ignored), then cx, cy, w, h in pixels."""


def targets(
    boxes: NDArray[np.float32], ignored: NDArray[np.float32], height: int, width: int
) -> dict[str, NDArray[np.float32]]:
    """For each stride `target_<stride>`, shape (height/stride, width/stride, 6), for a picture's face boxes (n, 4)."""
    return {f"target_{stride}": _level(boxes, ignored, height, width, stride) for stride in STRIDES}


def _level(
    boxes: NDArray[np.float32], ignored: NDArray[np.float32], height: int, width: int, stride: int
) -> NDArray[np.float32]:
    grid = np.zeros((height // stride, width // stride, TARGET_CHANNELS), np.float32)
    grid[..., 1] = 1
    ys = (np.arange(grid.shape[0]) + 0.5) * stride
    xs = (np.arange(grid.shape[1]) + 0.5) * stride
    for x1, y1, x2, y2 in ignored:
        grid[
            np.ix_(
                (ys >= y1 - stride / 2) & (ys <= y2 + stride / 2),
                (xs >= x1 - stride / 2) & (xs <= x2 + stride / 2),
                [1],
            )
        ] = 0
    nearest = np.full(grid.shape[:2], np.inf)
    smallest, largest = SIZE_RANGES[stride]
    for x1, y1, x2, y2 in boxes:
        w, h = x2 - x1, y2 - y1
        size = max(w, h)
        if not smallest <= size < largest:
            continue
        cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
        # Half a stride always reaches one cell; three halves keep large faces from claiming their whole area.
        radius = float(np.clip(0.4 * size, 0.6 * stride, 1.5 * stride))
        rows, columns = np.flatnonzero(abs(ys - cy) <= radius), np.flatnonzero(abs(xs - cx) <= radius)
        for row in rows:
            for column in columns:
                distance = max(abs(ys[row] - cy), abs(xs[column] - cx)) / size
                if distance < nearest[row, column]:
                    nearest[row, column] = distance
                    grid[row, column] = (1, 1, cx, cy, w, h)
    return grid
