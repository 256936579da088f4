"""How soon the Tune view answers on a busy camera: `python -m benchmarks.replay`.

Four people are in view on average, 15 pictures a second, for ten minutes. What was observed of them is replayed as the
page asks for it: the last 30 s first, then all. `--page` measures in a real Chromium instead, from the moved slider to
the changed label on the picture and to the changed list; it needs `pip install -e '.[page]'` and chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.busy_camera import CAMERA, LABELS, BusyCamera, rules_of
from benchmarks.processes import machine, percentile
from edge.config import Config
from edge.payloads.reports import CameraStatus
from edge.people.observations import KEPT_S, ObservationLog
from edge.web.replays import Replays
from edge.web.trials import Trial

FIRST_S = 30.0
CHANGES: dict[str, dict[str, Any]] = {
    "min_votes": {"compliance": {"min_votes": 9}},
    "hold_s": {"compliance": {"hold_s": 2.0}},
    "min_score": {"detector": {"min_score": 0.7}},
    "a zone": {"cameras": {CAMERA: {"source": "demo", "zones": {"till": {"corners": [[0, 0], [0.5, 0], [0.5, 1]]}}}}},
}
MOVE_THE_SLIDER = """() => new Promise((done) => {
  const began = performance.now();
  const took = {};
  const seen = () => {
    const labels = [...document.querySelectorAll(".person text")];
    const isLabelled = labels.some((text) => text.textContent.includes("(now:"));
    if (isLabelled) took.label ??= performance.now() - began;
    if (document.querySelector("tr[data-verdict=gone]")) took.list ??= performance.now() - began;
    if (took.list && !document.querySelector(".replay .older")) took.all ??= performance.now() - began;
    if (took.label && took.all) done(took);
    else requestAnimationFrame(seen);
  };
  const slider = document.querySelector("#tune-min_votes");
  slider.value = 104;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  seen();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="how often each is measured (%(default)s)")
    parser.add_argument("--page", action="store_true", help="in a real Chromium")
    args = parser.parse_args()
    print(f"{machine()}\n")
    if args.page:
        on_the_page(args.repeat)
    else:
        on_the_device(args.repeat)


def on_the_device(repeat: int) -> None:
    log = ObservationLog(LABELS, Config.model_validate({"cameras": {CAMERA: {"source": "demo"}}}))
    camera = BusyCamera(0.0)
    while camera.next_at < KEPT_S:
        log.take([camera.scene()])
    replays, today = Replays(log), rules_of()
    print("| changed | the last 30 s, ms | of processor | all ten minutes, ms | of processor |")
    print("|---|--:|--:|--:|--:|")
    for name, sections in CHANGES.items():
        trial = Trial(CAMERA, today, rules_of(**sections))
        times = [_median_ms(replays, trial, seconds, repeat) for seconds in (FIRST_S, KEPT_S)]
        print(f"| {name} | " + " | ".join(f"{wall:.0f} | {processor:.0f}" for wall, processor in times) + " |")
    replays.stop()


def _median_ms(replays: Replays, trial: Trial, seconds: float, repeat: int) -> tuple[float, float]:
    """Of the clock, and of the processor. As while one moves a slider: what the settings in effect give is known from
    the replay before."""
    took = []
    for _ in range(repeat + 1):
        started = time.perf_counter(), time.process_time()
        asyncio.run(replays.run(replace(trial), seconds))
        took.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    wall, processor = (1000 * statistics.median(times) for times in zip(*took[1:], strict=True))
    return wall, processor


def on_the_page(repeat: int) -> None:
    from playwright.sync_api import sync_playwright

    from tests.support.mosquitto import HOST
    from tests.support.web_page import PASSWORD, a_status, running_page

    door = CameraStatus(enabled=True, connected=True, fps=15, frames=0, dropped=0, error=None)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_page(Path(folder), a_status(cameras={CAMERA: door})) as running,
        sync_playwright() as playwright,
    ):
        stopping, camera = threading.Event(), BusyCamera(time.monotonic() - KEPT_S)
        while camera.next_at < time.monotonic():
            running.part._device.observations.take([camera.scene()])
        threading.Thread(target=_play, args=(running.part, camera, stopping), daemon=True).start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://{HOST}:{running.port}/")
        page.fill("#password", PASSWORD)
        page.press("#password", "Enter")
        page.click("nav >> text=Tune")
        page.wait_for_selector(".replay .summary:has-text('within 10 min')")
        page.wait_for_selector(".person .box")
        took = []
        for _ in range(repeat):
            page.wait_for_selector(".person[data-status]", state="attached")  # someone whose label can change
            took.append(page.evaluate(MOVE_THE_SLIDER))
            page.click("button:text-is('Revert')")
            while page.locator("tr[data-verdict=gone], .replay .older").count():
                time.sleep(0.1)
        browser.close()
        stopping.set()
    print("| from the moved slider to | ms, median | 95 % | most |")
    print("|---|--:|--:|--:|")
    for name, what in {
        "a label on the picture": "label",
        "the list, its last seconds": "list",
        "the list, all ten minutes": "all",
    }.items():
        times = [each[what] for each in took]
        print(f"| {name} | {statistics.median(times):.0f} | {percentile(times, 0.95):.0f} | {max(times):.0f} |")


def _play(part: Any, camera: BusyCamera, stopping: threading.Event) -> None:
    """On from now, at the pace of the camera."""
    while not stopping.is_set():
        stopping.wait(max(0.0, camera.next_at - time.monotonic()))
        scenes = [camera.scene()]
        part._device.observations.take(scenes)
        part.take(scenes)


if __name__ == "__main__":
    main()
