"""Straightens a trained detector's box sizes.

A regression that is unsure shrinks towards the mean: the boxes of small faces come out too large and those of large
ones too small. A line from predicted to true log size, fitted for each grid on training photos, undoes that, and it
folds into the weights of the last convolution, so that it costs nothing on the device.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.vision.faces import decode_boxes, laid_into_input
from edge.vision.overlap import iou_matrix
from training.face_network import STRIDES
from training.faces import Example

_MIN_SCORE = 0.3
_MIN_IOU = 0.3
_LEAST_MATCHES = 100
"""Fewer cells with a face say nothing certain of a grid."""
_TRIMMING_ROUNDS = 4

Floats = NDArray[np.float64]


def straighten_sizes(
    network: Any, examples: Iterable[Example], base: tuple[int, int]
) -> dict[str, tuple[float, float]]:
    """Changes the network's weights in place; returns slope and offset by grid and side, as `8 width`.

    `network` takes pictures of any multiples of 32; `base` is the device's input, (height, width) in pixels. A grid
    with too few faces keeps its weights.
    """
    matches: dict[int, list[Floats]] = {stride: [] for stride in STRIDES}
    for example in examples:
        if len(example.boxes):
            _collect(network, example, base, matches)
    lines: dict[str, tuple[float, float]] = {}
    for stride in STRIDES:
        sizes = np.concatenate([np.zeros((0, 4)), *matches[stride]])
        if len(sizes) < _LEAST_MATCHES:
            continue
        layer = network.get_layer(f"box_{stride}")
        kernel, bias = layer.get_weights()
        for side, name in enumerate(("width", "height")):
            slope, offset = _fitted_line(sizes[:, side], sizes[:, 2 + side])
            lines[f"{stride} {name}"] = slope, offset
            kernel[..., 2 + side] *= slope
            bias[2 + side] = bias[2 + side] * slope + offset
        layer.set_weights([kernel, bias])
    return lines


def _collect(network: Any, example: Example, base: tuple[int, int], matches: dict[int, list[Floats]]) -> None:
    """Log sizes in strides of each cell's box and of its face: rows of predicted w, h, true w, h."""
    laid = laid_into_input(example.image, base)
    maps = network(laid.image[None].astype(np.float32), training=False)
    truth = example.boxes * np.float32(laid.scale)
    true_sizes = truth[:, 2:] - truth[:, :2]
    for stride in STRIDES:
        cells = np.flatnonzero(np.asarray(maps[f"score_{stride}"]).reshape(-1) >= _MIN_SCORE)
        values = np.asarray(maps[f"box_{stride}"]).reshape(-1, 4)[cells]
        boxes = decode_boxes(cells, values, columns=laid.image.shape[1] // stride, stride=stride)
        overlaps = iou_matrix(boxes, truth)
        face = overlaps.argmax(axis=1)
        matched = overlaps.max(axis=1) >= _MIN_IOU
        true_logs = np.log(np.maximum(true_sizes[face[matched]], 1.0) / stride)
        matches[stride].append(np.concatenate([values[matched, 2:], true_logs], axis=1).astype(np.float64))


def _fitted_line(x: Floats, y: Floats) -> tuple[float, float]:
    """Least squares, again without what lies more than two standard deviations off: faces cut by the picture's edge,
    and matches with a neighbour."""
    slope, offset = 1.0, 0.0
    for _ in range(_TRIMMING_ROUNDS):
        slope, offset = (float(value) for value in np.polyfit(x, y, 1))
        distance = np.abs(y - slope * x - offset)
        kept = distance <= 2 * distance.std() + 1e-9
        x, y = x[kept], y[kept]
    return slope, offset
