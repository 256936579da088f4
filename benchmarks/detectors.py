"""Times the shipped models beside the detectors that OpenCV runs: one process, one thread, the same photos."""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edge.camera.photos import is_photo, read_photo
from edge.config import Config, RuntimeSettings
from edge.demo.portrait import load_portrait
from edge.errors import MaskdError
from edge.vision.build import build_classifier, build_detector
from edge.vision.faces import FaceDetector
from edge.vision.opencv_faces import Res10FaceDetector, YuNetFaceDetector
from edge.vision.preprocess import Image
from edge.vision.tflite import runtime_name

ONE_THREAD = Config(runtime=RuntimeSettings(threads=1))


@dataclass(slots=True)
class Timing:
    """What one model needed: milliseconds of each picture or face, and how many faces it counted."""

    name: str
    unit: str
    milliseconds: list[float] = field(default_factory=list)
    faces: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds) if self.milliseconds else float("nan")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status. A problem is one sentence on standard error."""
    arguments = _parser().parse_args(argv)
    try:
        photos = load_photos(arguments.data, arguments.photos)
        detectors, missing = build_detectors(arguments.weights)
        timings = measure(photos, detectors, arguments.repeat)
    except MaskdError as error:
        print(f"benchmarks.detectors: {error}", file=sys.stderr)
        return error.exit_status
    print(f"{platform.machine()}, one thread; {runtime_name(ONE_THREAD.runtime.backend)}, OpenCV {cv2.__version__}")
    print(f"{len(photos)} photo(s), each {arguments.repeat} times, from the decoded picture to the faces\n")
    print(as_table(timings))
    for line in missing:
        print(f"left out: {line}")
    return 0


def load_photos(folder: Path | None, limit: int) -> list[Image]:
    """At most `limit` photos, spread over the folder and those below it; the astronaut where there is no folder.

    Raises MaskdError where there is none that can be read.
    """
    if folder is None:
        return [load_portrait()]
    paths = sorted(path for path in folder.rglob("*") if is_photo(path)) if folder.is_dir() else []
    chosen = [paths[index] for index in np.linspace(0, len(paths) - 1, min(limit, len(paths))).astype(int)]
    photos = []
    for path in chosen:
        try:
            photos.append(read_photo(path))
        except MaskdError as error:
            print(f"skipped: {error}", file=sys.stderr)
    if not photos:
        raise MaskdError(f"{folder}: holds no photo that can be read; give another folder with --data")
    return photos


def build_detectors(weights: Path | None) -> tuple[list[FaceDetector], list[str]]:
    """The shipped detector, then those whose files lie in `weights`; and a line for each that is left out."""
    detectors: list[FaceDetector] = [build_detector(ONE_THREAD)]
    missing: list[str] = []
    if weights is None:
        return detectors, ["YuNet and res10: give the folder of their files with --weights"]
    others: list[tuple[str, Callable[[Path], FaceDetector]]] = [
        ("*yunet*.onnx", YuNetFaceDetector),
        ("*face_detector*.pb", Res10FaceDetector),
    ]
    for pattern, build in others:
        path = next(iter(sorted(weights.glob(pattern))), weights / pattern)
        try:
            detectors.append(build(path))
        except MaskdError as error:
            missing.append(str(error))
    return detectors, missing


def measure(photos: Sequence[Image], detectors: Sequence[FaceDetector], repeat: int) -> list[Timing]:
    """A timing of each detector per photo, the shipped one first, and last of the classifier per face it found."""
    cv2.setNumThreads(1)
    shipped = detectors[0]
    classifier = build_classifier(ONE_THREAD)
    timings = [Timing(detector.identity, "photo") for detector in detectors]
    per_face = Timing(classifier.identity, "face")
    boxes = [[face.box for face in shipped.detect(photo, shipped.recommended_min_score)] for photo in photos]
    for turn in range(repeat + 1):
        # All in turn on each photo, so that whatever else the machine does slows them alike.
        for photo, shown in zip(photos, boxes, strict=True):
            for detector, timing in zip(detectors, timings, strict=True):
                started = time.perf_counter()
                found = detector.detect(photo, detector.recommended_min_score)
                elapsed = time.perf_counter() - started
                if turn:  # the first turn warms up: it allocates what each shape of photo needs
                    timing.milliseconds.append(elapsed * 1000)
                    timing.faces += turn == 1 and len(found)
            started = time.perf_counter()
            judged = classifier.classify(photo, shown)
            elapsed = time.perf_counter() - started
            if turn and judged:
                per_face.milliseconds.append(elapsed * 1000 / len(judged))
                per_face.faces += turn == 1 and len(judged)
    return [*timings, per_face]


def as_table(timings: Sequence[Timing]) -> str:
    """Rows for people; the ratio is to the first of them."""
    rows = [("model", "median ms", "per", "ratio", "faces")]
    for timing in timings:
        ratio = timing.median / timings[0].median
        rows.append((timing.name, f"{timing.median:.2f}", timing.unit, f"{ratio:.2f}", str(timing.faces)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 2) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detectors", description="Time the shipped models beside YuNet and res10."
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="photos (default: scikit-image's astronaut)")
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="where the files of YuNet (.onnx) and res10 (.pb, .pbtxt) lie"
    )
    parser.add_argument("--photos", type=_positive, default=30, metavar="N", help="at most (default: %(default)s)")
    parser.add_argument("--repeat", type=_positive, default=10, metavar="N", help="of each photo (default: 10)")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
