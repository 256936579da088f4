"""What an evaluation found, as tables for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.evaluation.examples import SERVED_IOU
from edge.evaluation.tables import Table
from training.evaluation.contenders import ClassifierEntry, DetectorEntry
from training.evaluation.detector_figures import FALSE_CAUSES, MISS_CAUSES
from training.evaluation.intervals import Estimate
from training.evaluation.latency import Timing, latency_table
from training.evaluation.slice_figures import FEW_FACES, SliceFigures

NOTHING = "–"

HOW_TO_READ = """\
Each figure has its 95 % interval (1000 bootstrap draws of whole photos; if all or none hit, the rule of three) and the
number n of faces, photos or detections behind it. Accuracy: faces of 10 px and more in their labelled boxes, in class
folders in the box of the shipped detector, if it finds one; an answer counts before the threshold for `unknown`. "Mask
or none": faces labelled `with_mask` or `without_mask`, the more probable of the two. Calibration error: 15 bins, of the
probability of the answer; chance raises it if there are few faces, and again in the draws, so its interval is biased
upwards. AP: area under the precision-recall curve of faces 16 px high and more in the photo, at an IoU of 0.5, 0.4 and
0.3; smaller and unlabelled faces count neither way. Precision and recall: at IoU 0.5 and the recommended score."""


@dataclass(frozen=True, slots=True)
class Results:
    """All figures of one evaluation; the outer key of each mapping is the set."""

    facts: Mapping[str, Any]
    """What was measured, on what, where: sentences for the head of the report, by a short key."""
    sets: Mapping[str, Mapping[str, int]]
    """Photos and faces per label of each set."""
    classifiers: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    """By set, classifier and measure, in the labels' boxes."""
    classifiers_served: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    """The same, in the boxes of the first detector."""
    detectors: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    """By set, detector and measure."""
    served: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    """By set, detector and measure: see `served_figures`."""
    false_faces: Mapping[str, Mapping[str, Estimate]]
    """By set without people, and detector."""
    misses: Mapping[str, Mapping[str, Counter[str]]]
    """By set and detector: missed and false faces by cause."""
    timings: Sequence[Timing]
    reference: str
    slices: Sequence[SliceFigures]


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    tables: Sequence[Table]
    text: str = ""


def sections(
    results: Results, detectors: Sequence[DetectorEntry], classifiers: Sequence[ClassifierEntry]
) -> list[Section]:
    """The report in the order in which it is read; a section without figures is left out."""
    parts = [
        Section("Photos", [_sets_table(results.sets)]),
        Section("Classifiers", [_by_measure(name, each) for name, each in results.classifiers.items() if each]),
        Section(
            f"Classifiers in the boxes of {detectors[0].name}",
            [_by_measure(name, each) for name, each in results.classifiers_served.items() if any(each.values())],
            _OWN_BOXES_TEXT,
        ),
        Section(
            "Faces found at the recommended score",
            [_by_model(name, each, detectors) for name, each in results.served.items()],
            _SERVED_TEXT,
        ),
        Section("Detectors", [_by_model(name, each, detectors) for name, each in results.detectors.items()]),
        Section(
            "Photos without people", [_false_faces_table(*each, detectors) for each in results.false_faces.items()]
        ),
        Section("What limits the detectors", _bounds_tables(results), _BOUNDS_TEXT),
        Section("Latency", _latency_tables(results)),
        Section("Slices", [_slice_table(each, detectors, classifiers) for each in results.slices], _SLICES_TEXT),
    ]
    return [part for part in parts if part.tables]


_SERVED_TEXT = f"""\
What a user gets: each detector at its recommended score; a face counts as found if a box overlaps the label's by an IoU
of {SERVED_IOU:g}, so that the sets' different box styles do not matter."""

_OWN_BOXES_TEXT = f"""\
What a user gets: the faces that this detector finds at its recommended score (IoU {SERVED_IOU:g}), in the boxes that it
draws."""

_BOUNDS_TEXT = """\
Faces of 16 px and more that are not found at the recommended score, by the first cause that applies: a detection of a
lower score (down to 0.02) matches; a box of any score overlaps by 0.3 or more, but not enough or taken by a neighbour;
or there is no box, by the face's height in the photo. Then the false faces at the recommended score."""

_SLICES_TEXT = f"""\
All sets with people together, sliced by what can be measured in the pixels, and by marks. Accuracy is
a classifier's on the labels it knows, recall a detector's at its recommended score. Slices of fewer than {FEW_FACES}
faces are marked: they mean almost nothing."""


def as_markdown(parts: Sequence[Section], facts: Mapping[str, Any]) -> str:
    lines = ["# Evaluation", "", *(f"- {key}: {value}" for key, value in facts.items()), "", HOW_TO_READ]
    for part in parts:
        lines += ["", f"## {part.title}", *(["", part.text] if part.text else [])]
        for table in part.tables:
            lines += ["", table.as_markdown()]
    return "\n".join(lines) + "\n"


