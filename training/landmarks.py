"""Eyes, nose and mouth of labelled faces, found by YuNet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Box
from edge.vision.opencv_faces import YuNetFaceDetector
from edge.vision.preprocess import Image

Points = NDArray[np.float32]
"""Shape (n, 2): x and y in pixels."""

_FACE_PX = 96
"""What the face's longer side is resized to: YuNet was trained on faces of 10 to some 300 px."""
_MIN_SCORE = 0.6
_MIN_IOU = 0.5
_MAX_ROLL_DEGREES = 30
_MIN_EYE_DISTANCE = 0.25
"""Share of the box's width: less in a profile."""
_MAX_YAW = 0.8
"""How far the nose may be from the middle, in units of half the distance of the eyes."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Where things are on a face, each (x, y) in pixels of its picture; left and right as the viewer sees them."""

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    left_mouth: tuple[float, float]
    right_mouth: tuple[float, float]

    def points(self) -> Points:
        """Shape (5, 2), in the order of the fields."""
        return np.array([self.left_eye, self.right_eye, self.nose, self.left_mouth, self.right_mouth], dtype=np.float32)

    def scaled(self, factor: float) -> Landmarks:
        return landmarks_of(self.points() * np.float32(factor))


def landmarks_of(points: Points) -> Landmarks:
    """From rows in the order of the fields, shape (5, 2)."""
    left_eye, right_eye, nose, left_mouth, right_mouth = ((float(x), float(y)) for x, y in points)
    return Landmarks(left_eye, right_eye, nose, left_mouth, right_mouth)


def is_plausible(landmarks: Landmarks, box: Box) -> bool:
    """Whether this is the layout of an upright face seen from the front or half from the side."""
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks.points()
    across, down = right_eye - left_eye, (left_mouth + right_mouth) / 2 - (left_eye + right_eye) / 2
    eye_distance, length = float(np.hypot(*across)), float(np.hypot(*down))
    if across[0] <= 0 or down[1] <= 0 or eye_distance < _MIN_EYE_DISTANCE * box.width:
        return False
    roll = abs(np.degrees(np.arctan2(across[1], across[0])))
    if roll > _MAX_ROLL_DEGREES or not 0.6 < length / eye_distance < 2.4:
        return False
    # The nose in units of half the eyes' distance and of the way from the eyes to the mouth.
    axes = np.stack([across / 2, down], axis=1)
    aside, below = np.linalg.solve(axes.astype(np.float64), (nose - (left_eye + right_eye) / 2).astype(np.float64))
    return bool(abs(aside) < _MAX_YAW and 0.25 < below < 0.9)


class LandmarkFinder:
    """YuNet, asked for one labelled face at a time."""

    def __init__(self, model: Path) -> None:
        """`model`: YuNet's .onnx file. Raises MaskdError where it is missing or this OpenCV cannot run it."""
        self._detector = YuNetFaceDetector(model)

    def find(self, image: Image, box: Box) -> Landmarks | None:
        """The landmarks of the face at `box`; None where YuNet sees none there or it is turned too far away."""
        side = round(max(image.shape[:2]) * _FACE_PX / max(box.width, box.height))
        found = self._detector.landmarks(image, _MIN_SCORE, longer_side=max(32, side))
        best = max(found, key=lambda each: each[0].iou(box), default=None)
        if best is None or best[0].iou(box) < _MIN_IOU:
            return None
        landmarks = landmarks_of(best[1])
        return landmarks if is_plausible(landmarks, box) else None
