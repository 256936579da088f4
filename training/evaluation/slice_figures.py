"""Accuracy and recall by what the pixels tell of the faces, from records of photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.evaluation.examples import MIN_FACE_HEIGHT_PX
from training.evaluation.classifier_figures import answers_of
from training.evaluation.contenders import ClassifierEntry, DetectorEntry
from training.evaluation.detector_figures import SLICED_HEIGHT_PX, found_at
from training.evaluation.intervals import Estimate, Resampling
from training.evaluation.records import PhotoRecord
from training.evaluation.slices import TRAITS, Trait

NOT_TOLD = "unknown"
FEW_FACES = 20
"""Below this many faces a slice says next to nothing."""


@dataclass(frozen=True, slots=True)
class SliceFigures:
    """One trait: by slice, the accuracy of each classifier and the recall of each detector, by name."""

    trait: Trait
    accuracy: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    recall: dict[str, dict[str, Estimate]] = field(default_factory=dict)

    @property
    def slices(self) -> list[str]:
        """Those that hold a face, in their order."""
        return [name for name in (*self.trait.slices, NOT_TOLD) if name in self.accuracy or name in self.recall]


@dataclass(frozen=True, slots=True)
class _Sample:
    """One face that one contender was asked about; `photo` is the index of its photo among the records."""

    photo: int
    height: float
    traits: Mapping[str, float]
    hit: bool


def slice_figures(
    records: Sequence[PhotoRecord], detectors: Sequence[DetectorEntry], classifiers: Sequence[ClassifierEntry]
) -> list[SliceFigures]:
    """Every trait over all these photos together; traits that can be told of no face are left out.

    Recall is that at each detector's recommended score, on faces of MIN_FACE_HEIGHT_PX and more; by height, of
    SLICED_HEIGHT_PX and more.
    """
    draws = Resampling(len(records))
    answers = {entry.name: _answered(records, entry) for entry in classifiers}
    finds = {entry.name: _found(records, entry) for entry in detectors}
    result = []
    for trait in TRAITS:
        figures = SliceFigures(trait)
        if not any(trait.name in traits for record in records for traits in record.traits):
            continue
        least = SLICED_HEIGHT_PX if trait.name == "height" else MIN_FACE_HEIGHT_PX
        for name, samples in answers.items():
            _fill(figures.accuracy, trait, name, samples, draws, len(records))
        for name, samples in finds.items():
            asked = [sample for sample in samples if sample.height >= least]
            _fill(figures.recall, trait, name, asked, draws, len(records))
        result.append(figures)
    return result


def _answered(records: Sequence[PhotoRecord], entry: ClassifierEntry) -> list[_Sample]:
    answers = answers_of(records, entry.name, entry.classifier.labels)
    samples = []
    for photo, face, correct in zip(answers.photo, answers.face, answers.correct, strict=True):
        record = records[photo]
        samples.append(_Sample(int(photo), record.photo.faces[face].box.height, record.traits[face], bool(correct)))
    return samples


def _found(records: Sequence[PhotoRecord], entry: DetectorEntry) -> list[_Sample]:
    return [
        _Sample(number, face.box.height, traits, bool(score >= entry.detector.recommended_min_score))
        for number, record in enumerate(records)
        if entry.name in record.found
        for face, traits, score in zip(record.photo.faces, record.traits, found_at(record, entry.name), strict=True)
    ]


def _fill(
    figures: dict[str, dict[str, Estimate]],
    trait: Trait,
    name: str,
    samples: Sequence[_Sample],
    draws: Resampling,
    photos: int,
) -> None:
    for slice_name in (*trait.slices, NOT_TOLD):
        members = [sample for sample in samples if _slice(trait, sample) == slice_name]
        places = [sample.photo for sample in members]
        hits = np.bincount(places, weights=[sample.hit for sample in members], minlength=photos)
        estimate = draws.ratio(hits, np.bincount(places, minlength=photos)) if members else None
        if estimate is not None:
            figures.setdefault(slice_name, {})[name] = estimate


def _slice(trait: Trait, sample: _Sample) -> str:
    value = sample.traits.get(trait.name)
    return NOT_TOLD if value is None else trait.slice_of(value)
