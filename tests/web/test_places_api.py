"""Visits of zones and the map of where people stood, as the page asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge.store.places_file import COLUMNS, ROWS, CameraDay, Day, PlacesFolder, ZoneHour
from tests.support.web_page import TOKEN, Client, RunningPage, page_config, running_page

NOW = datetime.now().astimezone()
HOUR = NOW.replace(minute=0, second=0, microsecond=0)


def a_day(*hours: datetime) -> bytes:
    heat = [0.0] * (COLUMNS * ROWS)
    heat[5] = 12.34
    known: dict[int, ZoneHour] = {}
    for hour in hours:
        each = known.setdefault(int(hour.timestamp()), ZoneHour())
        each.add(4.0, is_violation=True)
        each.add(10.0, is_violation=False)
        each.add(100.0, is_violation=False)
    return Day(cameras={"door": CameraDay(heat=heat, zones={"ward": known})}).to_json()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[RunningPage]:
    folder = PlacesFolder(tmp_path)
    folder.write(NOW.date(), a_day(HOUR))
    before = HOUR - timedelta(days=40)
    folder.write(before.date(), a_day(before.replace(hour=3), before.replace(hour=4)))
    with running_page(tmp_path) as running:
        yield running


def asked(page: RunningPage, path: str) -> tuple[int, dict[str, object]]:
    answer = Client(page.port, headers={"Authorization": f"Bearer {TOKEN}"}).get(path)
    return answer.status, answer.json


def test_visits_by_hour_and_day(page: RunningPage) -> None:
    status, answer = asked(page, "/api/zones?days=1")
    assert status == 200
    row = {"camera": "door", "zone": "ward", "visits": 3, "violations": 1, "mean_s": 38.0, "median_s": 9.8}
    assert answer == {"zones": [{"begin": int(HOUR.timestamp()), **row}]}
    _, by_hour = asked(page, "/api/zones?days=100")
    _, by_day = asked(page, "/api/zones?days=100&step=day")
    assert isinstance(by_hour["zones"], list)
    assert isinstance(by_day["zones"], list)
    assert [each["visits"] for each in by_hour["zones"]] == [3, 3, 3], "an hour without a visit is not there"
    assert [each["visits"] for each in by_day["zones"]] == [6, 3]
    begin = datetime.fromtimestamp(by_day["zones"][0]["begin"]).astimezone()
    assert (begin.hour, begin.minute) == (0, 0)


def test_the_map_of_a_day(page: RunningPage) -> None:
    _, answer = asked(page, "/api/heat/door")
    assert (answer["day"], answer["columns"], answer["rows"]) == (NOW.date().isoformat(), COLUMNS, ROWS)
    assert answer["days"] == [(NOW - timedelta(days=40)).date().isoformat(), NOW.date().isoformat()]
    assert isinstance(answer["seconds"], list)
    assert (answer["seconds"][5], sum(answer["seconds"])) == (12.3, 12.3)
    _, other = asked(page, "/api/heat/door?day=2001-01-01")
    assert isinstance(other["seconds"], list)
    assert sum(other["seconds"]) == 0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/zones?days=0", 422),
        ("/api/zones?step=week", 422),
        ("/api/heat/door?day=../x", 422),
        ("/api/heat/gate", 404),
    ],
)
def test_what_is_wrong_is_said(page: RunningPage, path: str, status: int) -> None:
    got, answer = asked(page, path)
    assert got == status
    assert answer["error"]


def test_aggregate_refuses_both(page: RunningPage, tmp_path: Path) -> None:
    page.apply(page_config(tmp_path, page.port, "aggregate"))
    assert [asked(page, path)[0] for path in ("/api/zones", "/api/heat/door")] == [403, 403]


def test_a_damaged_day_is_an_empty_one(page: RunningPage, tmp_path: Path) -> None:
    (tmp_path / "places" / f"{NOW.date()}.json").write_text('{"cameras": {"door": {"heat": [1]}}}')
    assert asked(page, "/api/zones?days=1") == (200, {"zones": []})
