"""Vision as the configuration asks for it."""

from __future__ import annotations

from pathlib import Path

import cv2

from edge.config import Config
from edge.vision.faces import FaceDetector, TfliteFaceDetector
from edge.vision.masks import MaskClassifier
from edge.vision.model import open_model
from edge.vision.opencv_faces import Res10FaceDetector, YuNetFaceDetector
from edge.vision.pipeline import Vision


def build_vision(config: Config) -> Vision:
    """Detector and classifier, loaded and checked.

    Sets OpenCV's number of threads for the whole process. Raises MaskdError where a model cannot be used.
    """
    cv2.setNumThreads(config.runtime.threads)
    return Vision(build_detector(config), build_classifier(config))


def build_detector(config: Config) -> FaceDetector:
    """The detector of config.detector; raises MaskdError where its model cannot be used."""
    settings = config.detector
    if settings.kind == "yunet":
        return YuNetFaceDetector(Path(settings.model), nms_iou=settings.nms_iou)
    if settings.kind == "res10":
        return Res10FaceDetector(Path(settings.model), nms_iou=settings.nms_iou)
    return TfliteFaceDetector(
        open_model(settings.model, "face_detection"),
        threads=config.runtime.threads,
        backend=config.runtime.backend,
        nms_iou=settings.nms_iou,
    )


def build_classifier(config: Config) -> MaskClassifier:
    """The classifier of config.classifier; raises MaskdError where its model cannot be used."""
    return MaskClassifier(
        open_model(config.classifier.model, "mask_classification"),
        threads=config.runtime.threads,
        backend=config.runtime.backend,
    )
