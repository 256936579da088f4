"""How many cameras a machine carries, and what a still scene costs: `python -m benchmarks.cameras`.

Plays the demo's clip (640x480, 12 pictures a second, 1 to 3 people) to many cameras of the real daemon, with one
vision thread and with as many as it chooses; then a still scene with noise, with and without the motion gate. The
variants take turns, so that other load slows them alike. Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from benchmarks.daemon import daemon, judged
from benchmarks.processes import machine, usage
from edge.demo_clip import CLIP

WARM_UP_S = 6.0
STILL_FPS = 15
STILL_S = 10


@dataclass(frozen=True, slots=True)
class Run:
    fps: float
    """Of the slowest camera."""
    cpu_percent: float
    """Of one core."""
    rss_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how many cameras this machine carries.")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--seconds", type=float, default=24, help="of each run; 24 are one round of the clip")
    parser.add_argument("--rounds", type=int, default=3, help="each variant has as many runs; the medians are printed")
    args = parser.parse_args()
    print(f"{machine()}\n")
    variants: dict[str, dict[str, Any]] = {"one vision thread": {"runtime": {"workers": 1}}, "as many as chosen": {}}
    cameras = {f"{count}, {name}": (CLIP, count, each) for count in args.cameras for name, each in variants.items()}
    print_table("cameras, vision threads", cameras, args.seconds, args.rounds)
    with tempfile.TemporaryDirectory() as folder:
        still = still_scene(Path(folder) / "still.mp4")
        gates = {
            f"motion gate {word}": (still, 1, {"detector": {"motion_gate": is_on}})
            for word, is_on in (("on", True), ("off", False))
        }
        print_table(f"a still scene, {STILL_FPS} pictures a second", gates, args.seconds, args.rounds)


def print_table(
    title: str, variants: Mapping[str, tuple[Path, int, Mapping[str, Any]]], seconds: float, rounds: int
) -> None:
    """`variants`: video, cameras and settings of each."""
    runs: dict[str, list[Run]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, (clip, count, settings) in variants.items():
            runs[name].append(measure(clip, count, settings, seconds))
    print(f"| {title} | pictures a second, slowest camera | processor, % of a core | memory, MB |")
    print("|---|--:|--:|--:|")
    for name, each in runs.items():
        print(
            f"| {name} | {median(r.fps for r in each):.1f} | {median(r.cpu_percent for r in each):.1f} "
            f"| {median(r.rss_mb for r in each):.0f} |"
        )
    print()


def measure(clip: Path, count: int, settings: Mapping[str, Any], seconds: float) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with daemon(folder, {f"c{number}": clip for number in range(count)}, **settings) as process:
            time.sleep(WARM_UP_S)
            before, pictures, began = usage(process.pid), judged(folder), time.monotonic()
            time.sleep(seconds)
            after, later, took = usage(process.pid), judged(folder), time.monotonic() - began
    fps = min((later[camera] - pictures[camera]) / took for camera in pictures)
    return Run(fps, 100 * (after.cpu_s - before.cpu_s) / took, after.rss_mb)


def still_scene(path: Path) -> Path:
    """A passage at night, with a sensor's noise."""
    rng = np.random.default_rng(1)
    scene = np.full((480, 640, 3), 60, np.int16)
    scene[120:, 200:320] = 150
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), STILL_FPS, (640, 480))
    for _ in range(STILL_FPS * STILL_S):
        video.write(np.clip(scene + rng.integers(-8, 9, scene.shape), 0, 255).astype(np.uint8))
    video.release()
    return path


if __name__ == "__main__":
    main()
