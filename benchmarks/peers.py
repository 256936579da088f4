"""maskd next to what people would use instead, on the same pictures in one process: `python -m benchmarks.peers`.

Pictures of 640x480 with 0, 1, 4 and 16 faces, all of one portrait, from the decoded picture to a status for each face.
The contenders take turns on one thread, so that other load slows them alike: the ratios are meaningful on a busy
machine, the milliseconds are not. Writes peers.json and peers.png into --out and prints the table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.peer_stacks import PEERS, bare_invokes, maskd
from benchmarks.plot import lines_plot
from benchmarks.processes import machine
from edge.errors import MaskdError
from edge.system.arguments import whole_number
from edge.vision.preprocess import Image, resize
from tools.demo_clip.portrait import load_portrait

FACES = (0, 1, 4, 16)
SIZE = (640, 480)
Stack = Callable[[Image], int]
"""Looks at a picture; returns how many faces it judged."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Time maskd next to its peers.")
    parser.add_argument("--weights", type=Path, metavar="DIR", help="where the files of the others lie")
    parser.add_argument("--repeat", type=whole_number(1), default=30, metavar="N", help="of each picture (default: 30)")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"), metavar="DIR", help="default: %(default)s")
    args = parser.parse_args(argv)
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        stacks, missing = build(args.weights)
        results = {count: measure(stacks, picture_with(count), args.repeat) for count in FACES}
    except MaskdError as error:
        print(f"benchmarks.peers: {error}", file=sys.stderr)
        return error.exit_status
    print(f"{machine()}, one thread\n")
    print(table(results))
    for line in missing:
        print(f"left out: {line}")
    args.out.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), "repeat": args.repeat, "size": SIZE, "faces": results, "left_out": missing}
    (args.out / "peers.json").write_text(json.dumps(document, indent=2) + "\n")
    curves = {name: [results[count][name]["median_ms"] for count in FACES] for name in results[FACES[0]]}
    lines_plot(args.out / "peers.png", [*FACES], curves, x="faces on the picture", y="milliseconds, median")
    return 0


def build(weights: Path | None) -> tuple[dict[str, Stack], list[str]]:
    """maskd first, then those that can be had; and a line for each that cannot."""
    stacks: dict[str, Stack] = {"maskd": maskd(), "its networks alone": bare_invokes()}
    missing = []
    for name, make in PEERS.items():
        try:
            stacks[name] = make(weights)
        except MaskdError as error:
            missing.append(f"{name}: {error}")
    return stacks, missing


def picture_with(count: int) -> Image:
    """So many times the same face, on grey that is not quite even."""
    width, height = SIZE
    picture = np.random.default_rng(1).integers(100, 128, (height, width, 3), dtype=np.uint8)
    columns = max(1, round(count**0.5))
    portrait = load_portrait()[:300, 80:380]
    side = min(height, width) // max(2, columns)
    for number in range(count):
        x, y = number % columns * (width // columns), number // columns * (height // columns)
        picture[y : y + side, x : x + side] = resize(portrait, side, side)
    return picture


def measure(stacks: Mapping[str, Stack], picture: Image, repeat: int) -> dict[str, dict[str, Any]]:
    times: dict[str, list[float]] = {name: [] for name in stacks}
    judged: dict[str, int] = {}
    orders = random.Random(1)  # noqa: S311
    for turn in range(repeat + 1):
        # Whoever comes after the largest finds the processor's caches full of others' data: each one in its turn.
        for name, look in orders.sample([*stacks.items()], len(stacks)):
            started = time.perf_counter()
            judged[name] = look(picture)
            if turn:  # the first prepares what is kept for the others
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: {"median_ms": round(median(each), 3), "faces": judged[name]} for name, each in times.items()}


def table(results: Mapping[int, Mapping[str, Mapping[str, Any]]]) -> str:
    """Medians, and how many times as long as maskd each takes; the faces that it judged in brackets."""
    rows = [
        "| | " + " | ".join(f"{count} faces" for count in results) + " |",
        "|---|" + "--:|" * len(results),
    ]
    for name in next(iter(results.values())):
        cells = [
            f"{of[name]['median_ms']:.1f} ms, {of[name]['median_ms'] / of['maskd']['median_ms']:.2f}x "
            f"({of[name]['faces']})"
            for of in results.values()
        ]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    sys.exit(main())
