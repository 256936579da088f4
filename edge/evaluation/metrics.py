"""How good a detector or a classifier is: pure numpy, the same figures for training, conversion and tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge.vision.overlap import iou_matrix

Floats = NDArray[np.float64]
Boxes = NDArray[np.float32]
Sample = TypeVar("Sample")

IGNORE_IOU = 0.5
"""A detection that overlaps an ignored box by this much counts neither way."""
IGNORE_SHARE = 0.7
"""... and so does one with this share of its area inside an ignored box, which may surround several faces."""


@dataclass(frozen=True, slots=True)
class PictureResult:
    """What a detector found on one picture, and what is there.

    `boxes` (n, 4) with `scores` (n,); `truth` (m, 4), the faces to find; `ignored` (k, 4), faces that are too small to
    count or have no label. Boxes are rows of x1, y1, x2, y2, all in the same pixels.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    truth: Boxes
    ignored: Boxes = field(default_factory=lambda: np.zeros((0, 4), dtype=np.float32))


@dataclass(frozen=True, slots=True)
class PictureMatches:
    """The detections of one picture that count: `correct[i]` tells whether the one with `scores[i]` is a face.

    `found_at[j]` is the score of the detection that found face `j`, minus infinity where none did, and `indices[i]` the
    place of detection `i` among the picture's; both are empty where faces and detections are not told apart.
    """

    scores: Floats
    correct: NDArray[np.bool_]
    faces: int
    found_at: Floats = field(default_factory=lambda: np.zeros(0))
    indices: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class ApResult:
    """Average precision, 0 to 1, and the curve under which it is the area.

    `precision[i]` and `recall[i]` hold when every detection from `scores[i]` on is kept; scores fall, recall rises.
    `faces` were to be found, `found_faces` were, and `false_faces` are the detections of nothing, at the lowest score.
    """

    ap: float
    precision: Floats
    recall: Floats
    scores: Floats
    faces: int
    found_faces: int
    false_faces: int

    def at_score(self, min_score: float) -> tuple[float, float]:
        """Precision and recall when detections below `min_score` are dropped; (1, 0) where none is left."""
        kept = int(np.count_nonzero(self.scores >= min_score))
        return (float(self.precision[kept - 1]), float(self.recall[kept - 1])) if kept else (1.0, 0.0)

    def best_score(self, recall_weight: float = 1.0) -> float:
        """The threshold with the highest F1, or F-beta where recall counts `recall_weight` times as much as precision
        (van Rijsbergen, "Information Retrieval", 1979, chapter 7); 0.5 where nothing was found."""
        if self.found_faces == 0:
            return 0.5
        square = recall_weight**2
        f_beta = (1 + square) * self.precision * self.recall / np.maximum(square * self.precision + self.recall, 1e-9)
        return float(self.scores[int(np.argmax(f_beta))])


def match_picture(picture: PictureResult, iou: float = 0.5) -> PictureMatches:
    """Pairs detections with faces, the best score first, each with the free face that it overlaps most.

    A detection is left out where it overlaps an ignored box by IGNORE_IOU, or by a lower `iou`, and no free face by
    more, or where it has no face and lies mostly inside an ignored box.
    """
    faces = len(picture.truth)
    overlaps = iou_matrix(picture.boxes, picture.truth)
    ignored_overlap = iou_matrix(picture.boxes, picture.ignored).max(axis=1, initial=0)
    inside = _share_inside(picture.boxes, picture.ignored).max(axis=1, initial=0)
    scores, correct, indices = [], [], []
    found_at = np.full(faces, -np.inf)
    for index in np.argsort(-picture.scores, kind="stable"):
        face = int(overlaps[index].argmax()) if faces else -1
        overlap = float(overlaps[index, face]) if faces else 0.0
        matched = overlap >= iou
        if ignored_overlap[index] >= min(IGNORE_IOU, iou) and not (matched and overlap >= ignored_overlap[index]):
            continue
        if not matched and inside[index] >= IGNORE_SHARE:
            continue
        if matched:
            overlaps[:, face] = 0
            found_at[face] = picture.scores[index]
        scores.append(float(picture.scores[index]))
        correct.append(matched)
        indices.append(int(index))
    return PictureMatches(
        np.array(scores, dtype=np.float64),
        np.array(correct, dtype=np.bool_),
        faces,
        found_at,
        np.array(indices, dtype=np.int64),
    )


def precision_recall(matches: Sequence[PictureMatches]) -> ApResult:
    """The curve over all pictures, and the area under its envelope.

    All-points interpolation as of PASCAL VOC 2010 (Everingham et al., "The PASCAL Visual Object Classes Challenge: A
    Retrospective", IJCV 2015, section 2): precision at a recall is the highest at that recall or beyond. The curve has
    a point for each distinct score, so that the ties of quantized scores give the same area in any order. AP is 0 where
    there are no faces.
    """
    scores = np.concatenate([m.scores for m in matches]) if matches else np.zeros(0)
    correct = np.concatenate([m.correct for m in matches]) if matches else np.zeros(0, dtype=np.bool_)
    faces = sum(m.faces for m in matches)
    order = np.argsort(-scores, kind="stable")
    scores, correct = scores[order], correct[order]
    last_of_score = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    found = np.cumsum(correct)[last_of_score].astype(np.float64)
    kept = np.flatnonzero(last_of_score) + 1
    precision, recall = found / kept, found / max(faces, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall, prepend=0.0)
    return ApResult(
        ap=float((steps * envelope).sum()),
        precision=precision,
        recall=recall,
        scores=scores[last_of_score],
        faces=faces,
        found_faces=int(correct.sum()),
        false_faces=int((~correct).sum()),
    )


