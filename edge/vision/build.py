"""Vision as the configuration asks for it, and as far as the delegate goes along."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2

from edge.config import Config
from edge.errors import MaskdError
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
    return build_visions(config, 1, on_problem)[0]


def build_visions(config: Config, count: int, on_problem: OnProblem = _warn) -> list[Vision]:
    """As build_vision, for `count` threads: each has interpreters of its own, but the models' files are read once."""
    cv2.setNumThreads(config.runtime.threads)
    new_detector, new_classifier = _detectors(config, on_problem), _classifiers(config, on_problem)
    return [Vision(new_detector(), new_classifier()) for _ in range(count)]


def build_detector(config: Config, on_problem: OnProblem = _warn) -> FaceDetector:
    """The detector of config.detector; raises MaskdError where its model cannot be used."""
    return _detectors(config, on_problem)()


def build_classifier(config: Config, on_problem: OnProblem = _warn) -> MaskClassifier:
    """The classifier of config.classifier; raises MaskdError where its model cannot be used."""
    return _classifiers(config, on_problem)()


def _detectors(config: Config, on_problem: OnProblem) -> Callable[[], FaceDetector]:
    settings = config.detector
    if settings.kind == "yunet":
        return lambda: YuNetFaceDetector(Path(settings.model), nms_iou=settings.nms_iou)
    if settings.kind == "res10":
        return lambda: Res10FaceDetector(Path(settings.model), nms_iou=settings.nms_iou)

    def make(model: Model) -> TfliteFaceDetector:
        return TfliteFaceDetector(
            model, threads=config.runtime.threads, backend=config.runtime.backend, nms_iou=settings.nms_iou
        )

    model = open_model(settings.model, "face_detection")
    return lambda: _on_delegate_or_cpu(config, model, make, on_problem)


def _classifiers(config: Config, on_problem: OnProblem) -> Callable[[], MaskClassifier]:
    def make(model: Model) -> MaskClassifier:
        return MaskClassifier(model, threads=config.runtime.threads, backend=config.runtime.backend)

    model = open_model(config.classifier.model, "mask_classification")
    return lambda: _on_delegate_or_cpu(config, model, make, on_problem)


def _on_delegate_or_cpu(config: Config, model: Model, make: Callable[[Model], Part], on_problem: OnProblem) -> Part:
    delegate = configured_delegate(config.runtime)
    if delegate is None:
        return make(model)
    try:
        return make(with_delegate(model, delegate))
    except MaskdError as error:
        on_problem(f"{model.manifest.name} runs on the CPU because {error}")
    return make(model)
