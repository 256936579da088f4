"""What the configured models make of the photos of a site."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.errors import MaskdError
from edge.evaluation.examples import is_judgeable, picture_result
from edge.evaluation.labelled import LabelledFace, LabelledPhoto, read_photo
from edge.evaluation.metrics import match_picture
from edge.evaluation.site_photos import SitePhotos
from edge.evaluation.tuning import (
    LOWEST_SCORE,
    DetectedFaces,
    JudgedFaces,
)
from edge.geometry import Box
from edge.vision.faces import Face
from edge.vision.overlap import boxes_to_array, iou_matrix
from edge.vision.pipeline import Vision
from edge.vision.preprocess import Image
from edge.vision.thresholds import Thresholds

DEFAULT_PLOT = Path("tune.png")
SAME_FACE_IOU = 0.5
SHOWN_MISTAKES = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """What the models say of each photo."""

    detected: list[DetectedFaces] = field(default_factory=list)
    judged: list[JudgedFaces] = field(default_factory=list)

    @property
    def without_faces(self) -> int:
        """Photos without a face to find."""
        return sum(photo.shows_nobody for photo in self.detected)


def measure(site: SitePhotos, vision: Vision, current: Thresholds, compliant: Sequence[str]) -> Measured:
    """What the models say of each photo, one photo at a time; one that cannot be read any more joins the problems."""
    measured = Measured()
    everything = [(photo, True) for photo in site.boxed] + [(photo, False) for photo in site.portraits]
    for photo, shows_every_face in everything:
        try:
            image = read_photo(photo.path)
        except MaskdError as error:
            site.problems.append(str(error))
            continue
        found: list[Face] = []
        if shows_every_face:
            found = vision.detector.detect(image, min(LOWEST_SCORE, current.min_score))
            found = [face for face in found if face.box.height >= current.min_face_px][: current.max_faces]
            matches = match_picture(picture_result(_without_specks(photo, current.min_face_px), found))
            shows_nobody = not photo.faces and not photo.ignored
            measured.detected.append(DetectedFaces(photo.path, matches, shows_nobody))
        faces = [
            face
            for face in photo.faces
            if face.label in vision.classifier.labels and is_judgeable(face) and face.box.height >= current.min_face_px
        ]
        if faces:
            measured.judged.append(_judge(photo.path, image, faces, found, vision, compliant))
    return measured


def _without_specks(photo: LabelledPhoto, min_face_px: float) -> LabelledPhoto:
    """The photo as this configuration asks for it: faces below min_face_px count neither way."""
    specks = [face for face in photo.faces if face.box.height < min_face_px]
    return dataclasses.replace(
        photo,
        faces=tuple(face for face in photo.faces if face not in specks),
        ignored=(*photo.ignored, *(face.box for face in specks)),
    )


def _judge(
    path: Path,
    image: Image,
    faces: Sequence[LabelledFace],
    found: Sequence[Face],
    vision: Vision,
    compliant: Sequence[str],
) -> JudgedFaces:
    """Faces as the daemon would judge them: in the detector's box where it found them, else in the labelled one."""
    boxes = [_as_found(face.box, [f.box for f in found]) for face in faces]
    answers = [
        max(answer.probabilities.items(), key=lambda item: item[1])
        for answer in vision.classifier.classify(image, boxes)
    ]
    return JudgedFaces(
        path,
        confidence=np.array([confidence for _, confidence in answers], dtype=np.float64),
        right=np.array([label == face.label for (label, _), face in zip(answers, faces, strict=True)]),
        alarm=np.array([label not in compliant for label, _ in answers]),
        violation=np.array([face.label not in compliant for face in faces]),
    )


def _as_found(box: Box, found: Sequence[Box]) -> Box:
    if not found:
        return box
    overlaps = iou_matrix(boxes_to_array([box]), boxes_to_array(found))[0]
    best = int(overlaps.argmax())
    return found[best] if overlaps[best] >= SAME_FACE_IOU else box