def as_text(parts: Sequence[Section]) -> str:
    return "\n\n".join(
        f"== {part.title} ==\n\n" + "\n\n".join(table.as_text() for table in part.tables) for part in parts
    )


def as_json(
    results: Results, detectors: Sequence[DetectorEntry], classifiers: Sequence[ClassifierEntry]
) -> dict[str, Any]:
    """Everything in the tables, with plain numbers."""

    def plain(value: Any) -> Any:
        if isinstance(value, Estimate):
            return value.as_json()
        return {key: plain(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value

    return {
        **results.facts,
        "models": {
            "detectors": {
                e.name: {"source": e.source, "shown": e.shown, "min_score": e.detector.recommended_min_score}
                for e in detectors
            },
            "classifiers": {
                e.name: {
                    "source": e.source,
                    "labels": list(e.classifier.labels),
                    "min_confidence": e.classifier.min_confidence,
                }
                for e in classifiers
            },
        },
        "sets": plain(results.sets),
        "classifiers": plain(results.classifiers),
        "classifiers_served": plain(results.classifiers_served),
        "detectors": plain(results.detectors),
        "served": plain(results.served),
        "false_faces": plain(results.false_faces),
        "misses": plain(results.misses),
        "latency_ms": {timing.name: round(timing.median, 3) for timing in results.timings},
        "slices": {
            each.trait.name: {"accuracy": plain(each.accuracy), "recall": plain(each.recall)} for each in results.slices
        },
    }


def _sets_table(sets: Mapping[str, Mapping[str, int]]) -> Table:
    columns = list(dict.fromkeys(key for counts in sets.values() for key in counts))
    return Table(
        "", ("set", *columns), [(name, *(str(counts.get(key, 0)) for key in columns)) for name, counts in sets.items()]
    )


def _by_measure(title: str, figures: Mapping[str, Mapping[str, Estimate]]) -> Table:
    """A row for each measure, a column for each model: classifiers are few, and their measures many."""
    measures = list(dict.fromkeys(measure for each in figures.values() for measure in each))
    rows = [(measure, *(_cell(each.get(measure)) for each in figures.values())) for measure in measures]
    return Table(title, ("measure", *figures), rows)


def _by_model(title: str, figures: Mapping[str, Mapping[str, Estimate]], detectors: Sequence[DetectorEntry]) -> Table:
    measures = list(dict.fromkeys(measure for each in figures.values() for measure in each))
    rows = [
        (
            entry.name,
            entry.shown,
            *(_cell(figures[entry.name].get(measure)) for measure in measures),
            f"{entry.detector.recommended_min_score:g}",
        )
        for entry in detectors
        if entry.name in figures
    ]
    return Table(title, ("detector", "input, px", *measures, "at score"), rows)


def _false_faces_table(title: str, figures: Mapping[str, Estimate], detectors: Sequence[DetectorEntry]) -> Table:
    rows = [
        (entry.name, figures[entry.name].as_text(1), f"{entry.detector.recommended_min_score:g}") for entry in detectors
    ]
    return Table(title, ("detector", "false faces per 100 photos", "at score"), rows)


def _bounds_tables(results: Results) -> list[Table]:
    tables = []
    for name, by_detector in results.misses.items():
        causes = [cause for cause in (*MISS_CAUSES, *FALSE_CAUSES) if any(c[cause] for c in by_detector.values())]
        rows = [
            (detector, str(sum(counts[cause] for cause in MISS_CAUSES)), *(str(counts[cause]) for cause in causes))
            for detector, counts in by_detector.items()
        ]
        tables.append(Table(name, ("detector", "missed", *causes), rows))
    return tables


def _latency_tables(results: Results) -> list[Table]:
    if not results.timings:
        return []
    note = (
        "One thread, the models taking turns on the same photos, from the decoded picture to the faces or answers. "
        "Models before conversion (Keras) are the exception: they use every core, and do not predict the speed on a "
        "device."
    )
    return [latency_table(results.timings, results.reference, note=note)]


def _slice_table(
    figures: SliceFigures, detectors: Sequence[DetectorEntry], classifiers: Sequence[ClassifierEntry]
) -> Table:
    asked = [entry.name for entry in classifiers if any(entry.name in row for row in figures.accuracy.values())]
    searched = [entry.name for entry in detectors if any(entry.name in row for row in figures.recall.values())]
    rows = [
        (
            name,
            *(_slice_cell(figures.accuracy.get(name, {}).get(model)) for model in asked),
            *(_slice_cell(figures.recall.get(name, {}).get(model)) for model in searched),
        )
        for name in figures.slices
    ]
    header = ("", *(f"{name}: accuracy" for name in asked), *(f"{name}: recall" for name in searched))
    return Table(figures.trait.name, header, rows, figures.trait.explanation)


def _cell(figure: Estimate | None) -> str:
    return NOTHING if figure is None else figure.as_text()


def _slice_cell(figure: Estimate | None) -> str:
    if figure is None:
        return NOTHING
    return figure.as_text(2) + (" (too few)" if figure.count < FEW_FACES else "")
