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


def build_vision(config: Config, *, faint_faces: bool = True) -> Vision:
    """Detector and classifier, loaded and checked; `faint_faces` False leaves out those below min_score.

    Sets OpenCV's number of threads for the whole process. Raises MaskdError where a model cannot be used.
    """
    cv2.setNumThreads(config.runtime.threads)
    detector = build_detector(config)
    settings = config.detector
    min_score = detector.recommended_min_score if settings.min_score is None else settings.min_score
    return Vision(
        detector,
        build_classifier(config),
        min_score=min_score,
        low_score=settings.low_score if faint_faces else min_score,
        min_face_px=settings.min_face_px,
        max_faces=settings.max_faces,
    )


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
        min_confidence=config.classifier.min_confidence,
        threads=config.runtime.threads,
        backend=config.runtime.backend,
    )
