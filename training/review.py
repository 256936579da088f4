"""`maskd-train review`: labels that a classifier doubts and faces without a label, for a person to judge."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import UsageError
from edge.evaluation.corrections import Correction, as_json, corrections_of, face_index
from edge.evaluation.examples import MIN_FACE_PX, PhotoData, is_judgeable, load_sets
from edge.evaluation.labelled import LabelledFace, LabelledPhoto, read_photo
from edge.evaluation.labels.layout import find_sets
from edge.evaluation.labels.names import LabelNames
from edge.evaluation.labels.photo_set import PhotoSet
from edge.evaluation.labels.reading import UNLABELLED, read_unlabelled
from edge.evaluation.metrics import IGNORE_SHARE
from edge.geometry import Box
from edge.system.printable import one_line
from edge.vision.faces import Face, FaceDetector, TfliteFaceDetector
from edge.vision.model import open_model
from edge.vision.preprocess import Image
from training import report
from training.dataset import print_skipped, require_different_names
from training.evaluation.contenders import Classifier, open_classifiers
from training.review_sheet import Tile, face_view, write_sheets

SURE_SCORE = 0.7
"""Few detections from this score on are false, so most of those without a label are missing labels."""
SAME_FACE_IOU = 0.3
"""Overlap from which a found face is a known one; people draw boxes more loosely than detectors."""

Opinion = Mapping[str, float]
"""The probability of each label, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A published label, and what the classifier thinks of the face."""

    photo: LabelledPhoto
    face: LabelledFace
    opinion: Opinion

    @property
    def likeliest(self) -> str:
        return max(self.opinion, key=lambda label: self.opinion[label])


@dataclass(frozen=True, slots=True)
class Overlooked:
    """A face that the detector is sure of and that no label covers."""

    photo: LabelledPhoto
    face: Face


@dataclass(frozen=True, slots=True)
class Findings:
    """Of one set, the most suspicious first; `judged` labels were looked at."""

    doubts: list[Doubt]
    overlooked: list[Overlooked]
    judged: int


def run(arguments: argparse.Namespace) -> None:
    """Writes sheets and suggestions, a folder for each set. Raises MaskdError for data or models it cannot use."""
    classifiers = _classifiers(arguments.model)
    detector = TfliteFaceDetector(open_model(arguments.detector, "face_detection"))
    names = LabelNames(classifiers[0].labels, dict(arguments.label_map))
    layout = find_sets(arguments.data, names)
    require_different_names(layout.sets)
    for found in layout.sets:
        findings = look_through(found, classifiers, detector, arguments.count, names)
        folder: Path = arguments.out / found.name
        report.make_folder(folder)
        _write_doubts(findings, found, folder)
        _write_overlooked(findings, found, folder)
        other = sum(doubt.likeliest != doubt.face.label for doubt in findings.doubts)
        print(
            f"{found.name}: {findings.judged} labels checked; of the {len(findings.doubts)} most suspicious the "
            f"model would change {other}; faces without a label: {len(findings.overlooked)}",
            flush=True,
        )
    print(
        "\n"
        f"The sheets are in {arguments.out}; next: look at them, edit suggestions.json (remove correct labels) and "
        "unlabelled.json, and copy them to the set's folder as corrections.json and unlabelled.json"
    )
    print(PhotoData(not_looked_at=layout.not_looked_at).not_looked_at_text())


def look_through(
    found: PhotoSet, classifiers: Sequence[Classifier], detector: FaceDetector, count: int, names: LabelNames
) -> Findings:
    """Looks at every label of a set that no correction speaks of; at most `count` doubts and overlooked faces."""

    def best_first(image: Image) -> list[Box]:
        return [face.box for face in detector.detect(image, detector.recommended_min_score)]

    data = load_sets([found], 1, best_first, corrected=False, names=names)
    print_skipped(data)
    corrections = corrections_of(found)
    doubts: list[Doubt] = []
    overlooked: list[Overlooked] = []
    for photo in sorted((p for part in data.splits.values() for p in part), key=lambda photo: photo.path):
        decided = [c for c in corrections if c.photo == found.key(photo.path)]
        image = read_photo(photo.path)
        settled = {face_index(photo.faces, correction) for correction in decided}
        faces = [face for index, face in enumerate(photo.faces) if index not in settled and is_judgeable(face)]
        opinions = mean_opinion(classifiers, image, [face.box for face in faces])
        for face, opinion in zip(faces, opinions, strict=True):
            if face.label in opinion:
                doubts.append(Doubt(photo, face, opinion))
        if found.has_boxes:
            added = [Box(*c.box) for c in decided if c.box is not None]
            known = [*(face.box for face in photo.faces), *photo.ignored, *added]
            overlooked += [
                Overlooked(photo, face)
                for face in detector.detect(image, SURE_SCORE)
                if max(face.box.width, face.box.height) >= MIN_FACE_PX and not any(_covers(b, face.box) for b in known)
            ]
    judged = len(doubts)
    doubts.sort(key=lambda doubt: doubt.opinion[doubt.face.label])
    overlooked.sort(key=lambda item: -item.face.score)
    return Findings(doubts[:count], overlooked[:count], judged)


def mean_opinion(classifiers: Sequence[Classifier], image: Image, boxes: Sequence[Box]) -> list[Opinion]:
    """What several classifiers of the same labels think of each face: the mean of their probabilities."""
    labels = classifiers[0].labels
    columns = [[classifier.labels.index(label) for label in labels] for classifier in classifiers]
    answers = [
        classifier.probabilities(image, boxes)[:, order] for classifier, order in zip(classifiers, columns, strict=True)
    ]
    return [dict(zip(labels, row, strict=True)) for row in np.mean(answers, axis=0).tolist()]


def _classifiers(models: Sequence[str]) -> list[Classifier]:
    classifiers = [entry.classifier for entry in open_classifiers(models)]
    if any(set(classifier.labels) != set(classifiers[0].labels) for classifier in classifiers):
        raise UsageError("the models given with --model have different labels; give models with the same labels")
    return classifiers


def _covers(known: Box, found: Box) -> bool:
    inside = found.moved(-known.x1, -known.y1).clipped(known.width, known.height)
    return known.iou(found) >= SAME_FACE_IOU or inside.area >= IGNORE_SHARE * found.area


def _write_doubts(findings: Findings, found: PhotoSet, folder: Path) -> None:
    """`labels-01.png` and on, and `suggestions.json`, whose n-th entry is number n on the sheets."""
    tiles, entries = [], []
    doubts = [doubt for doubt in findings.doubts if _is_text(found.key(doubt.photo.path))]
    for doubt in findings.doubts:
        if doubt not in doubts:
            name = one_line(doubt.photo.path)
            print(f"left out: {name}: its name is not UTF-8, so corrections cannot refer to it; rename it", flush=True)
    for number, doubt in enumerate(doubts, start=1):
        box, likeliest = doubt.face.box, doubt.likeliest
        key = found.key(doubt.photo.path)
        caption = (
            f"#{number} {_size(box)} {key}",
            f"label {doubt.face.label} {doubt.opinion[doubt.face.label]:.2f}",
            f"model {likeliest} {doubt.opinion[likeliest]:.2f}",
        )
        tiles.append(Tile(face_view(read_photo(doubt.photo.path), box), caption))
        # In class folders the box is a detector's, and another one would draw it otherwise.
        corners = None if found.kind == "classes" else (box.x1, box.y1, box.x2, box.y2)
        entries.append(Correction(photo=key, box=corners, label=likeliest))
    write_sheets(tiles, folder, "labels")
    report.write_text(as_json(entries), folder / "suggestions.json")


def _write_overlooked(findings: Findings, found: PhotoSet, folder: Path) -> None:
    """`faces-01.png` and on, and `unlabelled.json`: what the set has of it already, and the faces found now."""
    tiles = []
    boxes: dict[str, list[list[int]]] = {
        name: [_corners(box) for box in known] for name, known in read_unlabelled(found.path / UNLABELLED).items()
    }
    for number, item in enumerate(findings.overlooked, start=1):
        corners = _corners(item.face.box)
        boxes.setdefault(found.key(item.photo.path), []).append(corners)
        caption = (
            f"#{number} {_size(item.face.box)} {found.key(item.photo.path)}",
            f"score {item.face.score:.2f}",
            f"{corners}",
        )
        tiles.append(Tile(face_view(read_photo(item.photo.path), item.face.box), caption))
    write_sheets(tiles, folder, "faces")
    if found.has_boxes:
        lines = ",\n".join(
            f"  {json.dumps(name, ensure_ascii=not _is_text(name))}: {boxes[name]}" for name in sorted(boxes)
        )
        report.write_text(f"{{\n{lines}\n}}\n", folder / "unlabelled.json")


def _is_text(name: str) -> bool:
    """Whether a file of UTF-8 can hold it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _corners(box: Box) -> list[int]:
    return [round(value) for value in (box.x1, box.y1, box.x2, box.y2)]


def _size(box: Box) -> str:
    return f"{max(box.width, box.height):.0f}px"
