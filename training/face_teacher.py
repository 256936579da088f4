"""What YuNet says of the photos that a detector learns from.

The people who labelled a crowd left faces out, and each set draws its boxes in its own way. A face of which the teacher
is sure and that no label covers is learnt like a labelled one; a face that it only suspects is neither a face nor
background.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.vision.faces import MOST_FACES, NMS_IOU, Face, suppress_repeats
from edge.vision.opencv_faces import YuNetFaceDetector
from edge.vision.overlap import boxes_to_array, iou_matrix
from edge.vision.preprocess import Image

SURE = 0.8
SUSPECTED = 0.6
"""From 0.4 on the backs of heads went untaught as well, and detectors took more of them for faces."""
SAME_FACE_IOU = 0.3
"""Box styles differ between a label and the teacher; two faces of a crowd overlap less."""
SIDES = (320, 640, 960)
"""Longer sides, in pixels, at which the teacher is shown a photo: it finds large faces on the first, small ones on the
last."""
UNNAMED = "face"
"""The label of a face that the teacher added: how its mask is worn is unknown."""

FindFaces = Callable[[Image], Sequence[Face]]


@dataclass(frozen=True, slots=True)
class FaceTeacher:
    """YuNet at each of SIDES."""

    detectors: tuple[YuNetFaceDetector, ...]

    @classmethod
    def open(cls, path: Path) -> FaceTeacher:
        """`path`: YuNet's .onnx file. Raises MaskdError where it is missing or this OpenCV cannot run it."""
        return cls(tuple(YuNetFaceDetector(path, longer_side=side) for side in SIDES))

    def __call__(self, image: Image) -> list[Face]:
        """The faces of SUSPECTED and more on a picture, best first, in its pixels, each once."""
        return without_repeats([face for each in self.detectors for face in each.detect(image, SUSPECTED)])


def without_repeats(faces: Sequence[Face]) -> list[Face]:
    """The best of those that overlap, best first."""
    boxes = boxes_to_array([face.box for face in faces])
    scores = np.array([face.score for face in faces], dtype=np.float32)
    return [faces[index] for index in suppress_repeats(boxes, scores, max_iou=NMS_IOU, limit=MOST_FACES)]


def taught(photo: LabelledPhoto, found: Sequence[Face]) -> LabelledPhoto:
    """The photo with what the teacher `found` on it, where no label says anything. On a photo of a set without people
    the teacher is wrong: give it only those with labelled faces."""
    labelled = boxes_to_array([face.box for face in photo.faces])
    overlap = iou_matrix(boxes_to_array([face.box for face in found]), labelled).max(axis=1, initial=0)
    new = [face for face, share in zip(found, overlap, strict=True) if share < SAME_FACE_IOU]
    sure = tuple(LabelledFace(face.box, UNNAMED) for face in new if face.score >= SURE)
    suspected = tuple(face.box for face in new if face.score < SURE)
    return replace(photo, faces=photo.faces + sure, ignored=photo.ignored + suspected)
