"""The contenders of an evaluation: detectors and classifiers of every kind, opened by name or file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.faces import FaceDetector, TfliteFaceDetector
from edge.vision.masks import MaskClassifier
from edge.vision.model import find_model, open_model
from edge.vision.opencv_faces import Res10FaceDetector, YuNetFaceDetector
from edge.vision.preprocess import Image
from training.evaluation.aizoo import SIZE as AIZOO_SIZE
from training.evaluation.aizoo import AizooModel

SHIPPED_DETECTORS = ("face-detector", "face-detector-far")
SHIPPED_CLASSIFIER = "mask-classifier"
YUNET_SIDES = (320, 640)
"""Longer side, in pixels, of the pictures that YuNet is shown."""


class Classifier(Protocol):
    """Tells how each face wears its mask."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def min_confidence(self) -> float | None:
        """The recommended confidence, 0 to 1, below which the answer is `unknown`; None where there is none."""
        ...

    def probabilities(self, image: Image, boxes: Sequence[Box]) -> NDArray[np.float64]:
        """Of each face (n) and label (k), shape (n, k), for boxes in pixels of the picture."""
        ...


@dataclass(frozen=True, slots=True)
class DetectorEntry:
    """A detector under the name that it has in the tables."""

    name: str
    shown: str
    """The size of the pictures that it sees, in words."""
    detector: FaceDetector
    source: str
    """As it was given: a shipped name or a file."""


@dataclass(frozen=True, slots=True)
class ClassifierEntry:
    """A classifier under the name that it has in the tables; `source` as in DetectorEntry."""

    name: str
    classifier: Classifier
    source: str


EntryT = TypeVar("EntryT", DetectorEntry, ClassifierEntry)


class TfliteClassifier:
    """maskd's own kind of classifier, its status before the threshold."""

    def __init__(self, name_or_path: str | Path) -> None:
        model = open_model(name_or_path, "mask_classification")
        self._classifier = MaskClassifier(model)
        self.identity = self._classifier.identity
        self.labels = self._classifier.labels
        self.min_confidence = model.manifest.thresholds.min_confidence

    def probabilities(self, image: Image, boxes: Sequence[Box]) -> NDArray[np.float64]:
        answers = self._classifier.classify(image, boxes)
        rows = [[answer.probabilities[label] for label in self.labels] for answer in answers]
        return np.array(rows, dtype=np.float64).reshape(-1, len(self.labels))


def open_detectors(arguments: Sequence[str]) -> list[DetectorEntry]:
    """The detectors of `--detector`, by default the shipped ones; a YuNet file enters once for each of YUNET_SIDES.

    Raises MaskdError for a file that is missing or is not a detector of a known kind.
    """
    entries = [entry for argument in arguments or _shipped(SHIPPED_DETECTORS) for entry in _open_detectors(argument)]
    for entry in entries:
        _require_that_it_runs(entry)
    return _named_apart(entries)


def open_classifiers(arguments: Sequence[str]) -> list[ClassifierEntry]:
    """The classifiers of `--classifier`, by default the shipped one; raises MaskdError as `open_detectors` does."""
    return _named_apart([_open_classifier(argument) for argument in arguments or [SHIPPED_CLASSIFIER]])


def _shipped(names: Sequence[str]) -> list[str]:
    """Those of these models that this installation has; the first one belongs to every installation."""

    def is_installed(name: str) -> bool:
        try:
            find_model(name)
        except MaskdError:
            return False
        return True

    return [names[0], *filter(is_installed, names[1:])]


def _open_detectors(argument: str) -> list[DetectorEntry]:
    path = Path(argument).expanduser()
    if path.suffix == ".onnx":
        return [
            DetectorEntry(f"YuNet {side}", f"longer side {side}", YuNetFaceDetector(path, longer_side=side), str(path))
            for side in YUNET_SIDES
        ]
    if path.suffix in (".pb", ".caffemodel"):
        return [DetectorEntry("res10 SSD", "300x300", Res10FaceDetector(path), str(path))]
    if path.suffix == ".keras":
        from training.evaluation.keras_models import open_keras_detector

        detector = open_keras_detector(path)
        shown = _input_in_words(*detector.base, resizable=detector.resizable)
        return [DetectorEntry(detector.identity, shown, detector, str(path))]
    if _has_no_manifest(path):
        return [DetectorEntry("AIZOO", f"{AIZOO_SIZE}x{AIZOO_SIZE}", AizooModel(path), str(path))]
    model = open_model(argument, "face_detection")
    size = model.manifest.input
    shown = _input_in_words(size.height, size.width, resizable=size.resizable)
    return [DetectorEntry(model.manifest.identity, shown, TfliteFaceDetector(model), argument)]


def _input_in_words(height: int, width: int, *, resizable: bool) -> str:
    return f"{width}x{height}" + (", any shape" if resizable else "")


def _open_classifier(argument: str) -> ClassifierEntry:
    path = Path(argument).expanduser()
    if path.suffix == ".keras":
        from training.evaluation.keras_models import KerasClassifier

        trained = KerasClassifier(path)
        return ClassifierEntry(trained.identity, trained, argument)
    if path.suffix in (".onnx", ".pb", ".caffemodel"):
        raise MaskdError(f"{path} is a face detector and cannot judge masks; give it with --detector")
    if _has_no_manifest(path):
        return ClassifierEntry("AIZOO", AizooModel(path), argument)
    converted = TfliteClassifier(argument)
    return ClassifierEntry(converted.identity, converted, argument)


def _has_no_manifest(path: Path) -> bool:
    return path.suffix == ".tflite" and path.is_file() and not path.with_suffix(".json").is_file()


def _require_that_it_runs(entry: DetectorEntry) -> None:
    """OpenCV opens any network; whether it is the one that was meant shows when it runs."""
    try:
        entry.detector.detect(np.full((64, 64, 3), 128, dtype=np.uint8), 0.9)
    except (cv2.error, ValueError, IndexError) as error:
        raise MaskdError(
            f"{entry.source} does not run as {entry.name} ({' '.join(str(error).split())[:160]}); give the original "
            "file of its publisher"
        ) from error


def _named_apart(entries: list[EntryT]) -> list[EntryT]:
    """Two versions of one model keep their file's place in their name."""
    count = Counter(entry.name for entry in entries)
    apart = [
        replace(entry, name=f"{entry.name} [{entry.source}]") if count[entry.name] > 1 else entry for entry in entries
    ]
    if len({entry.name for entry in apart}) < len(apart):
        raise MaskdError("the same model is given twice; name each file once")
    return apart
