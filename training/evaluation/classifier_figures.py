"""How well a classifier tells how masks are worn: figures with intervals, from records of photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.evaluation.examples import is_judgeable
from edge.evaluation.labels.names import UNSURE
from edge.evaluation.metrics import classification_report, expected_calibration_error
from training.evaluation.intervals import Estimate, Floats, Resampling
from training.evaluation.records import PhotoRecord

ECE_BINS = 15
TWO_LABELS = ("with_mask", "without_mask")
MACRO_F1 = "macro-F1"
TWO_CLASS = "mask or none, accuracy"
CALIBRATION = "calibration error"
UNKNOWN_SHARE = "unknown, share"
KNOWN_ACCURACY = "accuracy of the rest"


@dataclass(frozen=True, slots=True)
class Answers:
    """A classifier's answers on the faces that it can be asked about: large enough, with a label that it knows."""

    labels: tuple[str, ...]
    photo: NDArray[np.int64]
    """Index of each face's photo among the records, shape (n,)."""
    face: NDArray[np.int64]
    """Index of each face on its photo, shape (n,)."""
    truth: NDArray[np.int64]
    """Index of each face's label, shape (n,)."""
    probabilities: Floats
    """Shape (n, number of labels)."""

    @property
    def predicted(self) -> NDArray[np.int64]:
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def confidence(self) -> Floats:
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def correct(self) -> NDArray[np.bool_]:
        return np.asarray(self.predicted == self.truth)


def answers_of(records: Sequence[PhotoRecord], name: str, labels: Sequence[str], *, served: bool = False) -> Answers:
    """The answers of the classifier `name`, whose labels these are; `served`: of the faces that the detector finds, in
    its boxes."""
    rows = []
    for number, record in enumerate(records):
        given = (record.served if served else record.probabilities).get(name)
        if given is None:
            continue
        for index, (face, probabilities) in enumerate(zip(record.photo.faces, given, strict=True)):
            if face.label in labels and is_judgeable(face) and not np.isnan(probabilities).any():
                rows.append((number, index, labels.index(face.label), probabilities))
    return Answers(
        tuple(labels),
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.int64),
        np.array([row[3] for row in rows], dtype=np.float64).reshape(-1, len(labels)),
    )


def classifier_figures(
    records: Sequence[PhotoRecord],
    name: str,
    labels: Sequence[str],
    min_confidence: float | None,
    *,
    served: bool = False,
) -> dict[str, Estimate]:
    """Figures by name; those that the set or the classifier does not allow are missing.

    Accuracy and macro-F1 are given where the classifier knows every label of the set but UNSURE. The two-class accuracy
    takes the more probable of TWO_LABELS, on the faces with one of them; for a classifier of these two it is the only
    one. Where `min_confidence` is not None, an answer below it is `unknown`. `served`: see `answers_of`.
    """
    shown = {face.label for record in records for face in record.photo.faces if is_judgeable(face)}
    answers = answers_of(records, name, labels, served=served)
    return figures_of(answers, len(records), min_confidence, knows_all=shown - {UNSURE} <= set(labels))


def figures_of(
    answers: Answers, photos: int, min_confidence: float | None, *, knows_all: bool = True
) -> dict[str, Estimate]:
    """As `classifier_figures`, of answers on so many photos; `knows_all`: the photos show no label but the
    classifier's."""
    if not answers.truth.size:
        return {}
    labels = answers.labels
    draws = Resampling(photos)

    def share(hits: NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> Estimate | None:
        asked = np.ones(hits.shape, dtype=np.bool_) if among is None else among
        return draws.ratio(_per_photo(answers, hits & asked, photos), _per_photo(answers, asked, photos))

    correct = answers.correct
    figures: dict[str, Estimate | None] = {}
    if knows_all:
        if set(labels) != set(TWO_LABELS):
            figures[accuracy_name(labels)] = share(correct)
        figures[MACRO_F1] = _macro_f1(answers, draws, photos)
    for index, label in enumerate(labels):
        figures[f"recall {label}"] = share(correct, answers.truth == index)
    if set(TWO_LABELS) <= set(labels):
        columns = [labels.index(label) for label in TWO_LABELS]
        of_two = np.asarray(np.isin(answers.truth, columns))
        chosen = np.array(columns)[answers.probabilities[:, columns].argmax(axis=1)]
        figures[TWO_CLASS] = share(np.asarray(chosen == answers.truth), of_two)
    figures[CALIBRATION] = _calibration(answers, draws, photos)
    if min_confidence is not None:
        known = np.asarray(answers.confidence >= min_confidence)
        figures[UNKNOWN_SHARE] = share(~known)
        figures[KNOWN_ACCURACY] = share(correct, known)
    return {key: figure for key, figure in figures.items() if figure is not None}


def accuracy_name(labels: Sequence[str]) -> str:
    """Of the share of right answers; one of two labels is called otherwise, see `classifier_figures`."""
    if set(labels) == set(TWO_LABELS):
        return TWO_CLASS
    return "three-class accuracy" if len(labels) == 3 else f"accuracy of {len(labels)} labels"


def _per_photo(answers: Answers, values: NDArray[np.bool_], photos: int) -> Floats:
    """How many of the faces with a true value each photo has, shape (photos,)."""
    return np.bincount(answers.photo, weights=values, minlength=photos).astype(np.float64)


def _macro_f1(answers: Answers, draws: Resampling, photos: int) -> Estimate:
    """Mean F1 of the labels that have examples; in a draw, of those that have some in it.

    Where every answer is right, the interval is that of the rule of three for the recall of each label, averaged; see
    `Resampling.ratio`.
    """
    if answers.correct.all():
        photos_of = [len(np.unique(answers.photo[answers.truth == label])) for label in np.unique(answers.truth)]
        return Estimate(1.0, float(np.mean([max(0.0, 1 - 3 / n) for n in photos_of])), 1.0, len(answers.truth))
    count = len(answers.labels)
    cells = np.zeros((photos, count * count))
    np.add.at(cells, (answers.photo, answers.truth * count + answers.predicted), 1)

    def macro(confusions: Floats) -> Floats:
        hits = np.diagonal(confusions, axis1=1, axis2=2)
        support, taken = confusions.sum(axis=2), confusions.sum(axis=1)
        f1 = np.where(support > 0, 2 * hits / np.maximum(support + taken, 1), np.nan)
        known = np.isfinite(f1)
        return np.asarray(np.where(known, f1, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))

    value = classification_report(answers.labels, answers.truth, answers.predicted).macro_f1
    return draws.estimate(value, macro(draws.sums(cells).reshape(-1, count, count)), len(answers.truth))


def _calibration(answers: Answers, draws: Resampling, photos: int) -> Estimate:
    """Expected calibration error, as of `edge.evaluation.metrics.expected_calibration_error`."""
    confidence, correct = answers.confidence, answers.correct
    bins = np.clip(np.ceil(confidence * ECE_BINS).astype(np.int64) - 1, 0, ECE_BINS - 1)
    gaps = np.zeros((photos, ECE_BINS))
    np.add.at(gaps, (answers.photo, bins), correct - confidence)
    counts = np.bincount(answers.photo, minlength=photos)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.abs(draws.sums(gaps)).sum(axis=1) / draws.sums(counts)
    return draws.estimate(expected_calibration_error(confidence, correct, ECE_BINS), drawn, len(correct))
