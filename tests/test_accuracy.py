"""The shipped models on the test photos, which no training saw. Skips where the labelled photos are not at hand."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from converter.verify import LOWEST_SCORE
from edge.evaluation.examples import face_crops, load_photos, picture_result
from edge.evaluation.labelled import LabelledPhoto, SplitName, read_photo
from edge.evaluation.metrics import PictureResult, average_precision
from edge.geometry import Box
from edge.vision.faces import TfliteFaceDetector
from edge.vision.masks import MaskClassifier
from edge.vision.model import open_model
from edge.vision.preprocess import Image

DATA = Path(os.environ.get("MASKD_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
pytestmark = [
    pytest.mark.accuracy,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no labelled photos in {DATA}; MASKD_DATA says where they are"),
]


@cache
def photos(name: str, part: SplitName = "test") -> tuple[LabelledPhoto, ...]:
    def no_boxes(_: Image) -> list[Box]:
        raise AssertionError("these sets bring their boxes")

    return tuple(load_photos([DATA / name], 1, no_boxes).splits[part])


@cache
def detector() -> TfliteFaceDetector:
    return TfliteFaceDetector(open_model("face-detector", "face_detection"), threads=2)


@pytest.mark.parametrize(("name", "least"), [("kaggle_voc", 0.95), ("ilc_voc", 0.92), ("faces_voc", 0.97)])
def test_the_classifier_tells_how_masks_are_worn(name: str, least: float) -> None:
    model = open_model("mask-classifier", "mask_classification")
    manifest = model.manifest
    assert manifest.labels is not None
    assert manifest.crop_margin is not None
    crops, _ = face_crops(photos(name), manifest.labels, margin=manifest.crop_margin, size=manifest.input.width)
    answers = MaskClassifier(model, min_confidence=0, threads=2).classify_crops(
        np.stack([crop.image for crop in crops])
    )
    correct = [answer.status == manifest.labels[crop.label] for answer, crop in zip(answers, crops, strict=True)]
    assert len(correct) > 300
    assert np.mean(correct) >= least


@pytest.mark.parametrize(("name", "least"), [("kaggle_voc", 0.86), ("ilc_voc", 0.78)])
def test_the_detector_finds_faces(name: str, least: float) -> None:
    curve = average_precision([result(photo) for photo in photos(name)])
    assert curve.faces > 300
    assert curve.ap >= least


def test_the_detector_sees_few_faces_where_there_is_nobody() -> None:
    pictures = [read_photo(photo.path) for photo in photos("no_people")]
    found = [face for picture in pictures for face in detector().detect(picture, detector().recommended_min_score)]
    assert len(pictures) > 50
    assert len(found) <= 0.1 * len(pictures)


def result(photo: LabelledPhoto) -> PictureResult:
    return picture_result(photo, detector().detect(read_photo(photo.path), LOWEST_SCORE))
