"""What the status says of the device's troubles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.daemon.running_cameras import RunningCameras
from edge.daemon.status_report import StatusReport, device_problems
from edge.store.outbox import Outbox
from edge.store.store import Store
from edge.system.deadline import Deadline
from edge.vision.thresholds import Recommendations
from tests.support.transitions import MODELS, passers_by

WELL = {"temperature_c": 60.0, "wall_time": 1_790_000_000.0}


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ({}, None),
        ({"temperature_c": None}, None),
        ({"temperature_c": 84.9}, None),
        ({"temperature_c": 85.0}, "85 °C or more"),
        ({"wall_time": 1_000_000.0}, "the clock was never set"),
    ],
)
def test_each_trouble_is_a_sentence(trouble: dict[str, Any], says: str | None) -> None:
    problems = list(device_problems(**{**WELL, **trouble}))
    assert len(problems) == (0 if says is None else 1)
    assert says is None or says in problems[0]


@contextmanager
def reporting(folder: Path, *, max_events: int = 100) -> Iterator[tuple[StatusReport, Outbox]]:
    """A report on a device whose store is real, and on which nothing else runs."""

    def fail(error: BaseException) -> None:
        raise error

    config = Config.model_validate(
        {
            "device": "lobby",
            "cameras": {"door": {"source": "0"}, "gate": {"source": "1", "enabled": False}},
            "storage": {"path": str(folder), "max_events": max_events},
        }
    )
    store = Store(config, on_damage=fail, stops=lambda: False)
    store.start()
    cameras = RunningCameras(Recommendations(0.5, 0.5), fail)
    cameras.apply(config)
    report = StatusReport(MODELS, lambda: config)
    report.parts = [store, cameras]
    try:
        yield report, store.outbox
    finally:
        store.stop(Deadline(1))


def test_a_camera_that_is_off_is_told_and_no_problem(tmp_path: Path) -> None:
    with reporting(tmp_path) as (report, _):
        status = report.status()
    assert {name: camera.enabled for name, camera in status.cameras.items()} == {"door": True, "gate": False}
    assert not any(camera.connected for camera in status.cameras.values())
    assert (status.problems, status.privacy) == ([], "events")


def test_losses_count_from_the_start(tmp_path: Path) -> None:
    with reporting(tmp_path, max_events=5) as (report, outbox):
        outbox.append(passers_by(7))
        status = report.status()
        assert status.outbox.lost == 2
        assert [problem[:15] for problem in status.problems] == ["events were los"]
    with reporting(tmp_path, max_events=5) as (report, _):
        status = report.status()
        assert status.outbox.lost > 2, "those who were there were ended, for which there was no room"
        assert status.problems == []


def test_a_damaged_outbox_is_told(tmp_path: Path) -> None:
    with reporting(tmp_path) as (_, outbox):
        outbox.append(passers_by(3))
    (tmp_path / "outbox.db").write_bytes(b"this is no database" * 500)
    with reporting(tmp_path) as (report, outbox):
        assert outbox.damaged is not None
        assert report.status().problems == [outbox.damaged]
