"""One pass over the labelled photos: what every contender says of each, and what the pixels tell of each face."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from converter.verify import LOWEST_SCORE
from edge.evaluation.labelled import LabelledPhoto, read_photo
from edge.geometry import Box
from edge.vision.faces import Face
from edge.vision.opencv_faces import YuNetFaceDetector
from edge.vision.preprocess import Image
from training.dataset import box_of_same_face
from training.evaluation.contenders import ClassifierEntry, DetectorEntry
from training.evaluation.marks import marks_of
from training.evaluation.slices import POSE_LEAST_PX, Points, measure_traits

ItemT = TypeVar("ItemT")
ALL = "all together"
"""In place of a set's name."""

_LANDMARK_SCORE = 0.3
_LANDMARK_IOU = 0.4


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """What was found on one photo; `traits` and the rows of `probabilities` belong to the photo's faces in order."""

    photo: LabelledPhoto
    found: dict[str, list[Face]] = field(default_factory=dict)
    """By detector: the faces from LOWEST_SCORE on."""
    probabilities: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """By classifier, in the labels' boxes: shape (faces, its labels)."""
    traits: tuple[dict[str, float], ...] = ()
    served: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """By classifier, in the boxes that the first detector draws from its recommended score on: shape (faces, its
    labels), nan where it does not find the face. Empty on photos that no detector saw."""

    @property
    def set_name(self) -> str:
        return self.photo.set_name

    @property
    def source(self) -> str:
        return f"{self.photo.set_name}/{self.photo.path.name}"


def record_photos(
    photos: Iterable[LabelledPhoto],
    detectors: Sequence[DetectorEntry],
    classifiers: Sequence[ClassifierEntry],
    without_boxes: frozenset[str],
) -> Iterator[PhotoRecord]:
    """Runs every contender on each photo, decoded once.

    The photos of the sets in `without_boxes` are shown to the classifiers only: a detector made their boxes.
    """
    pose = _landmark_finder(detectors)
    for photo in photos:
        image = read_photo(photo.path)
        boxes = [face.box for face in photo.faces]
        asked = [] if photo.set_name in without_boxes else detectors
        found = {entry.name: entry.detector.detect(image, LOWEST_SCORE) for entry in asked}
        yield PhotoRecord(
            photo,
            found,
            {entry.name: entry.classifier.probabilities(image, boxes) for entry in classifiers},
            tuple(
                measure_traits(image, box, _landmarks(pose, image, box)) | dict.fromkeys(marks, 1.0)
                for box, marks in zip(boxes, marks_of(photo), strict=True)
            ),
            _served(image, boxes, found[asked[0].name], asked[0], classifiers) if asked else {},
        )


def _served(
    image: Image,
    labelled: Sequence[Box],
    found: Sequence[Face],
    detector: DetectorEntry,
    classifiers: Sequence[ClassifierEntry],
) -> dict[str, NDArray[np.float64]]:
    shown = [face.box for face in found if face.score >= detector.detector.recommended_min_score]
    own = [box_of_same_face(box, shown) for box in labelled]
    places = [place for place, box in enumerate(own) if box is not None]
    served = {}
    for entry in classifiers:
        rows = np.full((len(own), len(entry.classifier.labels)), np.nan)
        rows[places] = entry.classifier.probabilities(image, [box for box in own if box is not None])
        served[entry.name] = rows
    return served


def _landmark_finder(detectors: Sequence[DetectorEntry]) -> YuNetFaceDetector | None:
    """The YuNet that tells how heads are turned, where one takes part."""
    return next((e.detector for e in detectors if isinstance(e.detector, YuNetFaceDetector)), None)


def counted(items: Iterable[ItemT], total: int, *, of: str = "") -> Iterator[ItemT]:
    """One for each photo; says now and then how many there have been, after the words `of`."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % 100 == 0 or number == total:
            print(f"{of}{number} of {total} photos", file=sys.stderr, flush=True)


def by_set(records: Iterable[PhotoRecord]) -> dict[str, list[PhotoRecord]]:
    """The records of each set, by its name in alphabetical order."""
    sets: dict[str, list[PhotoRecord]] = {}
    for record in records:
        sets.setdefault(record.set_name, []).append(record)
    return dict(sorted(sets.items()))


def shows_people(records: Iterable[PhotoRecord]) -> bool:
    return any(record.photo.faces or record.photo.ignored for record in records)


def _landmarks(finder: YuNetFaceDetector | None, image: Image, box: Box) -> Points | None:
    """The five points of a labelled face, found on a crop of three times its size; None where YuNet sees no face."""
    if finder is None or box.height < POSE_LEAST_PX:
        return None
    around = Box(box.x1 - box.width, box.y1 - box.height, box.x2 + box.width, box.y2 + box.height)
    around = around.clipped(image.shape[1], image.shape[0])
    x1, y1 = int(around.x1), int(around.y1)
    crop = np.ascontiguousarray(image[y1 : int(around.y2), x1 : int(around.x2)])
    own = box.moved(-x1, -y1)
    candidates = [(found.iou(own), points) for found, points in finder.landmarks(crop, _LANDMARK_SCORE)]
    overlap, points = max(candidates, key=lambda candidate: candidate[0], default=(0.0, None))
    return points if overlap >= _LANDMARK_IOU else None
