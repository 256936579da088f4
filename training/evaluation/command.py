"""`maskd-train evaluate`: detectors and classifiers side by side on labelled photos."""

from __future__ import annotations

import argparse
import platform
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.evaluation.examples import face_finder, load_photos
from edge.evaluation.labelled import read_photo
from edge.evaluation.labels.names import LabelNames
from edge.evaluation.metrics import precision_recall
from edge.vision.preprocess import Image, crop_face
from edge.vision.tflite import runtime_name
from training import plots
from training import report as run_report
from training.dataset import chosen_photos, print_skipped, require_different_names
from training.evaluation import report
from training.evaluation.classifier_figures import answers_of, classifier_figures
from training.evaluation.contenders import (
    YUNET_SIDES,
    ClassifierEntry,
    DetectorEntry,
    open_classifiers,
    open_detectors,
)
from training.evaluation.detector_figures import (
    detector_figures,
    false_causes,
    false_faces,
    matches_of,
    miss_causes,
    served_figures,
)
from training.evaluation.intervals import Estimate
from training.evaluation.latency import Timing, measure
from training.evaluation.records import ALL, PhotoRecord, by_set, counted, record_photos, shows_people
from training.evaluation.slice_figures import slice_figures

TIMED_PHOTOS = 30
TIMED_TURNS = 3


def run(arguments: argparse.Namespace) -> None:
    """Measures, prints the tables and writes the evaluation's folder. Raises MaskdError for what it cannot use."""
    detectors = open_detectors(arguments.detector)
    classifiers = open_classifiers(arguments.classifier)
    out: Path = arguments.out
    run_report.make_folder(out)
    cv2.setNumThreads(1)
    data = load_photos(
        arguments.data,
        arguments.seed,
        face_finder("face-detector"),
        corrected=not arguments.published_labels,
        names=LabelNames(_labels(classifiers), dict(arguments.label_map)),
    )
    require_different_names(data.sets)
    photos = chosen_photos(data, arguments.split)
    # A detector made the boxes of class folders: to ask detectors for them would prove nothing.
    without_boxes = frozenset(found.name for found in data.sets if found.kind == "classes")
    print_skipped(data)
    for line in (*data.taken_lines(), data.not_looked_at_text()):
        print(line)
    records = list(counted(record_photos(photos, detectors, classifiers, without_boxes), len(photos)))
    facts = {
        "photos": f"split {arguments.split}, seed {arguments.seed}; "
        + ("labels as published" if arguments.published_labels else data.corrections_text()),
        "machine": f"{platform.machine()}, {runtime_name()}, OpenCV {cv2.__version__}",
    }
    results = _results(records, detectors, classifiers, without_boxes, facts)
    parts = report.sections(results, detectors, classifiers)
    run_report.write_text(report.as_markdown(parts, facts), out / "report.md")
    run_report.write_json(report.as_json(results, detectors, classifiers), out / "metrics.json")
    print(report.as_text(parts))
    _draw(records, detectors, classifiers, without_boxes, out)
    print(f"\nThe report is {out / 'report.md'}, with pictures next to it.")


def _labels(classifiers: Sequence[ClassifierEntry]) -> list[str]:
    """Every label that one of them knows."""
    return list(dict.fromkeys(label for entry in classifiers for label in entry.classifier.labels))


