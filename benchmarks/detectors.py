"""Times the shipped models beside the detectors that OpenCV runs: one process, one thread, the same photos."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.camera.photos import read_photo
from edge.camera.suffixes import is_photo
from edge.config import Config, RuntimeSettings
from edge.errors import MaskdError
from edge.system.arguments import whole_number
from edge.vision.build import build_classifier, build_detector
from edge.vision.faces import FaceDetector
from edge.vision.opencv_faces import Res10FaceDetector, YuNetFaceDetector
from edge.vision.preprocess import Image
from edge.vision.tflite import runtime_name
from tools.demo_clip.portrait import load_portrait
from training.evaluation.latency import Timing, latency_table, measure

ONE_THREAD = Config(runtime=RuntimeSettings(threads=1))


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status. A problem is one sentence on standard error."""
    arguments = _parser().parse_args(argv)
    try:
        photos = load_photos(arguments.data, arguments.photos)
        detectors, missing = build_detectors(arguments.weights)
        timings = time_models(photos, detectors, arguments.repeat)
    except MaskdError as error:
        print(f"benchmarks.detectors: {error}", file=sys.stderr)
        return error.exit_status
    print(f"{platform.machine()}, one thread; {runtime_name(ONE_THREAD.runtime.backend)}, OpenCV {cv2.__version__}")
    print(f"{len(photos)} photo(s), each {arguments.repeat} times, from the decoded picture to the faces\n")
    print(latency_table(timings, timings[0].name).as_text())
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


def time_models(photos: Sequence[Image], detectors: Sequence[FaceDetector], repeat: int) -> list[Timing]:
    """A timing of each detector, the shipped one first, and of the classifier on the faces that the first one finds."""
    shipped = detectors[0]
    classifier = build_classifier(ONE_THREAD)
    boxes = [[face.box for face in shipped.detect(photo, shipped.recommended_min_score)] for photo in photos]
    return measure(
        list(zip(photos, boxes, strict=True)),
        {detector.identity: detector for detector in detectors},
        {classifier.identity: classifier.classify},
        repeat,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.detectors", description="Time the shipped models beside YuNet and res10."
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="photos (default: scikit-image's astronaut)")
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="where the files of YuNet (.onnx) and res10 (.pb, .pbtxt) lie"
    )
    parser.add_argument(
        "--photos", type=whole_number(1), default=30, metavar="N", help="at most (default: %(default)s)"
    )
    parser.add_argument("--repeat", type=whole_number(1), default=10, metavar="N", help="of each photo (default: 10)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
