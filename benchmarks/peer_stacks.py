"""The contenders of `benchmarks.peers`: each finds the faces of a picture and says how they wear a mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.config import Config, RuntimeSettings
from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.build import build_classifier, build_vision
from edge.vision.faces import FaceDetector, TfliteFaceDetector
from edge.vision.opencv_faces import Res10FaceDetector, YuNetFaceDetector
from edge.vision.pipeline import Vision
from edge.vision.preprocess import Image, Letterbox, crop_face
from edge.vision.thresholds import Thresholds
from training.evaluation.aizoo import AizooModel

ONE_THREAD = Config(runtime=RuntimeSettings(threads=1, workers=1))
MOST_FACES = 50
TUTORIAL_SIDE = 224
"""Sides of the tutorials' classifier, MobileNetV2 in Keras, as in PyImageSearch's and its many copies."""


def maskd() -> Callable[[Image], int]:
    vision = build_vision(ONE_THREAD)
    return lambda image: _observed(vision, image)


def bare_invokes() -> Callable[[Image], int]:
    """maskd's networks, on what they saw of a picture, without anything around them."""
    vision = build_vision(ONE_THREAD)
    detector, classifier = vision.detector, vision.classifier
    assert isinstance(detector, TfliteFaceDetector)
    prepared: list[tuple[Image, Letterbox, NDArray[np.uint8]]] = []

    def look(image: Image) -> int:
        if not prepared or prepared[0][0] is not image:
            laid = detector.prepare(image)
            boxes = [face.box for face in detector.find(laid, detector.recommended_min_score)][:MOST_FACES]
            prepared[:] = [(image, laid, classifier.crop(image, boxes))]
        _, laid, crops = prepared[0]
        detector.run(laid)
        classifier.run(crops)
        return len(crops)

    return look


def _observed(vision: Vision, image: Image) -> int:
    least = vision.detector.recommended_min_score
    found = vision.observe(image, Thresholds(least, least, 0.0, max_faces=MOST_FACES)).observations
    return len(found)


def _yunet(weights: Path | None) -> Callable[[Image], int]:
    return _with_our_classifier(YuNetFaceDetector(_file(weights, "*yunet*.onnx")))


def _with_our_classifier(detector: FaceDetector) -> Callable[[Image], int]:
    vision = Vision(detector, build_classifier(ONE_THREAD))
    return lambda image: _observed(vision, image)


def _aizoo(weights: Path | None) -> Callable[[Image], int]:
    model = AizooModel(_file(weights, "aizoo*.tflite"))
    return lambda image: len(model.detect(image, model.recommended_min_score))


def _tutorials(weights: Path | None) -> Callable[[Image], int]:
    detector = Res10FaceDetector(_file(weights, "*face_detector*.pb"))
    tensorflow = _imported("tensorflow", 'pip install -e ".[train]"')
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    keras = tensorflow.keras
    # What it answers does not matter here, and random weights take as long.
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(TUTORIAL_SIDE,) * 2 + (3,))
    head = keras.Sequential(
        [
            base,
            keras.layers.AveragePooling2D((7, 7)),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )

    def look(image: Image) -> int:
        faces = detector.detect(image, 0.5)[:MOST_FACES]
        if faces:
            crops = [crop_face(image, face.box, margin=0.0, size=TUTORIAL_SIDE) for face in faces]
            head.predict(np.stack(crops).astype(np.float32) / 127.5 - 1, batch_size=32, verbose=0)
        return len(faces)

    return look


def _mediapipe(_weights: Path | None) -> Callable[[Image], int]:
    mediapipe = _imported("mediapipe", "pip install 'mediapipe<0.11'")
    try:
        found = mediapipe.solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
    except AttributeError:
        raise MaskdError(
            f"mediapipe {mediapipe.__version__} brings no face detector; pip install 'mediapipe<0.11'"
        ) from None
    classifier = build_classifier(ONE_THREAD)

    def look(image: Image) -> int:
        height, width = image.shape[:2]
        boxes = []
        for each in found.process(image).detections or ():
            place = each.location_data.relative_bounding_box
            box = Box(place.xmin, place.ymin, place.xmin + place.width, place.ymin + place.height)
            boxes.append(box.scaled(width, height).clipped(width, height))
        return len(classifier.classify(image, [box for box in boxes if box.area > 0]))

    return look


PEERS: Mapping[str, Callable[[Path | None], Callable[[Image], int]]] = {
    "YuNet + maskd's classifier": _yunet,
    "AIZOO": _aizoo,
    "the tutorials' stack: res10 + Keras MobileNetV2": _tutorials,
    "MediaPipe + maskd's classifier": _mediapipe,
}


def _file(weights: Path | None, pattern: str) -> Path:
    found = sorted(weights.glob(pattern)) if weights else []
    if not found:
        raise MaskdError(f"there is no file {pattern} in {weights or 'the folder of weights'}; name it with --weights")
    return found[0]


def _imported(name: str, remedy: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MaskdError(f"{name} cannot be imported ({error}); {remedy}") from None
