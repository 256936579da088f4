"""What the page costs: `python -m benchmarks.page`.

Plays the demo's clip through the real daemon, without viewers, with one and with four; prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from benchmarks.daemon import add_login, daemon, judged, metrics, taken
from benchmarks.processes import machine, usage
from edge.demo_clip import CLIP
from tests.support.mosquitto import HOST, free_port

WARM_UP_S = 8.0


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    cpu_percent: float
    """Of one core."""
    judged_fps: float
    pictures_fps: float
    """Encoded for the page."""
    rss_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the page costs.")
    parser.add_argument("--seconds", type=float, default=48, help="of each row; 24 are one round of the clip")
    seconds = parser.parse_args().seconds
    print(f"{machine()}\n")
    print("| page | processor, % of a core | pictures judged a second | encoded a second | memory, MB |")
    print("|---|--:|--:|--:|--:|")
    rows = [measure("off", None, seconds)]
    rows += [measure(f"on, {count} viewers", count, seconds) for count in (0, 1, 4)]
    for row in rows:
        print(
            f"| {row.name} | {row.cpu_percent:.1f} | {row.judged_fps:.2f} | {row.pictures_fps:.2f} | {row.rss_mb:.0f} |"
        )


def measure(name: str, viewers: int | None, seconds: float) -> Row:
    """`viewers` None: no login is set, so that there is no page."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        token, port = "" if viewers is None else add_login(Path(folder)), free_port()
        process = stack.enter_context(daemon(Path(folder), {"door": CLIP}, web={"port": port}))
        time.sleep(WARM_UP_S)
        for _ in range(viewers or 0):
            stack.enter_context(_viewer(port, token))
        time.sleep(1)
        before, counts, began = usage(process.pid), _counts(Path(folder), port, token, viewers), time.monotonic()
        time.sleep(seconds)
        after, later, took = usage(process.pid), _counts(Path(folder), port, token, viewers), time.monotonic() - began
    return Row(
        name,
        100 * (after.cpu_s - before.cpu_s) / took,
        (later[0] - counts[0]) / took,
        (later[1] - counts[1]) / took,
        after.rss_mb,
    )


@contextmanager
def _viewer(port: int, token: str) -> Iterator[None]:
    login = {"Authorization": f"Bearer {token}"}
    with connect(f"ws://{HOST}:{port}/api/live", additional_headers=login, max_size=None) as socket_:
        socket_.send(json.dumps({"watch": ["door"]}))

        def read() -> None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    socket_.recv()

        threading.Thread(target=read, daemon=True).start()
        yield


def _counts(folder: Path, port: int, token: str, viewers: int | None) -> tuple[float, float]:
    """Pictures judged, and pictures encoded for the page."""
    if viewers is None:
        return judged(folder)["door"], 0
    values = metrics(port, token)
    return taken(values, "door"), values["maskd_page_pictures_total"]


if __name__ == "__main__":
    main()
