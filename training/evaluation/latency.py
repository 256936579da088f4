"""The latency of detectors and classifiers compared: one process, one thread, the same photos."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2

from edge.evaluation.tables import Table
from edge.geometry import Box
from edge.vision.faces import FaceDetector
from edge.vision.preprocess import Image

Classify = Callable[[Image, Sequence[Box]], object]
"""Judges the faces at these boxes, from the picture to the answers."""


@dataclass(slots=True)
class Timing:
    """What one model needed: milliseconds of each picture or face, and how many faces it counted."""

    name: str
    unit: str
    milliseconds: list[float] = field(default_factory=list)
    faces: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


def measure(
    photos: Sequence[tuple[Image, Sequence[Box]]],
    detectors: Mapping[str, FaceDetector],
    classifiers: Mapping[str, Classify],
    repeat: int,
) -> list[Timing]:
    """A timing of each detector per photo, from the decoded picture to its faces, then of each classifier per face.

    Detectors run at the score that they recommend, classifiers on the boxes that come with the photos. All take turns
    on each photo, so that whatever else the machine does slows them alike, and a first turn that allocates what its
    shape needs is not counted. What was never asked is left out: classifiers, where no photo has a box. Sets OpenCV to
    one thread.
    """
    cv2.setNumThreads(1)
    of_photos = {name: Timing(name, "photo") for name in detectors}
    of_faces = {name: Timing(name, "face") for name in classifiers}
    for image, boxes in photos:
        for turn in range(repeat + 1):
            for name, detector in detectors.items():
                started = time.perf_counter()
                found = len(detector.detect(image, detector.recommended_min_score))
                elapsed = time.perf_counter() - started
                if turn:
                    of_photos[name].milliseconds.append(elapsed * 1000)
                    of_photos[name].faces += found if turn == 1 else 0
            for name, classify in classifiers.items() if boxes else ():
                started = time.perf_counter()
                classify(image, boxes)
                elapsed = time.perf_counter() - started
                if turn:
                    of_faces[name].milliseconds.append(elapsed * 1000 / len(boxes))
                    of_faces[name].faces += len(boxes) if turn == 1 else 0
    return [timing for timing in (*of_photos.values(), *of_faces.values()) if timing.milliseconds]


def latency_table(timings: Sequence[Timing], reference: str, note: str = "") -> Table:
    """A row for each timing; the ratio is to the one named `reference`."""
    base = next(timing.median for timing in timings if timing.name == reference)
    rows = [
        (each.name, each.unit, f"{each.median:.2f}", f"{each.median / base:.2f}", str(each.faces)) for each in timings
    ]
    return Table("", ("model", "per", "median ms", f"of {reference}", "faces"), rows, note)
