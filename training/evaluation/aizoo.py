"""AIZOO's one-stage detector of faces and masks, to measure against.

The facts are those of AIZOOTech/FaceMaskDetection on GitHub (MIT), for its 260x260 model: five grids of cells with four
anchors each, boxes as offsets from the anchor in the manner of SSD (Liu et al. 2016), class 0 with a mask and class 1
without, RGB of 0 to 1. The file is `aizoo_face_mask_260.tflite`, which has neither manifest nor quantization.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.faces import MOST_FACES, NMS_IOU, Face, faces_on_picture, suppress_repeats
from edge.vision.overlap import boxes_to_array, iou_matrix
from edge.vision.preprocess import Image, crop_face, resize
from edge.vision.tflite import load_interpreter

Floats = NDArray[np.float32]

SIZE = 260
GRIDS = (33, 17, 9, 5, 3)
ANCHOR_SIZES = ((0.04, 0.056), (0.08, 0.11), (0.16, 0.22), (0.32, 0.45), (0.64, 0.72))
"""Sides of the square anchors of each grid, as shares of the picture's; the first one also comes in ANCHOR_RATIOS."""
ANCHOR_RATIOS = (0.62, 0.42)
"""Width over height."""
VARIANCES = (0.1, 0.1, 0.2, 0.2)
LABELS = ("with_mask", "without_mask")

FACE_MARGIN = 0.5
"""Share of a face's longer side that is shown around it on each side where the model is asked about a known face."""


class AizooModel:
    """Both a face detector and a classifier of two labels, on one thread."""

    recommended_min_score = 0.5
    min_confidence: float | None = None
    labels = LABELS

    def __init__(self, path: Path) -> None:
        """Raises MaskdError where the file is missing or is another model."""
        self.identity = f"aizoo/{path.stem}"
        self._interpreter = load_interpreter(path, threads=1)
        self._anchors = anchors()
        count = len(self._anchors)
        expected = {(1, count, 4), (1, count, len(LABELS))}
        shapes = [info.shape for info in self._interpreter.outputs]
        if self._interpreter.input.shape != (1, SIZE, SIZE, 3) or len(shapes) != 2 or set(shapes) != expected:
            raise MaskdError(
                f"{path} has no manifest next to it and is not AIZOO's model of {SIZE}x{SIZE} pixels; give a model "
                "that maskd-convert wrote, with its .json"
            )

    def detect(self, image: Image, min_score: float) -> list[Face]:
        """Faces of at least `min_score`, best first, in pixels of the picture, whatever their label."""
        height, width = image.shape[:2]
        boxes, scores = self._run(resize(image, SIZE, SIZE))
        best = scores.max(axis=1)
        likely = np.flatnonzero(best >= min_score)
        boxes, best = boxes[likely], best[likely]
        kept = suppress_repeats(boxes, best, max_iou=NMS_IOU, limit=MOST_FACES)
        corners = np.array([width, height, width, height], dtype=np.float32)
        return faces_on_picture(boxes[kept] * corners, best[kept], (width, height))

    def probabilities(self, image: Image, boxes: Sequence[Box]) -> NDArray[np.float64]:
        """For each face the shares of the two labels, shape (n, 2): those of the surest anchor whose box is the face.

        The model sees the face with FACE_MARGIN around it, so that faces of any size are as large as it knows them.
        """
        share = 1 / (1 + 2 * FACE_MARGIN)
        rows = np.empty((len(boxes), len(LABELS)))
        for row, box in zip(rows, boxes, strict=True):
            found, scores = self._run(crop_face(image, box, margin=FACE_MARGIN, size=SIZE))
            # The face's box on the square crop: its longer side fills `share` of it.
            half = np.array([box.width, box.height]) / max(box.width, box.height) * share / 2
            face = Box(0.5 - half[0], 0.5 - half[1], 0.5 + half[0], 0.5 + half[1])
            overlap = iou_matrix(boxes_to_array([face]), found)[0]
            there = np.flatnonzero(overlap >= min(0.5, float(overlap.max())))
            surest = there[scores[there].max(axis=1).argmax()]
            row[:] = scores[surest] / max(float(scores[surest].sum()), 1e-9)
        return rows

    def _run(self, picture: Image) -> tuple[Floats, Floats]:
        """Boxes (n, 4) as shares of the picture, and scores (n, 2) of both labels, one row for each anchor."""
        outputs = self._interpreter.run(picture[None].astype(np.float32) / np.float32(255))
        by_columns = {output.info.shape[-1]: output.values[0] for output in outputs}
        return decode(by_columns[4], self._anchors), by_columns[len(LABELS)]


def anchors() -> Floats:
    """Rows of centre x, centre y, width and height as shares of the picture, in the order of the model's outputs."""
    grids = []
    for cells, (small, large) in zip(GRIDS, ANCHOR_SIZES, strict=True):
        roots = np.sqrt(ANCHOR_RATIOS)
        sides = np.array([(small, small), (large, large), *((small * root, small / root) for root in roots)])
        centers = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centers, centers, indexing="ij")
        center = np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), len(sides), axis=0)
        grids.append(np.concatenate([center, np.tile(sides, (cells * cells, 1))], axis=1))
    return np.concatenate(grids).astype(np.float32)


def decode(offsets: Floats, anchor: Floats) -> Floats:
    """Rows of x1, y1, x2, y2 as shares of the picture, from offsets (n, 4) to the anchors (n, 4)."""
    scaled = offsets * np.array(VARIANCES, dtype=np.float32)
    center = anchor[:, :2] + scaled[:, :2] * anchor[:, 2:]
    half = anchor[:, 2:] * np.exp(scaled[:, 2:]) / 2
    return np.asarray(np.concatenate([center - half, center + half], axis=1), dtype=np.float32)
