"""Detectors that OpenCV runs, on files that the user supplies."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from edge.config import Config, DetectorSettings
from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.build import build_detector
from edge.vision.faces import FaceDetector
from edge.vision.opencv_faces import Res10FaceDetector, YuNetFaceDetector
from edge.vision.preprocess import Image
from tests.support.weights import RES10, YUNET, weights

ASTRONAUT: Image = skimage.data.astronaut()
ASTRONAUT_FACE = Box(180, 62, 274, 178)


def detector_from(kind: str, file: str) -> FaceDetector:
    settings = DetectorSettings.model_validate({"kind": kind, "model": str(weights(file))})
    return build_detector(Config(detector=settings))


@pytest.mark.parametrize(("kind", "file"), [("yunet", YUNET), ("res10", RES10)])
def test_finds_the_face_wherever_it_is(kind: str, file: str) -> None:
    detector = detector_from(kind, file)
    for picture, dx in ((ASTRONAUT, 0), (np.ascontiguousarray(ASTRONAUT[:, 60:460]), 60)):
        (found,) = detector.detect(picture, detector.recommended_min_score)
        assert found.box.moved(dx, 0).iou(ASTRONAUT_FACE) > 0.6
        assert found.score > 0.7
    assert detector.identity.startswith(f"{kind}/")


@pytest.mark.parametrize(("kind", "file"), [("yunet", YUNET), ("res10", RES10)])
def test_best_first_and_above_the_threshold(kind: str, file: str) -> None:
    faces = detector_from(kind, file).detect(ASTRONAUT, 0.1)
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.1
    assert detector_from(kind, file).detect(np.full((100, 100, 3), 128, np.uint8), 0.6) == []


@pytest.mark.parametrize("make", [YuNetFaceDetector, Res10FaceDetector])
def test_missing_file(make: type[YuNetFaceDetector | Res10FaceDetector], tmp_path: Path) -> None:
    with pytest.raises(MaskdError, match=r"gone\.bin does not exist; give the path to "):
        make(tmp_path / "gone.bin")


def test_yunet_that_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "face.onnx").write_bytes(b"not a network")
    with pytest.raises(
        MaskdError, match=r"cannot read .*face\.onnx as a YuNet .*OpenCV 4 needs the 2023mar one"
    ) as refusal:
        YuNetFaceDetector(tmp_path / "face.onnx")
    assert "\n" not in str(refusal.value)
    capfd.readouterr()  # OpenCV reports it on stderr as well


def test_yunet_without_support_in_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "face.onnx").touch()
    monkeypatch.delattr(cv2, "FaceDetectorYN")
    with pytest.raises(MaskdError, match="built without FaceDetectorYN"):
        YuNetFaceDetector(tmp_path / "face.onnx")


def test_res10_in_caffe_form(tmp_path: Path) -> None:
    (tmp_path / "res10.caffemodel").touch()
    with pytest.raises(MaskdError, match=r"OpenCV 5 cannot read Caffe models; give opencv_face_detector_uint8\.pb"):
        Res10FaceDetector(tmp_path / "res10.caffemodel")


def test_res10_without_its_graph(tmp_path: Path) -> None:
    (tmp_path / "net.pb").touch()
    with pytest.raises(MaskdError, match=r"the graph .*net\.pbtxt for .* is missing"):
        Res10FaceDetector(tmp_path / "net.pb")


def test_res10_that_is_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.pb").write_bytes(b"not a network")
    (tmp_path / "net.pbtxt").write_bytes(b"nor a graph")
    with pytest.raises(MaskdError, match=r"cannot read .*net\.pb as a res10 SSD"):
        Res10FaceDetector(tmp_path / "net.pb")
    capfd.readouterr()
