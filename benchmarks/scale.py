"""What a further person costs: `python -m benchmarks.scale`.

The same still people, 0 to 36 of them, fifteen pictures a second, through vision as the daemon runs it, with one thread
for each model and with two. The median is a picture on which only the detector runs; the 95th percentile, one
on which people are judged again. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence

from benchmarks.peers import SIZE, picture_with
from benchmarks.processes import machine, percentile
from edge.camera.frame import Frame
from edge.camera.latest import LatestFrame
from edge.config import CameraSettings, Config, RuntimeSettings
from edge.people.watched_camera import WatchedCamera, camera_rules
from edge.system.arguments import whole_number
from edge.vision.build import build_vision
from edge.vision.preprocess import Image

FACES = (0, 1, 4, 16, 36)
"""More on one picture of this size are too small to be found."""
THREADS = (1, 2)
FPS = 15
_SETTLED_S = 3.0
"""Then every person was announced."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="Time pictures of many people.")
    parser.add_argument("--seconds", type=whole_number(1), default=10, metavar="N", help="of each clip (default: 10)")
    seconds = parser.parse_args(argv).seconds
    print(f"{machine()}, pictures of {SIZE[0]}x{SIZE[1]}\n")
    print(f"| people | followed | {' | '.join(f'{n} thread(s), ms: median / p95' for n in THREADS)} |")
    print("|--:|--:|" + "--:|" * len(THREADS))
    for count in FACES:
        picture = picture_with(count)
        runs = [measure(picture, threads, seconds) for threads in THREADS]
        cells = (f"{percentile(times, 0.5):.1f} / {percentile(times, 0.95):.1f}" for _, times in runs)
        print(f"| {count} | {runs[0][0]} | {' | '.join(cells)} |", flush=True)
    return 0


def measure(picture: Image, threads: int, seconds: float) -> tuple[int, list[float]]:
    """The people who are followed, and the milliseconds of each picture once they are settled."""
    config = Config(
        cameras={"door": CameraSettings(source="demo")}, runtime=RuntimeSettings(threads=threads, workers=1)
    )
    vision = build_vision(config)
    latest = LatestFrame(threading.Condition())
    camera = WatchedCamera("door", latest, camera_rules(config, "door", vision.recommended))
    times = []
    people = 0
    for number in range(round((_SETTLED_S + seconds) * FPS)):
        latest.put(Frame(picture, number / FPS, number))
        started = time.perf_counter()
        scene = camera.watch(vision)
        if number >= _SETTLED_S * FPS and not scene.is_still:
            times.append((time.perf_counter() - started) * 1000)
            people = len(scene.people)
    return people, times


if __name__ == "__main__":
    sys.exit(main())
