"""`maskd bench`: how long each stage of vision takes on this device."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from pydantic import ValidationError

from edge.config import Config, RuntimeSettings
from edge.errors import UsageError
from edge.geometry import Box
from edge.system.arguments import add_threads, whole_number
from edge.vision.build import build_classifier, build_detector
from edge.vision.faces import TfliteFaceDetector
from edge.vision.preprocess import Image
from edge.vision.tflite import runtime_name

PICTURE_SIZE = (1280, 720)
"""Width and height of the picture, as a camera sends it by default."""
FACES = 4
_WARM_UP = 3


DESCRIPTION = "Measures how long each stage of vision takes on this device."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    add_threads(parser)
    parser.add_argument(
        "--repeat", type=whole_number(1), default=50, metavar="N", help="pictures per stage (default 50)"
    )
    parser.add_argument("--delegate", metavar="NAME", help="edgetpu, or the path of another delegate's library")


def main(args: argparse.Namespace) -> int:
    return run_bench(as_json=args.json, threads=args.threads or 1, repeat=args.repeat, delegate=args.delegate)


@dataclass(frozen=True, slots=True)
class Stage:
    """Milliseconds per picture with `FACES` faces."""

    name: str
    median_ms: float
    p90_ms: float


def run_bench(*, as_json: bool = False, threads: int = 1, repeat: int = 50, delegate: str | None = None) -> int:
    """Prints the latency of each stage, over `repeat` pictures. Raises MaskdError where a model cannot be used."""
    try:
        config = Config(runtime=RuntimeSettings(threads=threads, delegate=delegate))
    except ValidationError as error:
        raise UsageError(f"--delegate: {error.errors()[0]['msg']}") from error
    cv2.setNumThreads(threads)
    problems: list[str] = []
    detector, classifier = build_detector(config, problems.append), build_classifier(config, problems.append)
    assert isinstance(detector, TfliteFaceDetector), "the default detector is maskd's own"

    picture = synthetic_picture(*PICTURE_SIZE)
    boxes = synthetic_faces(*PICTURE_SIZE)
    prepared = detector.prepare(picture)
    crops = classifier.crop(picture, boxes)
    stages = [
        _timed("letterbox", lambda: detector.prepare(picture), repeat),
        _timed("detect", lambda: detector.find(prepared, detector.recommended_min_score), repeat),
        _timed("crop", lambda: classifier.crop(picture, boxes), repeat),
        _timed("classify", lambda: classifier.classify_crops(crops), repeat),
    ]
    facts = {
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "runtime": runtime_name(config.runtime.backend),
        "threads": threads,
        "delegate": delegate,
        "on_cpu": problems,
        "detector": detector.identity,
        "classifier": classifier.identity,
        "picture": list(PICTURE_SIZE),
        "faces": FACES,
        "repeat": repeat,
    }
    if as_json:
        rounded = {s.name: {"median_ms": round(s.median_ms, 3), "p90_ms": round(s.p90_ms, 3)} for s in stages}
        print(json.dumps({**facts, "stages": rounded}))
        return 0
    for problem in problems:
        print(f"maskd: {problem}", file=sys.stderr)
    _print_table(facts, stages)
    return 0


def _print_table(facts: Mapping[str, Any], stages: Sequence[Stage]) -> None:
    width, height = PICTURE_SIZE
    delegate, on_cpu = facts["delegate"], facts["on_cpu"]
    on_delegate = "" if delegate is None or len(on_cpu) == 2 else f" with {delegate}"
    print(
        f"{facts['runtime']}, {facts['threads']} thread(s){on_delegate}, {facts['machine']} with {facts['cpus']} CPU(s)"
    )
    models = f"{facts['detector']} and {facts['classifier']}"
    print(f"{models}, a picture of {width}x{height} with {FACES} faces, {facts['repeat']}x")
    print()
    print(f"{'stage':<10} {'median ms':>10} {'p90 ms':>10}")
    total = Stage("sum", sum(stage.median_ms for stage in stages), sum(stage.p90_ms for stage in stages))
    for stage in (*stages, total):
        print(f"{stage.name:<10} {stage.median_ms:>10.2f} {stage.p90_ms:>10.2f}")


def synthetic_picture(width: int, height: int) -> Image:
    """Soft noise, the same every time: smooth enough to look like a scene, and never flat."""
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def synthetic_faces(width: int, height: int) -> list[Box]:
    """Boxes of `FACES` sizes, from a fourth of the picture's height down, side by side."""
    boxes = []
    for number in range(FACES):
        face_height = height / (4 + 2 * number)
        x, y = width * (number + 0.5) / FACES, height / 2
        boxes.append(Box(x - 0.4 * face_height, y - face_height / 2, x + 0.4 * face_height, y + face_height / 2))
    return boxes


def _timed(name: str, work: Callable[[], object], repeat: int) -> Stage:
    for _ in range(_WARM_UP):
        work()
    durations = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        durations.append((time.perf_counter() - started) * 1000)
    return Stage(name, float(np.median(durations)), float(np.percentile(durations, 90)))
