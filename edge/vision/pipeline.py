"""What one picture shows: faces found, then each face classified."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol, runtime_checkable

from edge.geometry import Box
from edge.vision.face_needs import needed_face_px
from edge.vision.faces import Face, FaceDetector
from edge.vision.masks import Classification, MaskClassifier
from edge.vision.pixels import Pixels, pixels_of
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
        self._needed_px = lru_cache(maxsize=64)(partial(needed_face_px, detector))
        self._fitted = detector.fitted if isinstance(detector, KnowsFittedSize) else _unchanged

    @property
    def recommended(self) -> Recommendations:
        """What holds where the configuration says nothing."""
        return Recommendations(self.detector.recommended_min_score, self.classifier.recommended_min_confidence)

    def observe(self, picture: Image | Pixels, thresholds: Thresholds) -> Result:
        """What a picture shows; every face of at least `min_score` is classified."""
        started = time.perf_counter()
        faces = self.detect(picture, thresholds)
        detected = time.perf_counter()
        sure = [face for face in faces if face.score >= thresholds.min_score]
        classifications = self.classify(picture, [face.box for face in sure], thresholds)
        # Best first, so the sure ones are the first ones.
        unsure = [None] * (len(faces) - len(sure))
        observations = tuple(
            Observation(face, classification)
            for face, classification in zip(faces, [*classifications, *unsure], strict=True)
        )
        classified = time.perf_counter()
        return Result(observations, (detected - started) * 1000, (classified - detected) * 1000)

    def detect(self, picture: Image | Pixels, thresholds: Thresholds) -> list[Face]:
        """The faces of a picture, best first, in its pixels, also if they are found on a smaller copy of it."""
        return sifted(self._detect(pixels_of(picture), thresholds.low_score), thresholds)

    def needed_face_px(self, size: tuple[int, int], thresholds: Thresholds) -> float:
        """Height in pixels of the smallest face that the models find and judge reliably on a picture of this width and
        height."""
        return self._needed_px(thresholds, *size)

    def classify(self, picture: Image | Pixels, boxes: Sequence[Box], thresholds: Thresholds) -> list[Classification]:
        """One classification for each box, in pixels of the picture."""
        return self.classifier.classify(picture, boxes, min_confidence=thresholds.min_confidence)

    def _detect(self, pixels: Pixels, min_score: float) -> list[Face]:
        width, height = pixels.size
        image = pixels.shrunk(*self._fitted(width, height))
        faces = self.detector.detect(image, min_score)
        if image.shape[:2] == (height, width):
            return faces
        x, y = width / image.shape[1], height / image.shape[0]
        return [Face(face.box.scaled(x, y), face.score) for face in faces]


@runtime_checkable
class KnowsFittedSize(Protocol):
    """A detector that shrinks pictures, and can tell how far."""

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """The width and height to which it shrinks a picture of this size."""
        ...


def _unchanged(width: int, height: int) -> tuple[int, int]:
    return width, height


def sifted(faces: Sequence[Face], thresholds: Thresholds) -> list[Face]:
    """What the detector would find by these thresholds, of faces, best first, that it found by a lower score."""
    large = (f for f in faces if f.score >= thresholds.low_score and f.box.height >= thresholds.min_face_px)
    return list(large)[: thresholds.max_faces]
