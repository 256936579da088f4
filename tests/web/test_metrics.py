"""/metrics: what it counts, what it keeps to itself in `aggregate`, and what a real Prometheus makes of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edge.camera.frame import Frame
from edge.payloads.reports import CameraStatus, DayTotals, Totals
from edge.people.scene import LookTimings, Scene
from tests.people.test_zone_visits import Walk
from tests.support.mosquitto import HOST, free_port
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end
from tests.support.transitions import transition
from tests.support.waiting import wait_until
from tests.support.web_page import (
    TOKEN,
    Client,
    RunningPage,
    a_part,
    a_status,
    page_config,
    running_page,
)

FLEET = ROOT / "docs" / "fleet"
CAMERA = CameraStatus(enabled=True, connected=True, fps=9.5, frames=100, dropped=7, error=None, view=("dark",))
STATUS = a_status(cameras={"door": CAMERA}, temperature_c=48.0)
TOTALS = Totals(
    device="lobby",
    camera="door",
    visits=12,
    violations=3,
    today=DayTotals(date="2026-11-20", visits=2, violations=1),
    since="2026-11-01T00:00:00.000Z",
    time="2026-11-20T12:00:00.000Z",
)
OF_A_PERSON = ("maskd_people", "maskd_events_total", "maskd_zone_", "maskd_outbox_oldest_seconds")


AGE_S = 0.5


def a_scene(*, detect_ms: float = 12, classify_ms: float = 0, classified: int = 0) -> Scene:
    frame = Frame(np.zeros((4, 4, 3), np.uint8), time.monotonic() - AGE_S, 1)
    scene = Scene(camera="door", frame=frame, people=(), transitions=(), faces=())
    return replace(scene, timings=LookTimings(detect_ms, classify_ms, classified))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[RunningPage]:
    with running_page(tmp_path, STATUS, totals=[TOTALS]) as running:
        yield running


def machine(page: RunningPage) -> Client:
    return Client(page.port, headers={"Authorization": f"Bearer {TOKEN}"})


def values(page: RunningPage) -> dict[str, float]:
    """By name with labels."""
    lines = machine(page).get("/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_what_is_counted(page: RunningPage) -> None:
    for classified in (0, 2):
        page.part.take([a_scene(classify_ms=30 * classified, classified=classified)])
    page.part.observe([transition(), transition("ended"), transition(track="t2")])
    got = values(page)
    assert got['maskd_frames_total{camera="door"}'] == 100
    assert got['maskd_frames_dropped_total{camera="door"}'] == 7
    assert got['maskd_camera_view_fault{camera="door",fault="dark"}'] == 1
    assert got['maskd_camera_view_fault{camera="door",fault="moved"}'] == 0
    assert got['maskd_stage_seconds_count{camera="door",stage="detect"}'] == 2
    assert got['maskd_stage_seconds_sum{camera="door",stage="detect"}'] == pytest.approx(0.024)
    assert got['maskd_stage_seconds_bucket{camera="door",le="0.01",stage="detect"}'] == 0
    assert got['maskd_stage_seconds_bucket{camera="door",le="0.02",stage="detect"}'] == 2
    assert got['maskd_stage_seconds_bucket{camera="door",le="0.075",stage="classify"}'] == 1
    assert got['maskd_stage_seconds_count{camera="door",stage="classify"}'] == 1
    assert got['maskd_stage_seconds_count{camera="door",stage="age"}'] == 2
    waited, age = (got[f'maskd_stage_seconds_sum{{camera="door",stage="{stage}"}}'] for stage in ("wait", "age"))
    assert age >= 2 * AGE_S
    assert waited == pytest.approx(age - 0.024 - 0.06)
    assert got['maskd_events_total{camera="door",status="without_mask",type="started"}'] == 2
    assert got['maskd_zone_events_total{camera="door",status="without_mask",type="ended",zone="entrance"}'] == 1
    assert got['maskd_visits_total{camera="door"}'] == 12
    assert got["maskd_temperature_celsius"] == 48
    assert got["process_open_fds"] > 0


def test_zones_count_who_is_there_and_who_has_left(page: RunningPage) -> None:
    walk = Walk()
    for x, letter in ((0.25, "n"), (0.0, "."), (0.25, "M")):
        for number in range(30):
            walk.look(x, letter, page.part.take)
            if (letter, number) == ("n", 29):
                assert values(page)['maskd_zone_people{camera="door",zone="ward"}'] == 1
    got = values(page)
    assert got['maskd_zone_visits_total{camera="door",zone="ward"}'] == 1
    assert got['maskd_zone_violations_total{camera="door",zone="ward"}'] == 1
    assert got['maskd_zone_stay_seconds_total{camera="door",zone="ward"}'] == pytest.approx(2.9)


def test_aggregate_shows_closed_windows_alone(tmp_path: Path) -> None:
    """In `aggregate`, the page and its metrics show of people the counts of closed windows alone."""
    aggregate = STATUS.model_copy(update={"privacy": "aggregate"})
    with running_page(tmp_path, aggregate, totals=[TOTALS], privacy="aggregate") as page:
        page.part.take([a_scene(classify_ms=30, classified=1)])
        page.part.observe([transition()])
        got = values(page)
        assert got['maskd_visits_total{camera="door"}'] == 12
        assert got['maskd_stage_seconds_count{camera="door",stage="detect"}'] == 1
        assert [name for name in got if name.startswith(OF_A_PERSON)] == []
        assert {name.split('"')[3] for name in got if name.startswith("maskd_stage_seconds_count")} == {"detect"}
        # Nor later.
        page.apply(page_config(tmp_path, page.port))
        page.part.take([a_scene()])
        later = values(page)
        assert [name for name in later if "maskd_events" in name or "classify" in name] == []
        assert later['maskd_stage_seconds_count{camera="door",stage="wait"}'] == 1


def test_an_error_in_the_page_stops_neither_cameras_nor_events(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = a_part(page_config(tmp_path, free_port()))
    for _ in range(20):
        part.take([None])  # type: ignore[list-item]
        part.observe([None])  # type: ignore[list-item]
    assert len([record for record in caplog.records if "an error in the page" in record.message]) == 3


def promtool(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, timeout=60)


def test_promtool_finds_nothing_wrong(page: RunningPage) -> None:
    page.part.take([a_scene()])
    page.part.observe([transition()])
    text = "".join(f"{line}\n" for line in machine(page).get("/metrics").text.splitlines() if "process_" not in line)
    checked = promtool("check", "metrics", text=text)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    rules = promtool("check", "rules", str(FLEET / "maskd-alerts.yml"))
    assert rules.returncode == 0, rules.stderr


def expressions() -> list[str]:
    dashboard = json.loads((FLEET / "grafana-maskd.json").read_text())
    shown = [target["expr"].replace("$device", ".*") for panel in dashboard["panels"] for target in panel["targets"]]
    alerts = yaml.safe_load((FLEET / "maskd-alerts.yml").read_text())
    return [*shown, *(rule["expr"] for group in alerts["groups"] for rule in group["rules"])]


def test_the_dashboard_and_the_rules_name_metrics_that_there_are(page: RunningPage) -> None:
    page.part.take([a_scene()])
    page.part.observe([transition()])
    walk = Walk()
    for number in range(60):
        walk.look(0.25 if number < 30 else 0.0, "n", page.part.take)
    there = {name.partition("{")[0] for name in values(page)} | {"maskd_people"}
    named = set(re.findall(r"\b(?:maskd|process)_[a-z_]+", " ".join(expressions())))
    assert len(named) > 12
    assert named <= there
    listed = set(re.findall(r"`(maskd_[a-z_]+[a-z])`", (ROOT / "docs" / "metrics.md").read_text()))
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name in there if name.startswith("maskd_")}
    assert {name for name in shown if not name.endswith("_created")} == listed


def test_a_real_prometheus_reads_it(page: RunningPage, tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    config = yaml.safe_load((FLEET / "prometheus.yml").read_text())
    job = config["scrape_configs"][0]
    config["scrape_configs"] = [job]
    job["static_configs"][0]["targets"] = [f"{HOST}:{page.port}"]
    (tmp_path / "token").write_text(TOKEN)
    job["authorization"]["credentials_file"] = str(tmp_path / "token")
    del job["tls_config"]
    job |= {"scheme": "http", "scrape_interval": "1s"}
    config["rule_files"] = [str(FLEET / "maskd-alerts.yml")]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    page.part.take([a_scene()])
    port = free_port()
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    command += [f"--web.listen-address={HOST}:{port}"]
    with (tmp_path / "log").open("wb") as log, killed_at_the_end(subprocess.Popen(command, stdout=log, stderr=log)):

        def is_ready() -> bool:
            try:
                with urllib.request.urlopen(f"http://{HOST}:{port}/-/ready", timeout=30) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        def ask(expression: str) -> list[Any]:
            """Raises HTTPError where Prometheus cannot read the expression."""
            query = urllib.parse.urlencode({"query": expression})
            with urllib.request.urlopen(f"http://{HOST}:{port}/api/v1/query?{query}", timeout=30) as answer:
                result: list[Any] = json.load(answer)["data"]["result"]
                return result

        wait_until(is_ready, what="Prometheus")
        wait_until(lambda: ask("maskd_frames_total"), what="the first reading")
        assert ask('up{job="maskd"}')[0]["value"][1] == "1"
        for expression in expressions():
            ask(expression)
        # The dashboard's variable is the device's own name, which one metric alone has.
        fps = next(expression for expression in expressions() if expression.startswith("maskd_camera_fps *"))
        assert ask(fps)[0]["metric"]["device"] == ask("maskd_info")[0]["metric"]["device"]
