"""Which faces are reported, which are classified, and how the time is counted."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import skimage.data

from edge.config import Config
from edge.geometry import Box
from edge.payloads.statuses import UNKNOWN
from edge.vision.build import build_vision
from edge.vision.faces import Face
from edge.vision.masks import MaskClassifier
from edge.vision.model import find_model, open_model
from edge.vision.pipeline import Vision
from edge.vision.preprocess import Image
from edge.vision.thresholds import Recommendations, Thresholds, camera_thresholds

ASTRONAUT: Image = skimage.data.astronaut()
THRESHOLDS = Thresholds(min_score=0.5, low_score=0.1, min_confidence=0.0)


class ListedFaces:
    """A detector that always finds the same faces, best first."""

    identity = "listed/1"
    recommended_min_score = 0.5

    def __init__(self, *faces: Face) -> None:
        self.faces = faces
        self.seconds = 0.0

    def detect(self, image: Image, min_score: float) -> list[Face]:
        time.sleep(self.seconds)
        return [face for face in self.faces if face.score >= min_score]


def face(score: float, height: float = 100) -> Face:
    return Face(Box(100, 100, 100 + 0.8 * height, 100 + height), score)


@pytest.fixture(scope="module")
def classifier() -> MaskClassifier:
    return MaskClassifier(open_model("mask-classifier", "mask_classification"))


def test_faint_faces_are_reported_but_not_classified(classifier: MaskClassifier) -> None:
    vision = Vision(ListedFaces(face(0.9), face(0.5), face(0.49), face(0.1), face(0.09)), classifier)
    observations = vision.observe(ASTRONAUT, THRESHOLDS).observations
    assert [o.face.score for o in observations] == [0.9, 0.5, 0.49, 0.1]
    assert [o.classification is not None for o in observations] == [True, True, False, False]


def test_each_picture_has_thresholds_of_its_own(classifier: MaskClassifier) -> None:
    vision = Vision(ListedFaces(face(0.9), face(0.5)), classifier)
    strict = replace(THRESHOLDS, min_score=0.6, low_score=0.55, min_confidence=1.0)
    for _ in range(2):
        assert [o.face.score for o in vision.observe(ASTRONAUT, strict).observations] == [0.9]
        first, _ = vision.observe(ASTRONAUT, THRESHOLDS).observations
        assert first.classification is not None
        assert first.classification.status in classifier.labels
    (unsure,) = vision.observe(ASTRONAUT, strict).observations
    assert unsure.classification is not None
    assert unsure.classification.status == UNKNOWN


def test_small_faces_are_left_out_before_the_best_are_taken(classifier: MaskClassifier) -> None:
    detector = ListedFaces(face(0.9, 9), face(0.8, 10), face(0.7, 20), face(0.6, 30))
    found = Vision(detector, classifier).observe(ASTRONAUT, replace(THRESHOLDS, min_face_px=10, max_faces=2))
    assert [o.face.score for o in found.observations] == [0.8, 0.7]


def test_no_face(classifier: MaskClassifier) -> None:
    assert Vision(ListedFaces(), classifier).observe(ASTRONAUT, THRESHOLDS).observations == ()


def test_each_part_has_its_own_time(classifier: MaskClassifier) -> None:
    detector = ListedFaces(*[face(0.9)] * 8)
    detector.seconds = 0.03
    vision = Vision(detector, classifier)
    started = time.perf_counter()
    result = vision.observe(ASTRONAUT, THRESHOLDS)
    whole_ms = (time.perf_counter() - started) * 1000
    assert 30 <= result.detect_ms < whole_ms
    assert 0 < result.classify_ms <= whole_ms - result.detect_ms


def test_the_models_recommend_what_their_manifests_do() -> None:
    vision = build_vision(Config())
    (_, detector), (_, classifier) = find_model("face-detector"), find_model("mask-classifier")
    assert vision.detector.identity == detector.identity
    assert detector.thresholds.min_score is not None
    assert classifier.thresholds.min_confidence is not None
    assert vision.recommended == Recommendations(detector.thresholds.min_score, classifier.thresholds.min_confidence)


def test_the_real_thing_on_a_portrait() -> None:
    vision = build_vision(Config())
    thresholds = camera_thresholds(Config(), None, vision.recommended)
    (only,) = vision.observe(ASTRONAUT, replace(thresholds, low_score=thresholds.min_score)).observations
    assert only.classification is not None
    assert only.classification.status == "without_mask"