def _results(
    records: Sequence[PhotoRecord],
    detectors: Sequence[DetectorEntry],
    classifiers: Sequence[ClassifierEntry],
    without_boxes: frozenset[str],
    facts: dict[str, str],
) -> report.Results:
    sets = by_set(records)
    peopled = {name: part for name, part in sets.items() if shows_people(part)}
    boxed = {name: part for name, part in peopled.items() if name not in without_boxes}
    empty = {name: part for name, part in sets.items() if name not in peopled and name not in without_boxes}
    with_people = [record for part in peopled.values() for record in part]
    together = peopled if len(peopled) < 2 else {**peopled, ALL: with_people}

    def classified(served: bool) -> dict[str, dict[str, dict[str, Estimate]]]:
        return {
            name: {
                e.name: classifier_figures(
                    part, e.name, e.classifier.labels, e.classifier.min_confidence, served=served
                )
                for e in classifiers
            }
            for name, part in together.items()
            if not served or name not in without_boxes
        }

    return report.Results(
        facts=facts,
        sets={name: _counts(part) for name, part in sets.items()},
        classifiers=classified(served=False),
        classifiers_served=classified(served=True),
        detectors={
            name: {e.name: detector_figures(part, e.name, e.detector.recommended_min_score) for e in detectors}
            for name, part in boxed.items()
        },
        served={
            name: {e.name: served_figures(part, e.name, e.detector.recommended_min_score) for e in detectors}
            for name, part in boxed.items()
        },
        false_faces={
            name: {e.name: false_faces(part, e.name, e.detector.recommended_min_score) for e in detectors}
            for name, part in empty.items()
        },
        misses={name: {e.name: _causes(part, e) for e in detectors} for name, part in boxed.items()},
        timings=_timings(records, detectors, classifiers),
        reference=_reference(detectors),
        slices=slice_figures(with_people, detectors, classifiers) if with_people else [],
    )


def _causes(records: Sequence[PhotoRecord], entry: DetectorEntry) -> Counter[str]:
    score = entry.detector.recommended_min_score
    return miss_causes(records, entry.name, score) + false_causes(records, entry.name, score)


def _counts(records: Sequence[PhotoRecord]) -> dict[str, int]:
    return {"photos": len(records), **Counter(label for record in records for label in record.photo.labels)}


def _reference(detectors: Sequence[DetectorEntry]) -> str:
    """YuNet at the smaller of its sizes where it takes part, else the first detector."""
    names = [entry.name for entry in detectors]
    return next((name for name in names if name.startswith(f"YuNet {YUNET_SIDES[0]}")), names[0])


def _timings(
    records: Sequence[PhotoRecord], detectors: Sequence[DetectorEntry], classifiers: Sequence[ClassifierEntry]
) -> list[Timing]:
    """Of photos spread over all sets."""
    chosen = np.linspace(0, len(records) - 1, min(TIMED_PHOTOS, len(records))).astype(int).tolist()
    photos = [records[index].photo for index in chosen]

    return measure(
        [(read_photo(photo.path), [face.box for face in photo.faces]) for photo in photos],
        {entry.name: entry.detector for entry in detectors},
        {entry.name: entry.classifier.probabilities for entry in classifiers},
        TIMED_TURNS,
    )


def _draw(
    records: Sequence[PhotoRecord],
    detectors: Sequence[DetectorEntry],
    classifiers: Sequence[ClassifierEntry],
    without_boxes: frozenset[str],
    out: Path,
) -> None:
    """Precision-recall curves for each set, and a folder for each model with what it gets wrong."""
    searched = {name: part for name, part in by_set(records).items() if name not in without_boxes}
    for name, part in searched.items():
        curves = {entry.name: precision_recall(matches_of(part, entry.name)) for entry in detectors}
        if any(curve.faces for curve in curves.values()):
            plots.precision_recall(
                curves, out / f"precision_recall_{_file_name(name)}.png", f"{name}: faces of 16 px and more"
            )
    for entry in detectors:
        score = entry.detector.recommended_min_score
        finds = (
            (record.photo, [face for face in record.found[entry.name] if face.score >= score])
            for part in searched.values()
            for record in part
        )
        run_report.draw_finds(finds, out / f"detector_{_file_name(entry.name)}" / "mistakes.png")
    for classifier in classifiers:
        _draw_answers(records, classifier, out / f"classifier_{_file_name(classifier.name)}")


def _draw_answers(records: Sequence[PhotoRecord], entry: ClassifierEntry, folder: Path) -> None:
    answers = answers_of(records, entry.name, entry.classifier.labels)
    if not answers.truth.size:
        return

    def show(index: int) -> tuple[Image, str]:
        record = records[answers.photo[index]]
        box = record.photo.faces[answers.face[index]].box
        return crop_face(read_photo(record.photo.path), box, margin=0.2, size=96), record.source

    run_report.draw_answers(
        answers.truth, answers.probabilities, answers.labels, show, folder, f"{entry.name}, {{}} faces"
    )


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "model"
