"""maskd-train evaluate with models before their conversion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data

from converter.card import ModelCard
from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.model import RecommendedThresholds
from training.evaluation.contenders import open_classifiers, open_detectors

LABELS = ("with_mask", "without_mask", "mask_weared_incorrect")


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
def test_models_before_conversion(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="models before conversion need the extra `train` of pyproject.toml")
    from training.face_network import build_face_detector

    keras.utils.set_random_seed(1)
    image = skimage.data.astronaut()
    build_face_detector(64, 96, alpha=0.35, weights=None).save(tmp_path / "far.keras")
    far = ModelCard(
        task="face_detection", name="far", strides=(8, 16, 32), thresholds=RecommendedThresholds(min_score=0.3)
    )
    (tmp_path / "far.json").write_text(far.model_dump_json())
    (detector,) = open_detectors([str(tmp_path / "far.keras")])
    assert (detector.shown, detector.detector.recommended_min_score) == ("96x64, any shape", 0.3)
    # A portrait gets the portrait's shape: the boxes reach its lower edge.
    found = detector.detector.detect(np.ascontiguousarray(image[:, :200]), 0.0)
    assert max(each.box.y2 for each in found) > 500

    (tmp_path / "far.json").write_text(far.model_copy(update={"resizable": False}).model_dump_json())
    (detector,) = open_detectors([str(tmp_path / "far.keras")])
    assert detector.shown == "96x64"

    pixels = keras.layers.Input((32, 32, 3))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 25)(pixels))
    keras.Model(pixels, keras.layers.Softmax()(mean)).save(tmp_path / "colour.keras")
    card = ModelCard(task="mask_classification", name="colour", labels=LABELS, crop_margin=0.1)
    (tmp_path / "colour.json").write_text(card.model_dump_json())
    (classifier,) = open_classifiers([str(tmp_path / "colour.keras")])
    coloured = np.zeros((60, 120, 3), np.uint8)
    coloured[:, :60, 1], coloured[:, 60:, 2] = 255, 255
    rows = classifier.classifier.probabilities(coloured, [Box(10, 10, 50, 50), Box(70, 10, 110, 50)])
    assert rows.argmax(axis=1).tolist() == [1, 2]
    assert classifier.classifier.probabilities(coloured, []).shape == (0, 3)

    (tmp_path / "colour.json").write_text(card.model_copy(update={"labels": LABELS[:2]}).model_dump_json())
    with pytest.raises(MaskdError, match="does not match the 2 labels"):
        open_classifiers([str(tmp_path / "colour.keras")])
    (tmp_path / "far.json").unlink()
    with pytest.raises(MaskdError, match=r"far\.json is missing"):
        open_detectors([str(tmp_path / "far.keras")])
