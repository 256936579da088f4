"""Models of others, which the tests compare with: files that the project does not ship."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import pytest

from tests.support.places import ROOT

WEIGHTS = Path(os.environ.get("MASKD_WEIGHTS") or ROOT.parent / "shared" / "weights")
AIZOO = "aizoo_face_mask_260.tflite"
YUNET = "face_detection_yunet_n_dynamic.onnx"
RES10 = "opencv_face_detector_uint8.pb"


def weights(name: str) -> Path:
    """Its path; skips the test where it is not there, or of no use to this OpenCV."""
    path = WEIGHTS / name
    if not path.is_file():
        pytest.skip(f"{name} is not in $MASKD_WEIGHTS or ../shared/weights")
    if name == YUNET and int(cv2.__version__.partition(".")[0]) < 5:
        pytest.skip("OpenCV 4 cannot read a YuNet of dynamic size")
    return path
