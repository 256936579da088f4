"""The map of where people stand, and the visits of zones, on the disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.camera.frame import Frame
from edge.config import Config
from edge.geometry import Box
from edge.people.scene import Person, Scene
from edge.people.zones import ZoneStay
from edge.store.places import Places
from edge.store.places_file import COLUMNS, ROWS, CameraDay, Day, PlacesFolder, ZoneHour
from edge.system.deadline import Deadline
from tests.support.waiting import wait_until

NOON = datetime(2026, 11, 20, 12, 30).astimezone()
TODAY = NOON.date()
IMAGE = np.zeros((360, 640, 3), np.uint8)


def a_config(folder: Path, privacy: str = "events", keep_days: float = 30) -> Config:
    return Config.model_validate(
        {
            "privacy": privacy,
            "cameras": {"door": {"source": "demo"}},
            "storage": {"path": str(folder), "keep_days": keep_days},
        }
    )


def a_person(x: float = 0.5, y: float = 0.5, **changes: Any) -> Person:
    """The middle of the face at these fractions of the picture."""
    left, top = x * 640 - 20, y * 360 - 20
    person = Person(
        track="t1",
        box=Box(left, top, left + 40, top + 40),
        score=0.9,
        seen=True,
        confirmed=True,
        first_seen=0.0,
        last_seen=0.0,
        status="without_mask",
        classification=None,
        classified_at=None,
        zones=(),
        compliant=False,
        breaks_in=("ward",),
    )
    return replace(person, **changes)


def a_scene(at: float, *people: Person) -> Scene:
    return Scene("door", Frame(IMAGE, at, 1), people, ())


class Clock:
    def __init__(self) -> None:
        self.now = NOON.timestamp()

    def wall(self) -> float:
        return self.now


class Running:
    def __init__(self, folder: Path, config: Config | None = None) -> None:
        self.clock = Clock()
        self.failures: list[BaseException] = []
        self.folder = folder
        self.part = Places(
            config or a_config(folder),
            on_failure=self.failures.append,
            wall=self.clock.wall,
            monotonic=lambda: self.clock.now,
            save_s=0.01,
        )

    def stand(self, seconds: int, *people: Person, begin: float = 10.0) -> None:
        for second in range(seconds + 1):
            self.part.take([a_scene(begin + second, *people)])

    def day(self, day: date = TODAY) -> CameraDay:
        return PlacesFolder(self.folder).read(day).cameras.get("door", CameraDay())

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("places*/*"))


@contextmanager
def running(folder: Path, config: Config | None = None) -> Iterator[Running]:
    each = Running(folder, config)
    each.part.start()
    try:
        yield each
    finally:
        each.part.stop(Deadline(5))
        assert each.failures == []


def test_the_map_holds_seconds_by_cell_and_survives_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        with running(tmp_path) as places:
            places.stand(10, a_person(0.25, 0.5))
    heat = np.array(places.day().heat).reshape(ROWS, COLUMNS)
    assert heat[ROWS // 2, COLUMNS // 4] == pytest.approx(20)
    assert heat.sum() == pytest.approx(20)
    assert places.files == ["2026-11-20.json"]
    assert (tmp_path / "places").stat().st_mode & 0o077 == 0


def test_a_gap_between_pictures_and_an_unconfirmed_face_give_no_heat(tmp_path: Path) -> None:
    with running(tmp_path) as places:
        places.part.take([a_scene(10.0, a_person())])
        places.part.take([a_scene(500.0, a_person())])
        places.stand(5, a_person(confirmed=False), a_person(seen=False), begin=501.0)
    assert sum(places.day().heat) == pytest.approx(1.0)


def test_the_file_is_small_and_holds_no_track_and_no_time_of_a_person(tmp_path: Path) -> None:
    with running(tmp_path) as places:
        for number in range(COLUMNS * ROWS):
            person = a_person(number % COLUMNS / COLUMNS + 0.01, number // COLUMNS / ROWS + 0.01)
            places.stand(1, person, begin=10.0 + 2 * number)
        visit = a_person(track="t2", zones=(ZoneStay("ward", 3000.0, None),), first_seen=3000.0, last_seen=3004.0)
        places.stand(2, visit, begin=3000.0)
        places.part.take([a_scene(3005.0)])
    text = (tmp_path / "places/2026-11-20.json").read_text()
    assert len(text) < 12_000
    known = json.loads(text)["cameras"]["door"]
    assert set(known) == {"heat", "zones"}
    hour = NOON.replace(minute=0).timestamp()
    assert known["zones"] == {
        "ward": {f"{hour:.0f}": {"visits": 1, "violations": 1, "seconds": 4.0, "lengths": {"15": 1}}}
    }


def test_a_new_day_begins_a_new_map(tmp_path: Path) -> None:
    with running(tmp_path) as places:
        places.stand(3, a_person())
        places.clock.now += 12 * 3600
        tomorrow = TODAY + timedelta(days=1)
        wait_until(lambda: places.part._day == tomorrow, what="the next day")
        places.stand(5, a_person(), begin=50_000.0)
    assert sum(places.day().heat) == pytest.approx(3)
    assert sum(places.day(tomorrow).heat) == pytest.approx(6), "a picture is at most a second"


def test_old_days_go_by_keep_days_once_the_clock_is_trusted(tmp_path: Path) -> None:
    folder = PlacesFolder(tmp_path)
    for ago in (0, 1, 30, 31, 400):
        folder.write(TODAY - timedelta(days=ago), Day().to_json())
    with running(tmp_path):
        wait_until(lambda: len(folder.days()) == 3, what="the old ones gone")
    assert folder.days() == [TODAY - timedelta(days=ago) for ago in (30, 1, 0)]


def test_a_clock_that_nothing_confirms_deletes_nothing(tmp_path: Path) -> None:
    folder = PlacesFolder(tmp_path)
    folder.write(TODAY - timedelta(days=900), Day().to_json())
    with running(tmp_path) as places:
        places.stand(1, a_person())
    assert len(folder.days()) == 2


def test_aggregate_keeps_no_map_and_deletes_the_one_there_was(tmp_path: Path) -> None:
    """In `aggregate`, no map of where people stand and no visit of a zone is kept; switching to it deletes them before
    the switch is answered."""
    with running(tmp_path) as places:
        places.stand(3, a_person())
        wait_until(lambda: sum(places.day().heat) > 0, what="the map")
        (tmp_path / "places/2026-11-20.json.new").write_text("left by a power cut")
        places.part.apply(a_config(tmp_path, "aggregate"))
        assert places.files == []
        assert not (tmp_path / "places").exists()
        places.stand(3, a_person(), begin=100.0)
    assert not (tmp_path / "places").exists()
    PlacesFolder(tmp_path).write(TODAY, Day().to_json())
    with running(tmp_path, a_config(tmp_path, "aggregate")):
        assert not (tmp_path / "places").exists(), "at a start as well"


def test_a_switch_while_the_disk_is_busy_leaves_no_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_writing, may_write = threading.Event(), threading.Event()
    write = PlacesFolder.write

    def slow(self: PlacesFolder, day: date, data: bytes) -> None:
        is_writing.set()
        assert may_write.wait(10)
        write(self, day, data)

    monkeypatch.setattr(PlacesFolder, "write", slow)
    with running(tmp_path) as places:
        places.stand(3, a_person())
        assert is_writing.wait(10)
        threading.Timer(0.1, may_write.set).start()
        places.part.apply(a_config(tmp_path, "aggregate"))
        assert not (tmp_path / "places").exists()
    assert not (tmp_path / "places").exists()


def test_keep_days_0_keeps_none(tmp_path: Path) -> None:
    with running(tmp_path, a_config(tmp_path, keep_days=0)) as places:
        places.stand(3, a_person())
    assert not (tmp_path / "places").exists()


def test_a_disk_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PlacesFolder, "write", refuses)
    with running(tmp_path) as places:
        places.stand(3, a_person())
        wait_until(lambda: places.part.status().problems, what="the problem")
        (problem,) = places.part.status().problems
    assert problem == "the map of where people stand cannot be kept: No space left on device; check the disk"


def test_the_median_is_right_to_a_twentieth() -> None:
    hour = ZoneHour()
    assert (hour.mean_s, hour.median_s) == (None, None)
    for seconds in (1.0, 2.0, 12.0, 50.0, 300.0):
        hour.add(seconds, is_violation=False)
    assert hour.mean_s == pytest.approx(73)
    assert hour.median_s == pytest.approx(12, rel=0.05)
    assert hour.merged(hour).median_s == pytest.approx(12, rel=0.05)
