"""Eyes, nose and mouth of labelled faces, found by YuNet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.preprocess import Image, resize

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
"""How far the nose may stand from the middle, in units of half the distance of the eyes."""


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
    """YuNet through cv2.FaceDetectorYN, asked for one labelled face at a time."""

    def __init__(self, model: Path) -> None:
        """`model`: YuNet's .onnx file. Raises MaskdError where it is missing or this OpenCV cannot run it."""
        if not model.is_file():
            raise MaskdError(
                f"the landmark model {model} (--landmarks) does not exist; give the path to "
                "face_detection_yunet_2023mar.onnx from OpenCV's model zoo"
            )
        if not hasattr(cv2, "FaceDetectorYN"):
            raise MaskdError(
                f"OpenCV {cv2.__version__} as installed here was built without FaceDetectorYN, which --landmarks "
                "needs; install opencv-python-headless"
            )
        try:
            self._network = cv2.FaceDetectorYN.create(str(model), "", (320, 320), _MIN_SCORE)
        except cv2.error as error:
            raise MaskdError(
                f"OpenCV {cv2.__version__} cannot read {model} (--landmarks) as a YuNet .onnx file: "
                f"{' '.join(str(error).split())[:200]}"
            ) from error

    def find(self, image: Image, box: Box) -> Landmarks | None:
        """The landmarks of the face at `box`; None where YuNet sees none there or it is turned too far away."""
        scale = _FACE_PX / max(box.width, box.height)
        width, height = (max(32, round(side * scale)) for side in (image.shape[1], image.shape[0]))
        self._network.setInputSize((width, height))
        _, rows = self._network.detect(cv2.cvtColor(resize(image, width, height), cv2.COLOR_RGB2BGR))
        if rows is None:
            return None
        # Each row: x, y, width, height, five landmarks from the viewer's left, score.
        found = np.asarray(rows, dtype=np.float32)
        found[:, 0:14:2] *= image.shape[1] / width
        found[:, 1:14:2] *= image.shape[0] / height
        overlap = [Box(x, y, x + w, y + h).iou(box) for x, y, w, h in found[:, :4].tolist()]
        best = int(np.argmax(overlap))
        if overlap[best] < _MIN_IOU:
            return None
        landmarks = landmarks_of(found[best, 4:14].reshape(5, 2))
        return landmarks if is_plausible(landmarks, box) else None
