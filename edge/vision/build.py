"""Vision as the configuration asks for it, and as far as the delegate goes along."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2

from edge.config import Config
from edge.errors import MaskdError
from edge.vision.cores import threads
from edge.vision.delegate import configured_delegate
from edge.vision.faces import FaceDetector, TfliteFaceDetector
from edge.vision.masks import MaskClassifier
from edge.vision.model import Model, open_model, with_delegate
from edge.vision.opencv_faces import Res10FaceDetector, YuNetFaceDetector
from edge.vision.pipeline import Vision

Part = TypeVar("Part", TfliteFaceDetector, MaskClassifier)
OnProblem = Callable[[str], None]
"""Is told, in a sentence, why a model runs on the CPU although the configuration names a delegate."""

_warn = logging.getLogger(__name__).warning


def build_vision(config: Config, on_problem: OnProblem = _warn) -> Vision:
    """Detector and classifier, loaded and checked.

    Sets OpenCV's number of threads for the whole process. Raises MaskdError where a model cannot be used.
    """
    cv2.setNumThreads(threads(config))
    return Vision(build_detector(config, on_problem), build_classifier(config, on_problem))


def build_detector(config: Config, on_problem: OnProblem = _warn) -> FaceDetector:
    """The detector of config.detector; raises MaskdError where its model cannot be used."""
    settings = config.detector
    if settings.kind == "yunet":
        return YuNetFaceDetector(Path(settings.model), nms_iou=settings.nms_iou)
    if settings.kind == "res10":
        return Res10FaceDetector(Path(settings.model), nms_iou=settings.nms_iou)

    def make(model: Model) -> TfliteFaceDetector:
        return TfliteFaceDetector(
            model, threads=threads(config), backend=config.runtime.backend, nms_iou=settings.nms_iou
        )

    return _on_delegate_or_cpu(config, open_model(settings.model, "face_detection"), make, on_problem)


def build_classifier(config: Config, on_problem: OnProblem = _warn) -> MaskClassifier:
    """The classifier of config.classifier; raises MaskdError where its model cannot be used."""

    def make(model: Model) -> MaskClassifier:
        return MaskClassifier(model, threads=threads(config), backend=config.runtime.backend)

    return _on_delegate_or_cpu(config, open_model(config.classifier.model, "mask_classification"), make, on_problem)


def _on_delegate_or_cpu(config: Config, model: Model, make: Callable[[Model], Part], on_problem: OnProblem) -> Part:
    delegate = configured_delegate(config.runtime)
    if delegate is None:
        return make(model)
    try:
        return make(with_delegate(model, delegate))
    except MaskdError as error:
        on_problem(f"{model.manifest.name} runs on the CPU because {error}")
    return make(model)
