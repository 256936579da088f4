"""What a user is told: the visits that a detector leads to, through tracking and votes, rather than single detections.

Each photo is shown as a clip of some seconds. A labelled face is a visit that was found if a `started` event came from
its place; a `started` from where no face is labelled is a false visit.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import cv2

from edge.config import Config
from edge.errors import MaskdError
from edge.evaluation.examples import SERVED_IOU, face_finder, load_photos
from edge.evaluation.labelled import LabelledPhoto, read_photo
from edge.evaluation.tables import Table
from edge.geometry import Box
from edge.people.replay import replay
from edge.people.transition import Transition
from edge.people.watched_camera import CameraRules, camera_rules
from edge.vision.masks import MaskClassifier
from edge.vision.model import open_model
from edge.vision.pipeline import Vision
from edge.vision.preprocess import Image
from training.dataset import chosen_photos, print_skipped
from training.evaluation.contenders import SHIPPED_CLASSIFIER, DetectorEntry, open_detectors
from training.evaluation.intervals import Estimate, Resampling
from training.evaluation.photo_clip import FPS, FRAMES, LONGER_SIDE, Shown, photo_clip, scale_of
from training.evaluation.records import counted

HEIGHTS = (20.0, 32.0, 64.0)
"""Edges of the ranges of a face's height, in pixels of the camera's picture; smaller faces count neither way."""
RANGES = (*(f"{low:g}–{high:g} px" for low, high in pairwise(HEIGHTS)), f"{HEIGHTS[-1]:g} px and more")
_CAMERA = "clip"


@dataclass(slots=True)
class PhotoVisits:
    """Of one photo and one score: by range, the faces that were there, announced, and announced with their label."""

    faces: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RANGES, 0))
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RANGES, 0))
    right: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RANGES, 0))
    false: int = 0


def run(arguments: argparse.Namespace) -> None:
    """Prints the tables. Raises MaskdError for what it cannot use."""
    cv2.setNumThreads(1)
    detectors = open_detectors(arguments.detector)
    classifier = MaskClassifier(open_model(SHIPPED_CLASSIFIER, "mask_classification"))
    data = load_photos(arguments.data, arguments.seed, face_finder("face-detector"))
    if any(found.kind == "classes" for found in data.sets):
        raise MaskdError("class folders have no boxes, so nobody knows who is on a photo; give labelled photos")
    photos = chosen_photos(data, arguments.split)
    print_skipped(data)
    print(f"Each photo as a clip of {FRAMES} pictures at {FPS:g} fps, longer side {LONGER_SIDE} px at most")
    for entry in detectors:
        print(f"\n{_table(entry, classifier, photos, arguments.score).as_text()}", flush=True)


def visits_of(
    photo: LabelledPhoto, image: Image, vision: Vision, rules: Mapping[str, CameraRules], seed: int
) -> dict[str, PhotoVisits]:
    """By the name of the rules."""
    shown = list(photo_clip(image, seed))
    happened = replay((each.frame for each in shown), vision, rules)
    return {name: _visits(photo, scale_of(image), shown, each) for name, each in happened.items()}


def _visits(photo: LabelledPhoto, scale: float, shown: Sequence[Shown], happened: Sequence[Transition]) -> PhotoVisits:
    visits = PhotoVisits()
    waiting = dict(enumerate(photo.faces))
    for face in photo.faces:
        if (name := _range_of(face.box.height * scale)) is not None:
            visits.faces[name] += 1
    for each in happened:
        if each.type != "started":
            continue
        at = shown[round(each.at * FPS)]
        box = each.box.scaled(*at.frame.pixels.size)
        overlap, index = max(
            ((at.place(face.box).iou(box), index) for index, face in waiting.items()), default=(0.0, -1)
        )
        if overlap >= SERVED_IOU:
            face = waiting.pop(index)
            if (name := _range_of(face.box.height * scale)) is not None:
                visits.found[name] += 1
                visits.right[name] += each.status == face.label
        elif not any(at.place(other).iou(box) >= SERVED_IOU for other in _not_counted(photo)):
            visits.false += 1
    return visits


def _not_counted(photo: LabelledPhoto) -> list[Box]:
    """Where a `started` is no false one: faces without a usable label, and those that have been announced before."""
    return [*photo.ignored, *(face.box for face in photo.faces)]


def _range_of(height: float) -> str | None:
    index = sum(height >= edge for edge in HEIGHTS) - 1
    return None if index < 0 else RANGES[index]


def _table(
    entry: DetectorEntry, classifier: MaskClassifier, photos: Sequence[LabelledPhoto], scores: Sequence[float]
) -> Table:
    vision = Vision(entry.detector, classifier)
    rules = _rules(vision, scores or [entry.detector.recommended_min_score])
    visits: dict[str, list[PhotoVisits]] = {name: [] for name in rules}
    for number, photo in enumerate(counted(photos, len(photos), of=f"{entry.name}: ")):
        for name, each in visits_of(photo, read_photo(photo.path), vision, rules, number).items():
            visits[name].append(each)
    header = ("score", *(f"found, {name}" for name in RANGES), "found, all", "with their status", "false visits")
    return Table(entry.name, header, [_row(name, each) for name, each in visits.items()])


def _rules(vision: Vision, scores: Sequence[float]) -> dict[str, CameraRules]:
    """The default settings, at each score; a picture that hardly moves is looked at all the same."""
    config = Config.model_validate({"cameras": {_CAMERA: {"source": "demo"}}, "detector": {"motion_gate": False}})
    return {
        f"{score:g}": camera_rules(config, _CAMERA, replace(vision.recommended, min_score=score)) for score in scores
    }


def _row(score: str, visits: Sequence[PhotoVisits]) -> list[str]:
    draws = Resampling(len(visits))

    def share(parts: Sequence[int], wholes: Sequence[int]) -> str:
        estimate: Estimate | None = draws.ratio(parts, wholes)
        return "–" if estimate is None else estimate.as_text()

    all_found = [sum(each.found.values()) for each in visits]
    return [
        score,
        *(share([each.found[name] for each in visits], [each.faces[name] for each in visits]) for name in RANGES),
        share(all_found, [sum(each.faces.values()) for each in visits]),
        share([sum(each.right.values()) for each in visits], all_found),
        f"{sum(each.false for each in visits)} on {len(visits)} photos",
    ]
