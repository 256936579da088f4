"""What one picture shows: faces found, then each face classified."""

from __future__ import annotations

import time
from dataclasses import dataclass

from edge.vision.faces import Face, FaceDetector
from edge.vision.masks import Classification, MaskClassifier
from edge.vision.preprocess import Image


@dataclass(frozen=True, slots=True)
class Observation:
    """One face of one picture; `classification` is None where the face was too weak or too small to judge."""

    face: Face
    classification: Classification | None


@dataclass(frozen=True, slots=True)
class Result:
    """Every face of one picture, best first, and how long it took; the two times add up to the whole.

    `detect_ms` runs from the decoded picture to the faces, `classify_ms` from there to the observations.
    """

    observations: tuple[Observation, ...]
    detect_ms: float
    classify_ms: float


class Vision:
    """A detector and a classifier at work on pictures. Not to be shared between threads."""

    def __init__(
        self,
        detector: FaceDetector,
        classifier: MaskClassifier,
        *,
        min_score: float | None = None,
        low_score: float | None = None,
        min_face_px: float = 0,
        max_faces: int = 50,
    ) -> None:
        """`min_score` None: the detector's recommendation; `low_score` None: a fifth of min_score.

        A face from `low_score` on is reported, one from `min_score` on is classified as well. Faces less than
        `min_face_px` high are left out, and all but the best `max_faces`.
        """
        self.detector = detector
        self.classifier = classifier
        self.min_score = detector.recommended_min_score if min_score is None else min_score
        self.low_score = min(self.min_score, self.min_score / 5 if low_score is None else low_score)
        self.min_face_px = min_face_px
        self.max_faces = max_faces

    def observe(self, image: Image) -> Result:
        """What a picture of shape (height, width, 3), RGB, shows."""
        started = time.perf_counter()
        found = self.detector.detect(image, self.low_score)
        faces = [face for face in found if face.box.height >= self.min_face_px][: self.max_faces]
        detected = time.perf_counter()
        sure = [face for face in faces if face.score >= self.min_score]
        classifications = self.classifier.classify(image, [face.box for face in sure])
        # Best first, so the sure ones are the first ones.
        unsure = [None] * (len(faces) - len(sure))
        observations = tuple(
            Observation(face, classification)
            for face, classification in zip(faces, [*classifications, *unsure], strict=True)
        )
        classified = time.perf_counter()
        return Result(observations, (detected - started) * 1000, (classified - detected) * 1000)
