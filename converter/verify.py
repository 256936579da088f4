"""The proof of a conversion: the float model and the int8 one, side by side on photos that trained neither."""

from __future__ import annotations

import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.float_model import FloatModel
from edge.errors import MaskdError
from edge.evaluation.examples import MIN_FACE_HEIGHT_PX, FaceCrop, picture_result
from edge.evaluation.labelled import LabelledPhoto, read_photo
from edge.evaluation.metrics import PictureMatches, classification_report, match_picture, precision_recall
from edge.evaluation.tables import aligned
from edge.vision.faces import (
    MOST_FACES,
    NMS_IOU,
    Face,
    TfliteFaceDetector,
    decode_boxes,
    faces_on_picture,
    suppress_repeats,
)
from edge.vision.masks import MaskClassifier
from edge.vision.model import Metric, Model
from edge.vision.preprocess import Letterbox, letterbox
from edge.vision.tflite import load_interpreter

MapsOfStride = tuple[int, NDArray[np.float32], NDArray[np.float32]]
"""A stride, its scores (1, h, w, 1) and its boxes (1, h, w, 4), of a float detector."""
LOWEST_SCORE = 0.02
"""Where the precision-recall curve ends: fainter detections are nearly all false, and there are thousands."""
EVERYTHING = "all"
"""The data set's name for the figures over all sets together."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Figures of both models; `headline` is the one that must not drop."""

    metrics: list[Metric]
    headline: Metric
    agreement: Metric | None = None
    """How often both classifiers give the same label."""
    quantized_as: str = "int8"

    @property
    def drop(self) -> float:
        """Points (hundredths) that int8 loses of the headline figure; negative where it gains."""
        assert self.headline.float_value is not None
        return (self.headline.float_value - self.headline.value) * 100

    def as_text(self) -> str:
        """A table for people, one row per figure."""
        rows = [("data set", "measure", "float", self.quantized_as, "count")]
        for metric in self.metrics:
            before = "" if metric.float_value is None else _figure(metric.measure, metric.float_value)
            rows.append(
                (metric.dataset, metric.measure, before, _figure(metric.measure, metric.value), str(metric.count))
            )
        return aligned(rows, words=2)


def verify_classifier(float_model: FloatModel, int8: Model, crops: Sequence[FaceCrop]) -> Verification:
    """Accuracy, agreement and recall per label, of each data set and of all together.

    Raises MaskdError where there is no face, or the model's outputs are not probabilities of its labels.
    """
    if not crops:
        raise MaskdError("there is no labelled face among the test photos to verify the model on; give more --data")
    classifier = MaskClassifier(int8)
    images = np.stack([crop.image for crop in crops])
    truth = np.array([crop.label for crop in crops])
    labels = classifier.labels
    int8_labels = np.array([labels.index(c.status) for c in classifier.classify_crops(images)])
    probabilities = float_model.predict(images)[0]
    _require_probabilities(probabilities, len(labels))
    float_labels = probabilities.argmax(axis=1)

    metrics: list[Metric] = []
    for dataset, members in _by_set([crop.set_name for crop in crops]):
        before = classification_report(labels, truth[members], float_labels[members])
        after = classification_report(labels, truth[members], int8_labels[members])
        agreement = float((float_labels[members] == int8_labels[members]).mean())
        metrics.append(_metric(dataset, "accuracy", after.accuracy, before.accuracy, len(members)))
        metrics.append(_metric(dataset, "agreement", agreement, None, len(members)))
        metrics += [
            _metric(dataset, f"recall {label}", result.recall, before.per_class[label].recall, result.support)
            for label, result in after.per_class.items()
            if result.support
        ]
    return Verification(metrics, _over_all(metrics, "accuracy"), _over_all(metrics, "agreement"))


def verify_detector(float_model: FloatModel, int8: Model, photos: Iterable[LabelledPhoto]) -> Verification:
    """Average precision at IoU 0.5, of each data set and of all, both models on the same pictures of the base size.

    Where the daemon may choose the input's shape, int8 is measured so as well. Raises MaskdError where the photos hold
    no face of MIN_FACE_HEIGHT_PX.
    """
    int8_detector = TfliteFaceDetector(int8)
    float_detector = FloatFaceDetector(float_model, int8.manifest.strides or ())
    height, width = float_model.input_size
    sets: list[str] = []
    matches: dict[str, list[PictureMatches]] = defaultdict(list)
    for photo in photos:
        image = read_photo(photo.path)
        laid = letterbox(image, width, height)
        sets.append(photo.set_name)
        matches["float"].append(_matches(photo, float_detector.find(laid, LOWEST_SCORE)))
        matches["int8"].append(_matches(photo, int8_detector.find(laid, LOWEST_SCORE)))
        if int8.manifest.input.resizable:
            matches["chosen"].append(_matches(photo, int8_detector.detect(image, LOWEST_SCORE)))
    if not sum(picture.faces for picture in matches["int8"]):
        raise MaskdError(
            f"there is no labelled face of {MIN_FACE_HEIGHT_PX} px among the test photos to verify the model on; "
            "give more --data"
        )

    metrics: list[Metric] = []
    for dataset, members in _by_set(sets):
        results = {kind: precision_recall([found[i] for i in members]) for kind, found in matches.items()}
        faces = results["int8"].faces
        if faces:
            metrics.append(_metric(dataset, "AP50", results["int8"].ap, results["float"].ap, faces))
        if faces and "chosen" in results:
            metrics.append(_metric(dataset, "AP50, input shape chosen", results["chosen"].ap, None, faces))
    return Verification(metrics, _over_all(metrics, "AP50"))


