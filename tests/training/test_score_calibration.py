"""Scores that mean the same on each grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.evaluation.labelled import LabelledFace, LabelledPhoto, read_photo
from edge.geometry import Box
from edge.vision.preprocess import resize
from tests.support.labelled_sets import portrait
from tests.support.pictures import write_photo
from tests.support.places import ROOT
from tests.support.tensorflow_tests import NEEDS_TENSORFLOW, Later

pytestmark = NEEDS_TENSORFLOW

score_calibration = Later("training.score_calibration")
keras_models = Later("training.evaluation.keras_models")


@pytest.mark.parametrize(("slope", "even"), [(1.0, 0.4), (2.5, -0.3)])
def test_the_logit_from_which_more_detections_are_faces_than_not(slope: float, even: float) -> None:
    random = np.random.default_rng(5)
    logits = random.normal(0, 1.5, 20_000)
    correct = random.random(len(logits)) < 1 / (1 + np.exp(-slope * (logits - even)))
    assert score_calibration.break_even(logits, correct) == pytest.approx(even, abs=0.05)


def test_few_detections_tell_nothing() -> None:
    assert score_calibration.break_even(np.linspace(-1, 1, 99), np.arange(99) > 40) is None


def test_where_every_detection_is_a_face_any_score_is_enough() -> None:
    logits = np.linspace(-0.8, 3, 200)
    even = score_calibration.break_even(logits, np.ones(200, bool))
    assert even is not None
    assert -100 < even < logits.min()


def test_the_coarsest_grid_of_the_shipped_detector_is_shifted_by_what_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.score_calibration._LEAST_DETECTIONS", 1)
    # One close face, which stride 32 finds, and the same far away, which stride 16 does.
    face, box = portrait()
    photos = []
    for name, side in (("close", 256), ("far", 96)):
        picture = np.full((256, 320, 3), 128, np.uint8)
        picture[:side, :side] = resize(face, side, side)
        write_photo(tmp_path / f"{name}.png", picture)
        x, y = side / face.shape[1], side / face.shape[0]
        labelled = LabelledFace(Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y), "without_mask")
        photos.append(LabelledPhoto(tmp_path / f"{name}.png", (labelled,), (), "set"))
    detector = keras_models.open_keras_detector(ROOT / "training" / "models" / "face-detector.keras")
    for photo, stride in zip(photos, (32, 16), strict=True):
        image = read_photo(photo.path)
        found, grids = score_calibration._found(detector, image)
        assert found == detector.detect(image, score_calibration._MIN_SCORE)
        assert grids[0] == stride
    before = detector.network.get_layer("logit_32").get_weights()[1]
    shift = score_calibration.balance_scores(detector, photos)
    after = detector.network.get_layer("logit_32").get_weights()[1]
    assert shift != 0
    assert after - before == pytest.approx(shift)
