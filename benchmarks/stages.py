"""How long each stage of a picture takes, from the decoder to the decision: `python -m benchmarks.stages`.

Plays the demo's clip (1 to 3 people), at several sizes of picture, through the parts that the daemon is made of, in one
thread. What comes after the decision, up to the broker's acknowledgement, is `benchmarks.delivery`'s. Prints a table in
Markdown with median, 95th and 99th percentile, and writes it to --json as well.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.clips import recoded
from benchmarks.processes import machine, percentile
from edge.camera.frame import Frame
from edge.camera.video import frames
from edge.config import CameraSettings, Config, RuntimeSettings
from edge.demo_clip import CLIP
from edge.people.crowd import Crowd
from edge.people.watched_camera import CameraRules, PictureEye, camera_rules
from edge.system.arguments import whole_number
from edge.vision.build import build_vision
from edge.vision.faces import TfliteFaceDetector
from edge.vision.motion import GateRules, MotionGate
from edge.vision.pipeline import Vision

SIZES = ((640, 480), (1280, 720), (1920, 1080))
STAGES = (
    "decode",
    "motion gate, empty scene",
    "shrink and convert",
    "letterbox",
    "detector's network",
    "network and boxes",
    "track, classify who is due, decide",
)
_WARM_UP = 3
Made = TypeVar("Made")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description="Time each stage of a picture.")
    parser.add_argument("--rounds", type=whole_number(1), default=2, metavar="N", help="of the clip (default: 2)")
    parser.add_argument("--pictures", type=whole_number(8), default=288, metavar="N", help="of each round, at most")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    args = parser.parse_args(argv)
    print(f"{machine()}, one thread\n")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            clip = CLIP if size == SIZES[0] else recoded(Path(folder) / f"{size[1]}.mp4", size, pictures=args.pictures)
            times = Stopwatch()
            for _ in range(args.rounds):
                play(clip, times, args.pictures)
            found["{}x{}".format(*size)] = times.figures()
    print(table(found))
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "stages_ms": found}, indent=2) + "\n")
    return 0


class Stopwatch:
    def __init__(self) -> None:
        self._times: dict[str, list[float]] = defaultdict(list)

    def time(self, stage: str, work: Callable[[], Made]) -> Made:
        started = time.perf_counter()
        made = work()
        self._times[stage].append((time.perf_counter() - started) * 1000)
        return made

    def figures(self) -> dict[str, dict[str, float]]:
        """Of each stage, in milliseconds."""
        shares = {"median": 0.5, "p95": 0.95, "p99": 0.99}
        return {
            stage: {name: round(percentile(times[_WARM_UP:], share), 3) for name, share in shares.items()}
            for stage, times in self._times.items()
        }


def play(clip: Path, times: Stopwatch, pictures: int) -> None:
    config = Config(cameras={"clip": CameraSettings(source=str(clip))}, runtime=RuntimeSettings(threads=1, workers=1))
    vision = build_vision(config)
    camera = Camera(vision, camera_rules(config, "clip", vision.recommended))
    shown = frames(clip)
    for _ in range(pictures):
        frame = times.time("decode", lambda: next(shown, None))
        if frame is None:
            return
        camera.look(frame, times)


class Camera:
    def __init__(self, vision: Vision, rules: CameraRules) -> None:
        self._vision = vision
        self._rules = rules
        self._gate = MotionGate()
        self._crowd = Crowd(rules.people, camera="clip", new_id=partial(secrets.token_hex, 6))

    def look(self, frame: Frame, times: Stopwatch) -> None:
        pixels, at, detector = frame.pixels, frame.captured_at, self._vision.detector
        assert isinstance(detector, TfliteFaceDetector)
        times.time("motion gate, empty scene", lambda: self._gate.opens(pixels, at, GateRules(), is_empty=True))
        small = times.time("shrink and convert", lambda: pixels.shrunk(*detector.fitted(*pixels.size)))
        laid = times.time("letterbox", lambda: detector.prepare(small))
        times.time("detector's network", lambda: detector.run(laid))
        times.time("network and boxes", lambda: detector.find(laid, self._rules.thresholds.low_score))
        faces = self._vision.detect(pixels, self._rules.thresholds)
        eye = PictureEye(self._vision, pixels, self._rules.thresholds)
        times.time("track, classify who is due, decide", lambda: self._crowd.look(faces, eye, pixels.size, at))


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    rows = [
        "| stage, ms: median / p95 / p99 | " + " | ".join(found) + " |",
        "|---|" + "--:|" * len(found),
    ]
    for stage in STAGES:
        cells = [" / ".join(f"{value:.2f}" for value in of[stage].values()) for of in found.values()]
        rows.append(f"| {stage} | " + " | ".join(cells) + " |")
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    sys.exit(main())