def average_precision(pictures: Sequence[PictureResult], iou: float = 0.5) -> ApResult:
    """Average precision of a detector at one IoU; see `match_picture` and `precision_recall`."""
    return precision_recall([match_picture(picture, iou) for picture in pictures])


def _share_inside(boxes: Boxes, regions: Boxes) -> NDArray[np.float32]:
    """The share of each box's own area that lies in each region, shape (n, k)."""
    top_left = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    bottom_right = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    overlap = np.clip(bottom_right - top_left, 0, None).prod(axis=2)
    area = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    return np.asarray(overlap / np.maximum(area[:, None], 1e-9), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class LabelResult:
    """How well one label is told from the others; `support` is the number of true examples."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class ClassificationResult:
    """`confusion[t, p]` counts the examples of label `t` that were taken for label `p`."""

    labels: tuple[str, ...]
    accuracy: float
    per_class: dict[str, LabelResult]
    macro_f1: float
    """Mean F1 of the labels that have examples."""
    confusion: NDArray[np.int64]

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    def as_text(self) -> str:
        """The report as a table of monospaced text, the confusion matrix below it."""
        width = max(len(label) for label in (*self.labels, "macro F1"))
        lines = [f"{'':{width}}  precision  recall      F1  support"]
        for label, result in self.per_class.items():
            figures = f"{result.precision:9.3f}  {result.recall:6.3f}  {result.f1:6.3f}  {result.support:7d}"
            lines.append(f"{label:{width}}  {figures}")
        lines.append(f"{'macro F1':{width}}  {'':9}  {'':6}  {self.macro_f1:6.3f}  {self.count:7d}")
        lines.append(f"{'accuracy':{width}}  {'':9}  {'':6}  {self.accuracy:6.3f}  {self.count:7d}")
        corner = "true / predicted"
        margin = max(width, len(corner))
        lines += ["", corner.ljust(margin) + "".join(f"  {label}" for label in self.labels)]
        for label, row in zip(self.labels, self.confusion, strict=True):
            cells = "".join(f"  {count:{len(name)}d}" for name, count in zip(self.labels, row, strict=True))
            lines.append(label.ljust(margin) + cells)
        return "\n".join(lines)


def classification_report(labels: Sequence[str], truth: ArrayLike, predicted: ArrayLike) -> ClassificationResult:
    """Compares true and predicted labels, both indices into `labels`, shape (n,).

    A figure whose denominator is 0 is 0. Raises ValueError for arrays of different lengths or an index out of range.
    """
    true_index, predicted_index = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if true_index.shape != predicted_index.shape or true_index.ndim != 1:
        raise ValueError(f"{true_index.shape} true labels cannot be compared with {predicted_index.shape} predictions")
    both = np.concatenate([true_index, predicted_index])
    if both.size and not (both.min() >= 0 and both.max() < len(labels)):
        raise ValueError(f"a label index lies outside 0 to {len(labels) - 1}")
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (true_index, predicted_index), 1)

    hits, support, taken = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = hits / np.maximum(taken, 1), hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(taken + support, 1)
    per_class = {
        label: LabelResult(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
        for i, label in enumerate(labels)
    }
    return ClassificationResult(
        labels=tuple(labels),
        accuracy=float(hits.sum() / max(1, true_index.size)),
        per_class=per_class,
        macro_f1=float(f1[support > 0].mean()) if (support > 0).any() else 0.0,
        confusion=confusion,
    )


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """How far confidence is from accuracy, 0 to 1: the gap in each of `bins` equal bins, weighted by its examples.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3. 0 where there are no examples.
    """
    confidences = np.asarray(confidence, dtype=np.float64)
    hits = np.asarray(correct, dtype=np.float64)
    if confidences.size == 0:
        return 0.0
    # Bins are open on the left, so that a confidence of exactly 1 belongs to the last one.
    bin_index = np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bin_index, weights=hits - confidences, minlength=bins)
    return float(np.abs(gaps).sum() / confidences.size)


def bootstrap_interval(
    photos: Sequence[Sample],
    measure: Callable[[Sequence[Sample]], float],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile interval of a measure when the photos are drawn again with replacement.

    Photos are drawn, not faces: the faces of one photo resemble each other. Efron & Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapter 13. Raises ValueError where there is no photo.
    """
    if not photos:
        raise ValueError("an interval needs at least one photo")
    random = np.random.default_rng(seed)
    draws = random.integers(0, len(photos), size=(resamples, len(photos)))
    values = [measure([photos[i] for i in draw]) for draw in draws]
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
