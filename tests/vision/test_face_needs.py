"""How large a face must be: docs/cameras.md has these figures."""

from __future__ import annotations

import re

import pytest

from edge.vision.face_needs import JUDGEABLE_PX, needed_face_px
from edge.vision.faces import TfliteFaceDetector
from edge.vision.model import open_model
from edge.vision.thresholds import Thresholds
from tests.support.places import ROOT

THRESHOLDS = Thresholds(min_score=0.5, low_score=0.1, min_confidence=0.5, min_face_px=12)
SIZES = ((640, 480), (1280, 720), (1920, 1080))


@pytest.mark.parametrize(("model", "column"), [("face-detector", 1), ("face-detector-far", 2)])
def test_the_documented_heights(model: str, column: int) -> None:
    detector = TfliteFaceDetector(open_model(model, "face_detection"))
    text = (ROOT / "docs" / "cameras.md").read_text(encoding="utf-8")
    for width, height in SIZES:
        (row,) = re.findall(rf"^\| {width}x{height} \|.*$", text, re.MULTILINE)
        documented = int(row.split("|")[column + 1].split()[0])
        assert round(needed_face_px(detector, THRESHOLDS, width, height)) == documented


def test_what_is_ignored_by_the_settings_is_too_small_in_any_case() -> None:
    strict = Thresholds(min_score=0.5, low_score=0.1, min_confidence=0.5, min_face_px=70)
    detector = TfliteFaceDetector(open_model("face-detector", "face_detection"))
    assert needed_face_px(detector, strict, 640, 480) == 70
    assert needed_face_px(object(), THRESHOLDS, 640, 480) == JUDGEABLE_PX
