"""The shipped models on the test photos, which no training saw. Skips where the labelled photos are not at hand."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from converter.verify import LOWEST_SCORE
from edge.evaluation.examples import SERVED_IOU, face_crops, load_photos, picture_result
from edge.evaluation.labelled import LabelledPhoto, SplitName, read_photo
from edge.evaluation.metrics import average_precision, expected_calibration_error
from edge.geometry import Box
from edge.vision.faces import Face, TfliteFaceDetector
from edge.vision.masks import MaskClassifier
from edge.vision.model import open_model
from edge.vision.preprocess import Image
from tests.support.places import DATA, NO_DATA

pytestmark = [
    pytest.mark.accuracy,
    pytest.mark.skipif(not DATA.is_dir(), reason=NO_DATA),
]


@cache
def photos(name: str, part: SplitName = "test") -> tuple[LabelledPhoto, ...]:
    def no_boxes(_: Image) -> list[Box]:
        raise AssertionError("these sets bring their boxes")

    return tuple(load_photos([DATA / name], 1, no_boxes).splits[part])


@cache
def detector(model: str) -> TfliteFaceDetector:
    return TfliteFaceDetector(open_model(model, "face_detection"), threads=2)


@pytest.mark.parametrize(("name", "least"), [("kaggle_voc", 0.965), ("ilc_voc", 0.92), ("faces_voc", 0.985)])
def test_the_classifier_tells_how_masks_are_worn(name: str, least: float) -> None:
    model = open_model("mask-classifier", "mask_classification")
    manifest = model.manifest
    assert manifest.labels is not None
    assert manifest.crop_margin is not None
    crops, _ = face_crops(photos(name), manifest.labels, margin=manifest.crop_margin, size=manifest.input.width)
    answers = MaskClassifier(model, threads=2).classify_crops(np.stack([crop.image for crop in crops]))
    correct = [answer.status == manifest.labels[crop.label] for answer, crop in zip(answers, crops, strict=True)]
    assert len(correct) > 300
    assert np.mean(correct) >= least
    assert expected_calibration_error([answer.confidence for answer in answers], correct) <= 0.04


@pytest.mark.parametrize(
    ("model", "name", "least"),
    [
        ("face-detector", "kaggle_voc", (0.85, 0.92)),
        ("face-detector", "ilc_voc", (0.92, 0.90)),
        ("face-detector", "faces_voc", (0.98, 0.99)),
        ("face-detector-far", "kaggle_voc", (0.87, 0.91)),
        ("face-detector-far", "ilc_voc", (0.90, 0.91)),
    ],
)
def test_the_detectors_find_people_at_the_score_that_ships(model: str, name: str, least: tuple[float, float]) -> None:
    """`least`: precision and recall for faces of 32 px and more, whatever the style of their boxes."""
    pictures = [picture_result(photo, found(model, photo), (32.0, math.inf)) for photo in photos(name)]
    curve = average_precision(pictures, SERVED_IOU)
    assert curve.faces > 150
    precision, recall = curve.at_score(detector(model).recommended_min_score)
    assert precision >= least[0]
    assert recall >= least[1]


@pytest.mark.parametrize(
    ("model", "name", "least"),
    [
        ("face-detector", "kaggle_voc", 0.865),
        ("face-detector", "ilc_voc", 0.78),
        ("face-detector-far", "kaggle_voc", 0.90),
        ("face-detector-far", "ilc_voc", 0.81),
    ],
)
def test_boxes_are_like_those_of_the_labels(model: str, name: str, least: float) -> None:
    curve = average_precision([picture_result(photo, found(model, photo)) for photo in photos(name)])
    assert curve.faces > 300
    assert curve.ap >= least


@pytest.mark.parametrize("model", ["face-detector", "face-detector-far"])
def test_the_detectors_see_few_faces_where_there_is_nobody(model: str) -> None:
    pictures = [read_photo(photo.path) for photo in photos("no_people")]
    least = detector(model).recommended_min_score
    faces = [face for picture in pictures for face in detector(model).detect(picture, least)]
    assert len(pictures) > 50
    assert len(faces) <= 0.05 * len(pictures)


@cache
def found(model: str, photo: LabelledPhoto) -> list[Face]:
    return list(detector(model).detect(read_photo(photo.path), LOWEST_SCORE))