def _over_all(metrics: Sequence[Metric], measure: str) -> Metric:
    """The last of that measure: of all sets together, or of the only one."""
    return next(metric for metric in reversed(metrics) if metric.measure == measure)


class FloatFaceDetector:
    """A face detector before quantization, decoded as the daemon decodes the int8 one."""

    def __init__(self, model: FloatModel, strides: Sequence[int], nms_iou: float = NMS_IOU) -> None:
        """Raises MaskdError where the model lacks a score or a box map of a stride."""
        self._model = model
        self._nms_iou = nms_iou
        height, width = model.input_size
        self._levels = []
        for stride in strides:
            grid = (height // stride, width // stride)
            score, box = ((*grid, 1), (*grid, 4))
            if model.output_shapes.count(score) != 1 or model.output_shapes.count(box) != 1:
                raise MaskdError(
                    f"the detector has no score and box maps of {grid[0]}x{grid[1]} cells for stride {stride}; "
                    f"its outputs are {', '.join(map(str, model.output_shapes))}"
                )
            self._levels.append((stride, model.output_shapes.index(score), model.output_shapes.index(box)))

    def find(self, prepared: Letterbox, min_score: float) -> list[Face]:
        """The faces of a picture that was laid into the model's input, in pixels of the source."""
        outputs = self._model.predict(prepared.image[None])
        levels = [(stride, outputs[score], outputs[box]) for stride, score, box in self._levels]
        return faces_from_maps(levels, prepared, min_score, nms_iou=self._nms_iou)


def faces_from_maps(
    levels: Iterable[MapsOfStride], prepared: Letterbox, min_score: float, *, nms_iou: float
) -> list[Face]:
    """Faces from a float detector's maps, best first; see `detections_from_maps`."""
    boxes, scores, _ = detections_from_maps(levels, prepared, min_score, nms_iou=nms_iou)
    return faces_on_picture(boxes, scores, prepared.source_size)


def detections_from_maps(
    levels: Iterable[MapsOfStride], prepared: Letterbox, min_score: float, *, nms_iou: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Boxes (n, 4) in pixels of the source, some perhaps off it, scores (n,), and the strides (n,) that found them."""
    boxes, scores, strides = [], [], []
    for stride, score_map, box_map in levels:
        level_scores = score_map.reshape(-1)
        cells = np.flatnonzero(level_scores >= min_score)
        columns = prepared.image.shape[1] // stride
        boxes.append(decode_boxes(cells, box_map.reshape(-1, 4)[cells], columns=columns, stride=stride))
        scores.append(level_scores[cells])
        strides.append(np.full(len(cells), stride))
    all_boxes, all_scores = np.concatenate(boxes), np.concatenate(scores)
    kept = suppress_repeats(all_boxes, all_scores, max_iou=nms_iou, limit=MOST_FACES)
    return all_boxes[kept] / np.float32(prepared.scale), all_scores[kept], np.concatenate(strides)[kept]


def measure_cost(float_content: bytes, int8_content: bytes, *, runs: int = 30) -> list[Metric]:
    """Size in kB, and the median latency in ms of one picture on one thread of this machine, of both .tflite models."""
    machine = f"{platform.machine()}, one thread"
    return [
        _metric("file", "size kB", len(int8_content) / 1000, len(float_content) / 1000, 1),
        _metric(machine, "latency ms", _latency_ms(int8_content, runs), _latency_ms(float_content, runs), runs),
    ]


def _latency_ms(content: bytes, runs: int) -> float:
    interpreter = load_interpreter(content, threads=1)
    picture = np.random.default_rng(0).integers(0, 256, interpreter.input.shape).astype(interpreter.input.dtype)
    durations = []
    for _ in range(runs + 3):
        start = time.perf_counter()
        interpreter.run(picture)
        durations.append(time.perf_counter() - start)
    # The first runs lay out memory and warm the caches.
    return statistics.median(durations[3:]) * 1000


def _matches(photo: LabelledPhoto, faces: Sequence[Face]) -> PictureMatches:
    return match_picture(picture_result(photo, faces))


def _by_set(names: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The indices of each set's members, and last those of everything where there are several sets."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        members[name].append(index)
    together = [(EVERYTHING, list(range(len(names))))] if len(members) > 1 else []
    return [*sorted(members.items()), *together]


def _require_probabilities(rows: NDArray[np.float32], columns: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise MaskdError(
            f"the model outputs {rows.shape[1:]} per face, but {columns} labels need ({columns},); correct --labels"
        )
    if rows.min() < -0.01 or np.abs(rows.sum(axis=1) - 1).max() > 0.02:
        raise MaskdError("the model's outputs are not probabilities that sum to 1; end it with a softmax layer")


def _metric(dataset: str, measure: str, value: float, float_value: float | None, count: int) -> Metric:
    split = "test" if measure.split(" ")[0] not in ("size", "latency") else "none"
    return Metric(
        dataset=dataset,
        split=split,
        measure=measure,
        value=round(value, 4),
        count=count,
        float_value=None if float_value is None else round(float_value, 4),
    )


def _figure(measure: str, value: float) -> str:
    return f"{value:.2f}" if measure.startswith(("size", "latency")) else f"{value:.3f}"
