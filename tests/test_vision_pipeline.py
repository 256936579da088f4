"""Which faces are reported, which are classified, and how the time is counted."""

from __future__ import annotations

import time

import pytest
import skimage.data

from edge.config import ClassifierSettings, Config, DetectorSettings
from edge.geometry import Box
from edge.vision.build import build_vision
from edge.vision.faces import Face
from edge.vision.masks import MaskClassifier
from edge.vision.model import find_model, open_model
from edge.vision.pipeline import Vision
from edge.vision.preprocess import Image

ASTRONAUT: Image = skimage.data.astronaut()


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
    observations = vision.observe(ASTRONAUT).observations
    assert [o.face.score for o in observations] == [0.9, 0.5, 0.49, 0.1], "a fifth of min_score is the least"
    assert [o.classification is not None for o in observations] == [True, True, False, False]


def test_thresholds_can_be_set(classifier: MaskClassifier) -> None:
    vision = Vision(ListedFaces(face(0.9), face(0.5)), classifier, min_score=0.6, low_score=0.55)
    assert [o.face.score for o in vision.observe(ASTRONAUT).observations] == [0.9]
    assert Vision(ListedFaces(), classifier, min_score=0.1, low_score=0.5).low_score == 0.1


def test_small_faces_are_left_out_before_the_best_are_taken(classifier: MaskClassifier) -> None:
    detector = ListedFaces(face(0.9, 9), face(0.8, 10), face(0.7, 20), face(0.6, 30))
    vision = Vision(detector, classifier, min_face_px=10, max_faces=2)
    assert [o.face.score for o in vision.observe(ASTRONAUT).observations] == [0.8, 0.7]


def test_no_face(classifier: MaskClassifier) -> None:
    assert Vision(ListedFaces(), classifier).observe(ASTRONAUT).observations == ()


def test_times_add_up_to_the_whole(classifier: MaskClassifier) -> None:
    detector = ListedFaces(*[face(0.9)] * 8)
    detector.seconds = 0.03
    vision = Vision(detector, classifier)
    started = time.perf_counter()
    result = vision.observe(ASTRONAUT)
    whole_ms = (time.perf_counter() - started) * 1000
    assert result.detect_ms >= 30
    assert result.classify_ms > 0
    assert result.detect_ms + result.classify_ms == pytest.approx(whole_ms, abs=5)


def test_built_from_the_configuration() -> None:
    vision = build_vision(
        Config(
            detector=DetectorSettings(min_score=0.3, min_face_px=7, max_faces=3),
            classifier=ClassifierSettings(min_confidence=0.1),
        )
    )
    assert (vision.min_score, vision.min_face_px, vision.max_faces) == (0.3, 7, 3)
    assert vision.low_score == pytest.approx(0.06)
    assert vision.classifier.min_confidence == 0.1
    assert vision.detector.identity == find_model("face-detector")[1].identity


def test_without_settings_the_manifest_recommends() -> None:
    vision = build_vision(Config(), faint_faces=False)
    assert vision.min_score == find_model("face-detector")[1].thresholds.min_score == vision.low_score


def test_the_real_thing_on_a_portrait() -> None:
    (only,) = build_vision(Config(), faint_faces=False).observe(ASTRONAUT).observations
    assert only.classification is not None
    assert only.classification.status == "without_mask"
