"""What one picture shows: faces found, then each face classified."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge.geometry import Box
from edge.vision.face_needs import needed_face_px
from edge.vision.faces import Face, FaceDetector
from edge.vision.masks import Classification, MaskClassifier
from edge.vision.preprocess import Image
from edge.vision.thresholds import Recommendations, Thresholds


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

    def __init__(self, detector: FaceDetector, classifier: MaskClassifier) -> None:
        self.detector = detector
        self.classifier = classifier

    @property
    def recommended(self) -> Recommendations:
        """What holds where the configuration says nothing."""
        return Recommendations(self.detector.recommended_min_score, self.classifier.recommended_min_confidence)

    def observe(self, image: Image, thresholds: Thresholds, *, lores: Image | None = None) -> Result:
        """What a picture of shape (height, width, 3), RGB, shows; every face of at least `min_score` is classified.

        `lores`: the same picture smaller, where there is one: faces are looked for there, and cut out of `image`.
        """
        started = time.perf_counter()
        faces = self.detect(image, thresholds, lores=lores)
        detected = time.perf_counter()
        sure = [face for face in faces if face.score >= thresholds.min_score]
        classifications = self.classify(image, [face.box for face in sure], thresholds)
        # Best first, so the sure ones are the first ones.
        unsure = [None] * (len(faces) - len(sure))
        observations = tuple(
            Observation(face, classification)
            for face, classification in zip(faces, [*classifications, *unsure], strict=True)
        )
        classified = time.perf_counter()
        return Result(observations, (detected - started) * 1000, (classified - detected) * 1000)

    def detect(self, image: Image, thresholds: Thresholds, *, lores: Image | None = None) -> list[Face]:
        """The faces of a picture, best first, in pixels of `image`, whichever of the two pictures they are found on."""
        return sifted(self._detect(image, thresholds.low_score, lores), thresholds)

    def needed_face_px(self, image: Image, thresholds: Thresholds) -> float:
        """Height in pixels of the smallest face that the models find and judge reliably on such a picture."""
        return needed_face_px(self.detector, thresholds, image.shape[1], image.shape[0])

    def classify(self, image: Image, boxes: Sequence[Box], thresholds: Thresholds) -> list[Classification]:
        """One classification for each box, in pixels of the picture."""
        return self.classifier.classify(image, boxes, min_confidence=thresholds.min_confidence)

    def _detect(self, image: Image, min_score: float, lores: Image | None) -> list[Face]:
        if lores is None:
            return self.detector.detect(image, min_score)
        x, y = image.shape[1] / lores.shape[1], image.shape[0] / lores.shape[0]
        return [Face(face.box.scaled(x, y), face.score) for face in self.detector.detect(lores, min_score)]


def sifted(faces: Sequence[Face], thresholds: Thresholds) -> list[Face]:
    """What the detector would find by these thresholds, of faces, best first, that it found by a lower score."""
    large = (f for f in faces if f.score >= thresholds.low_score and f.box.height >= thresholds.min_face_px)
    return list(large)[: thresholds.max_faces]
