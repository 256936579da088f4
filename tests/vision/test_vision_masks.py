"""The shipped classifier: labels, batches, weak evidence."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from edge.geometry import Box
from edge.payloads.statuses import UNKNOWN
from edge.vision.masks import Classification, MaskClassifier
from edge.vision.model import open_model
from edge.vision.preprocess import Image, crop_face

ASTRONAUT: Image = skimage.data.astronaut()
FACE = Box(180, 62, 274, 178)
BOXES = [Box(10.0 * i, 5.0 * i, 10.0 * i + 60 + i, 5.0 * i + 90) for i in range(21)]


def close(one: Classification, other: Classification) -> bool:
    """Within the last bits, which other batch sizes may round differently."""
    return all(abs(one.probabilities[label] - other.probabilities[label]) < 0.03 for label in one.probabilities)


@pytest.fixture(scope="module")
def classifier() -> MaskClassifier:
    return MaskClassifier(open_model("mask-classifier", "mask_classification"), threads=1)


def test_a_bare_face(classifier: MaskClassifier) -> None:
    (classification,) = classifier.classify(ASTRONAUT, [FACE])
    assert classification.status == "without_mask"
    assert classification.confidence == max(classification.probabilities.values())
    assert sum(classification.probabilities.values()) == pytest.approx(1)
    assert tuple(classification.probabilities) == classifier.labels


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 21])
def test_any_number_of_faces_gets_what_each_gets_alone(classifier: MaskClassifier, count: int) -> None:
    together = classifier.classify(ASTRONAUT, BOXES[:count])
    alone = [classifier.classify(ASTRONAUT, [box])[0] for box in BOXES[:count]]
    assert len(together) == count
    assert all(close(a, b) for a, b in zip(together, alone, strict=True))
    if count == 21:
        assert not close(together[0], together[20]), "faces this different would hide a mix-up"


def test_a_model_for_one_face_at_a_time(classifier: MaskClassifier) -> None:
    model = open_model("mask-classifier", "mask_classification")
    manifest = model.manifest
    fixed = manifest.model_copy(update={"input": manifest.input.model_copy(update={"resizable": False})})
    single = MaskClassifier(type(model)(model.path, fixed, model.content))
    pairs = zip(single.classify(ASTRONAUT, BOXES[:5]), classifier.classify(ASTRONAUT, BOXES[:5]), strict=True)
    assert all(close(a, b) for a, b in pairs)


def test_crops_are_those_of_the_one_crop_function(classifier: MaskClassifier) -> None:
    manifest = open_model("mask-classifier", "mask_classification").manifest
    assert manifest.crop_margin is not None
    expected = crop_face(ASTRONAUT, BOXES[3], margin=manifest.crop_margin, size=manifest.input.width)
    np.testing.assert_array_equal(classifier.crop(ASTRONAUT, BOXES[3:4])[0], expected)


def test_weak_evidence_is_unknown() -> None:
    model = open_model("mask-classifier", "mask_classification")
    places = [Box(x, y, x + 100, y + 100) for x in range(0, 400, 50) for y in range(0, 400, 50)]
    answers = MaskClassifier(model).classify(ASTRONAUT, places)
    weakest, place = min(zip(answers, places, strict=True), key=lambda each: each[0].confidence)
    assert weakest.confidence < 0.95
    (strict,) = MaskClassifier(model).classify(ASTRONAUT, [place], min_confidence=weakest.confidence + 0.01)
    assert (strict.status, strict.confidence) == (UNKNOWN, weakest.confidence)
    assert weakest.status == max(weakest.probabilities, key=lambda label: weakest.probabilities[label])


def test_the_manifest_recommends_a_threshold() -> None:
    model = open_model("mask-classifier", "mask_classification")
    assert MaskClassifier(model).recommended_min_confidence == model.manifest.thresholds.min_confidence


@pytest.mark.parametrize(
    "box",
    [
        *BOXES[:3],
        Box(101.5, 77.25, 190.0, 203.0),
        Box(100.3, 99.7, 133.9, 141.2),
        Box(-20.5, -30.0, 60.0, 50.0),
        Box(460.0, 450.5, 530.0, 560.0),
        Box(5.0, 5.0, 505.0, 505.0),
    ],
)
def test_a_cutout_is_classified_as_its_picture_is(classifier: MaskClassifier, box: Box) -> None:
    cutout = classifier.cut_out(ASTRONAUT, box)
    image = cutout.image()
    np.testing.assert_array_equal(
        classifier.crop(image, [cutout.box]), classifier.crop(ASTRONAUT, [box]), err_msg="the same pixels"
    )
    assert not np.shares_memory(image, ASTRONAUT)
