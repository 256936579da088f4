"""How good a classifier is on faces that it did not learn from, for every labelled face: cross-validation.

The photos are divided into folds, at random or by data set. For each fold a model is trained on all other photos, and
judges this one; together the folds judge every face once. Left out by set, photos come from elsewhere, as a user's do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import UsageError
from edge.evaluation.labelled import LabelledPhoto, split_photos
from edge.evaluation.tables import Table
from training import report
from training.dataset import FaceSample
from training.evaluation.classifier_figures import Answers, accuracy_name, figures_of
from training.evaluation.intervals import Estimate
from training.evaluation.records import ALL
from training.masks import MaskTraining

By = int | Literal["sets"]
"""So many folds at random, or one for each data set."""
LEARNT_SHARE = 0.9
"""Of a fold's training photos; the others end the training and calibrate."""

Train = Callable[[Sequence[FaceSample], Sequence[FaceSample], MaskTraining, Path], Any]
"""Trains a calibrated model on (faces to learn from, faces to validate on), into a folder."""
Predict = Callable[[Any, Sequence[FaceSample]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class JudgedPhoto:
    """One photo with the faces that a classifier can learn from."""

    photo: LabelledPhoto
    faces: Sequence[FaceSample]


def faces_of(photos: Sequence[JudgedPhoto]) -> list[FaceSample]:
    return [face for each in photos for face in each.faces]


@dataclass(frozen=True, slots=True)
class Fold:
    name: str
    held: NDArray[np.bool_]
    """Which photos the fold's model does not learn from, shape (photos,)."""


@dataclass(frozen=True, slots=True)
class CrossValidation:
    accuracy: str
    """The measure of spread()."""
    by_fold: dict[str, dict[str, Estimate]]
    by_set: dict[str, dict[str, Estimate]]
    """And of ALL."""

    def as_table(self) -> Table:
        columns = list(dict.fromkeys(measure for each in self.by_set.values() for measure in each))
        rows = [
            (name, *(each[column].as_text() if column in each else "–" for column in columns))
            for name, each in self.by_set.items()
        ]
        return Table("Faces that the model had not seen", ("set", *columns), rows)

    def spread(self) -> str:
        values = [each[self.accuracy].value for each in self.by_fold.values()]
        return (
            f"mean of {len(values)} folds: {self.accuracy} {np.mean(values):.3f}, "
            f"standard deviation {np.std(values):.3f}"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            name: {key: {measure: each.as_json() for measure, each in of.items()} for key, of in figures.items()}
            for name, figures in (("folds", self.by_fold), ("sets", self.by_set))
        }


def folds(photos: Sequence[JudgedPhoto], by: By, seed: int) -> list[Fold]:
    """Raises UsageError where there are too few photos or sets."""
    if by == "sets":
        names = np.array([each.photo.set_name for each in photos])
        if len(set(names.tolist())) < 2:
            raise UsageError(
                "--folds sets leaves out one data set after another, but there is only one; give --folds 5"
            )
        return [Fold(name, names == name) for name in sorted(set(names.tolist()))]
    if by > len(photos):
        raise UsageError(f"--folds {by} exceeds the number of photos, {len(photos)}")
    # In the order of a split, neighbours have the same set and the same rarest label, so every fold gets its share.
    parts = split_photos([each.photo for each in photos], seed, (1.0, 0.0, 0.0))
    place = {photo.path: number for number, photo in enumerate(chain(*parts.values()))}
    turns = np.array([place[each.photo.path] % by for each in photos])
    return [Fold(f"fold {number + 1} of {by}", turns == number) for number in range(by)]


def cross_validate(
    photos: Sequence[JudgedPhoto],
    by: By,
    options: MaskTraining,
    out: Path,
    train: Train,
    predict: Predict,
    *,
    resume: bool,
) -> CrossValidation:
    """A fold's answers are kept in `out`; with `resume` a fold that has some is not trained again. Raises UsageError
    where those are of other photos."""
    probabilities: dict[int, NDArray[np.float32]] = {}
    by_fold = {}
    for number, fold in enumerate(folds(photos, by, options.seed)):
        folder = out / f"fold-{number + 1}"
        kept = folder / "answers.npz"
        held = [index for index in range(len(photos)) if fold.held[index]]
        asked = np.array([face.source for index in held for face in photos[index].faces])
        if resume and kept.is_file():
            answers = _kept_answers(kept, asked)
        else:
            learnt, validation = _divided(
                [each for each, is_held in zip(photos, fold.held, strict=True) if not is_held]
            )
            model = train(learnt, validation, replace(options, seed=options.seed + number), folder)
            answers = predict(model, faces_of([photos[index] for index in held]))
            # What is there is whole, so that a run that is killed here can be resumed.
            unfinished = folder / "unfinished.npz"
            np.savez(unfinished, faces=asked, probabilities=answers)
            unfinished.replace(kept)
        ends = np.cumsum([len(photos[index].faces) for index in held])
        probabilities.update(zip(held, np.split(answers, ends[:-1]), strict=True))
        own = _figures([photos[index] for index in held], [probabilities[index] for index in held], options.labels)
        print(f"{fold.name}: {', '.join(f'{name} {each.as_text()}' for name, each in own.items())}", flush=True)
        by_fold[fold.name] = own
    by_set = _by_set(photos, [probabilities[index] for index in range(len(photos))], options.labels)
    return CrossValidation(accuracy_name(options.labels), by_fold, by_set)


def _kept_answers(kept: Path, asked: NDArray[np.str_]) -> NDArray[np.float32]:
    with np.load(kept) as found:
        if not np.array_equal(found["faces"], asked):
            raise UsageError(
                f"{kept} answers for other photos than those of this fold now, so the run cannot be resumed: --data, "
                "--seed, --folds or a label has changed; give another --out, or --overwrite"
            )
        return np.asarray(found["probabilities"], dtype=np.float32)


def _by_set(
    photos: Sequence[JudgedPhoto], probabilities: Sequence[NDArray[np.float32]], labels: Sequence[str]
) -> dict[str, dict[str, Estimate]]:
    """`probabilities`: of each photo's faces, shape (faces, labels)."""
    names = sorted({each.photo.set_name for each in photos})
    chosen = {name: [i for i, each in enumerate(photos) if each.photo.set_name == name] for name in names}
    return {
        name: _figures([photos[i] for i in indices], [probabilities[i] for i in indices], labels)
        for name, indices in {**chosen, ALL: list(range(len(photos)))}.items()
    }


def _figures(
    photos: Sequence[JudgedPhoto], probabilities: Sequence[NDArray[np.float32]], labels: Sequence[str]
) -> dict[str, Estimate]:
    faces = [len(each.faces) for each in photos]
    answers = Answers(
        tuple(labels),
        np.repeat(np.arange(len(photos)), faces),
        np.concatenate([np.arange(count) for count in faces]),
        report.label_indices(faces_of(photos), labels),
        np.concatenate(probabilities).astype(np.float64),
    )
    return figures_of(answers, len(photos), min_confidence=None)


def _divided(photos: Sequence[JudgedPhoto]) -> tuple[list[FaceSample], list[FaceSample]]:
    parts = split_photos([each.photo for each in photos], 1, (LEARNT_SHARE, 1 - LEARNT_SHARE, 0.0))
    chosen = {photo.path for photo in parts["train"]}
    learnt = [each for each in photos if each.photo.path in chosen]
    return faces_of(learnt), faces_of([each for each in photos if each.photo.path not in chosen])
