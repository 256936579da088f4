"""Makes the scores of a trained detector's grids mean the same.

Each grid learns from faces of other sizes, and how sure it may be of them differs: of detections with the same score,
more are faces on one grid than on another. The score from which on more are faces than not is made the same for the
two coarser grids. It folds into the bias of the last convolution, so that it costs nothing on the device. The finest
grid stays as it is: many of the smallest faces have no label, so that its detections seem wrong where they are right.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from converter.verify import detections_from_maps
from edge.evaluation.examples import SERVED_IOU, picture_result
from edge.evaluation.labelled import LabelledPhoto, read_photo
from edge.evaluation.metrics import match_picture
from edge.vision.faces import Face, faces_on_picture
from edge.vision.preprocess import Image
from training.face_network import STRIDES
from training.face_results import KerasFaceDetector

_MIN_SCORE = 0.3
"""Detections far below any threshold say nothing of those near it."""
_LEAST_DETECTIONS = 100
"""Fewer say nothing certain of a grid."""
_STEPS = 30
_RIDGE = 1e-3
"""Keeps the line finite where every detection of a grid is a face."""
_MOST_SHIFT = 1.0

Floats = NDArray[np.float64]


def balance_scores(detector: KerasFaceDetector, photos: Iterable[LabelledPhoto]) -> float:
    """Shifts the logits of the coarsest grid in place, and returns by how much; 0 where `photos`, which the detector
    did not learn from, hold too few faces."""
    middle, coarse = (break_even(*each) for each in _detections(detector, photos))
    if middle is None or coarse is None:
        return 0.0
    shift = float(np.clip(middle - coarse, -_MOST_SHIFT, _MOST_SHIFT))
    layer = detector.network.get_layer(f"logit_{STRIDES[-1]}")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, bias + shift])
    return shift


def _detections(detector: KerasFaceDetector, photos: Iterable[LabelledPhoto]) -> list[tuple[Floats, NDArray[np.bool_]]]:
    """Of the middle and of the coarsest grid: the logits of their detections, and which are faces."""
    scores: dict[int, list[Floats]] = {stride: [np.zeros(0)] for stride in STRIDES[1:]}
    correct: dict[int, list[NDArray[np.bool_]]] = {stride: [np.zeros(0, bool)] for stride in STRIDES[1:]}
    for photo in photos:
        found, of_grid = _found(detector, read_photo(photo.path))
        matches = match_picture(picture_result(photo, found), SERVED_IOU)
        for stride in STRIDES[1:]:
            own = of_grid[matches.indices] == stride
            scores[stride].append(matches.scores[own])
            correct[stride].append(matches.correct[own])
    return [(_logits(np.concatenate(scores[stride])), np.concatenate(correct[stride])) for stride in STRIDES[1:]]


def _found(detector: KerasFaceDetector, image: Image) -> tuple[list[Face], NDArray[np.int64]]:
    """The faces as the daemon would find them, grid by grid, and the stride of the grid that found each."""
    laid, levels = detector.run(image)
    boxes, scores, strides = detections_from_maps(levels, laid, _MIN_SCORE, nms_iou=detector.nms_iou)
    by_grid = [
        faces_on_picture(boxes[strides == stride], scores[strides == stride], laid.source_size) for stride in STRIDES
    ]
    found = [face for faces in by_grid for face in faces]
    return found, np.repeat(STRIDES, [len(faces) for faces in by_grid])


def break_even(logits: Floats, correct: NDArray[np.bool_]) -> float | None:
    """The logit at which as many detections are faces as not, by logistic regression; None where it cannot be told."""
    if len(logits) < _LEAST_DETECTIONS:
        return None
    inputs = np.stack([logits, np.ones_like(logits)], axis=1)
    line = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-inputs @ line))
        gradient = inputs.T @ (correct - chances) - _RIDGE * line
        curvature = (inputs * (chances * (1 - chances))[:, None]).T @ inputs + _RIDGE * np.eye(2)
        line = line + np.linalg.solve(curvature, gradient)
    return float(-line[1] / line[0]) if line[0] > 0 else None


def _logits(scores: Floats) -> Floats:
    within = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(within / (1 - within)))
