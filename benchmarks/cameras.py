"""How many cameras a machine carries, and what a still scene costs: `python -m benchmarks.cameras`.

Plays the demo's clip (640x480 in H.264, 15 pictures a second, 1 to 3 people) to many cameras of the real daemon, with
the page on and without viewers; then a still scene with noise, with and without the motion gate. The variants take
turns, so that other load slows them alike. Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clips import STILL_FPS, recoded, still_scene
from benchmarks.daemon import add_login, daemon, metrics, taken
from benchmarks.processes import machine, usage
from tests.support.mosquitto import free_port

WARM_UP_S = 6.0
FPS = 15
LIMITS_S = ("0.05", "0.15", "0.25")
_AGE = re.compile(r'maskd_stage_seconds_bucket\{camera="[^"]+",le="(?P<limit>[^"]+)",stage="age"\}')


@dataclass(frozen=True, slots=True)
class Run:
    fps: float
    """Of the slowest camera."""
    cpu_percent: float
    """Of one core."""
    rss_mb: float
    ages: Counter[str]
    """How many pictures were judged within each of the metrics' limits, in seconds; +Inf: all."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how many cameras this machine carries.")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--workers", type=int, help="vision threads (default: as many as maskd chooses)")
    parser.add_argument("--seconds", type=float, default=20, help="of each run; 20 are one round of the clip")
    parser.add_argument("--rounds", type=int, default=3, help="each variant has as many runs; the medians are printed")
    args = parser.parse_args()
    print(f"{machine()}\n")
    settings: dict[str, Any] = {"runtime": {"workers": args.workers}} if args.workers else {}
    with tempfile.TemporaryDirectory() as folder:
        clip, still = recoded(Path(folder) / "people.mp4", fps=FPS), still_scene(Path(folder) / "still.mp4")
        cameras = {str(count): (clip, count, settings) for count in args.cameras}
        print_table(f"cameras, {FPS} pictures a second", cameras, args.seconds, args.rounds)
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
    print(
        f"| {title} | pictures a second, slowest camera | judged within 50, 150, 250 ms, % | processor, % of a core "
        "| memory, MB |"
    )
    print("|---|--:|--:|--:|--:|")
    for name, each in runs.items():
        ages = sum((run.ages for run in each), Counter[str]())
        fps, cpu, rss = np.median([(run.fps, run.cpu_percent, run.rss_mb) for run in each], axis=0)
        print(f"| {name} | {fps:.1f} | {shares(ages)} | {cpu:.1f} | {rss:.0f} |")
    print()


def shares(ages: Mapping[str, int]) -> str:
    return " / ".join(f"{100 * ages[limit] / ages['+Inf']:.1f}" for limit in LIMITS_S)


def measure(clip: Path, count: int, settings: Mapping[str, Any], seconds: float) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        token = add_login(folder)
        sources = {f"c{number}": clip for number in range(count)}
        with daemon(folder, sources, web={"port": port}, **settings) as process:
            time.sleep(WARM_UP_S)
            before, values, began = usage(process.pid), metrics(port, token), time.monotonic()
            time.sleep(seconds)
            after, later, took = usage(process.pid), metrics(port, token), time.monotonic() - began
    fps = min((taken(later, camera) - taken(values, camera)) / took for camera in sources)
    return Run(fps, 100 * (after.cpu_s - before.cpu_s) / took, after.rss_mb, ages(later) - ages(values))


def ages(values: Mapping[str, float]) -> Counter[str]:
    """Of every picture judged since the start, as in Run.ages."""
    found: Counter[str] = Counter()
    for name, value in values.items():
        if (bucket := _AGE.fullmatch(name)) is not None:
            found[bucket["limit"]] += round(value)
    return found


if __name__ == "__main__":
    main()
