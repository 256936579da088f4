"""Reads one clip in a process of its own and prints what the models see: `python -m edge.web.clip_reader CLIP`.

The configuration is JSON on the input. A flaw in a decoder costs this process and not the daemon, and the cameras have
the processor first.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edge.camera.frame import Frame
from edge.camera.video import frames
from edge.config import Config
from edge.errors import MaskdError
from edge.vision.build import build_vision
from edge.vision.motion import MotionMarks
from edge.vision.pipeline import Vision
from edge.vision.thresholds import Thresholds
from edge.web.clips import LONGEST_S

LEAST_NICE = 19
LOWEST_SCORE = 0.05
"""Fainter faces are not known to a replay; half of what follows a person by the shipped model's recommendation."""
MOST_FACES = 100_000
"""On all pictures together: some 20 MB of numbers."""


def main() -> int:
    os.nice(LEAST_NICE)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    config = Config.model_validate_json(sys.stdin.read())
    config = config.model_copy(update={"runtime": config.runtime.model_copy(update={"threads": 1, "delegate": None})})
    try:
        print(json.dumps(list(looks(frames(Path(sys.argv[1])), config, build_vision(config)))))
    except MaskdError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def looks(clip: Iterable[Frame], config: Config, vision: Vision) -> Iterator[list[Any]]:
    """Each picture as `look_from_list` reads it, with every face classified. Raises MaskdError."""
    low = Thresholds(LOWEST_SCORE, LOWEST_SCORE, 0.0, 0.0, 4 * config.detector.max_faces)
    motion = MotionMarks(config.detector.still_s)
    labels = vision.classifier.labels
    count = 0
    for frame in clip:
        if frame.captured_at > LONGEST_S:
            raise MaskdError(f"it is longer than {LONGEST_S / 60:.0f} minutes; cut it shorter")
        pixels = frame.pixels
        found = vision.detect(pixels, low)
        count += len(found)
        if count > MOST_FACES:
            raise MaskdError("it shows too many faces; cut it shorter")
        answers = vision.classify(pixels, [face.box for face in found], low)
        faces = []
        for face, answer in zip(found, answers, strict=True):
            box = face.box
            said = [answer.probabilities[label] for label in labels]
            faces.append([0, box.x1, box.y1, box.x2, box.y2, face.score, said])
        yield [frame.captured_at, *pixels.size, faces, motion.mark(pixels, frame.captured_at)]


if __name__ == "__main__":
    sys.exit(main())
