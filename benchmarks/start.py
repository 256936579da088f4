"""How long a start takes: `python -m benchmarks.start`.

From the command to the first picture judged, as the page of the real daemon tells it, on the demo's clip, with the
files in the system's cache. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import urllib.error
from collections.abc import Sequence
from pathlib import Path

from benchmarks.daemon import add_login, daemon, metrics
from benchmarks.processes import machine, percentile, usage
from edge.demo_clip import CLIP
from edge.system.arguments import whole_number
from tests.support.mosquitto import free_port

_POLL_S = 0.01
PATIENCE_S = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description="Time the start of maskd.")
    parser.add_argument("--repeat", type=whole_number(1), default=10, metavar="N", help="default: %(default)s")
    repeat = parser.parse_args(argv).repeat
    # The first start reads files that the others find in the cache, and may compile Python's.
    starts = [measure() for _ in range(repeat + 1)][1:]
    print(f"{machine()}, {repeat} starts\n")
    print("| from the command to the first picture judged | median | slowest |")
    print("|---|--:|--:|")
    for name, values in zip(("seconds", "processor seconds"), zip(*starts, strict=True), strict=True):
        print(f"| {name} | {percentile([*values], 0.5):.2f} | {max(values):.2f} |")
    return 0


def measure() -> tuple[float, float]:
    """Seconds, and seconds of the processor."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        token = add_login(folder)
        began = time.monotonic()
        with daemon(folder, {"door": CLIP}, web={"port": port}) as process:
            while not _judged(port, token):
                if time.monotonic() - began > PATIENCE_S:
                    raise SystemExit(f"benchmarks.start: no picture was judged within {PATIENCE_S:g} s")
                time.sleep(_POLL_S)
            return time.monotonic() - began, usage(process.pid).cpu_s


def _judged(port: int, token: str) -> bool:
    try:
        return any(name.startswith("maskd_stage_seconds_count") for name in metrics(port, token))
    except urllib.error.URLError:
        return False  # the page is not up yet


if __name__ == "__main__":
    sys.exit(main())
