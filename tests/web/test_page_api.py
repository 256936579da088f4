"""What the page asks for: events, exports, trends, settings; and its own files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from edge.payloads.events import draft_events
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.system import time_zone
from edge.system.time_zone import time_zone_name
from edge.web.event_query import HOUR_S
from edge.web.events_api import COLUMNS
from edge.web.home import STATIC
from tests.support.transitions import MODELS, TOPICS, transition
from tests.support.web_page import TOKEN, VIEW_PASSWORD, Client, RunningPage, page_config, running_page

KINDS: tuple[Literal["started"], Literal["ended"]] = ("started", "ended")
NOW = time.time()
CAMERAS = {"door": {"source": "demo"}, "gate": {"source": "demo"}}
MOST_BYTES = 60_000
"""Of everything that a browser loads, compressed."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[RunningPage]:
    with running_page(tmp_path) as running:
        running.apply(page_config(tmp_path, running.port, cameras=CAMERAS))
        yield running


@pytest.fixture
def recorded(page: RunningPage) -> RunningPage:
    """Two visits an hour ago, one of them without a mask, and one three days ago."""
    record = Record(page.folder, keep_days=36_500, keep_bytes=100_000_000)
    outbox = Outbox(page.folder, max_events=100, max_bytes=1_000_000, record=record)
    outbox.open()
    for at, track, status, camera in (
        (NOW - 72 * HOUR_S, "t0", "with_mask", "door"),
        (NOW - HOUR_S, "t1", "without_mask", "door"),
        (NOW - HOUR_S, "t2", "unknown", "gate"),
    ):
        steps = [
            transition(kind, track=track, status=status, camera=camera, started_at=at - 5, at=at) for kind in KINDS
        ]
        outbox.append(draft_events(steps, TOPICS, MODELS, wall_offset=0.0))
    outbox.close()
    return page


def machine(page: RunningPage) -> Client:
    return Client(page.port, headers={"Authorization": f"Bearer {TOKEN}"})


def tracks(page: RunningPage, query: str) -> list[str]:
    return [f"{e['track']} {e['type']}" for e in machine(page).get(f"/api/events?{query}").json["events"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["t2 ended", "t2 started", "t1 ended", "t1 started", "t0 ended", "t0 started"]),
        ("limit=1", ["t2 ended"]),
        ("camera=door&type=ended", ["t1 ended", "t0 ended"]),
        ("status=unknown", ["t2 ended", "t2 started"]),
        ("zone=entrance&limit=2", ["t2 ended", "t2 started"]),
        ("zone=elsewhere", []),
        ("since={two_hours_ago}&type=started", ["t2 started", "t1 started"]),
        ("until={two_hours_ago}", ["t0 ended", "t0 started"]),
    ],
)
def test_recorded_events_are_found(recorded: RunningPage, query: str, found: list[str]) -> None:
    assert tracks(recorded, query.format(two_hours_ago=NOW - 2 * HOUR_S)) == found


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=501", "since=yesterday", "until=-1", "since=nan"])
def test_what_is_not_a_query_is_refused_in_words(page: RunningPage, query: str) -> None:
    answer = machine(page).get(f"/api/events?{query}")
    assert answer.status == 422
    assert "must be" in answer.json["error"]


def test_events_are_saved_as_csv_and_json(recorded: RunningPage) -> None:
    answer = machine(recorded).get("/api/events.csv?camera=door")
    assert answer.headers["content-disposition"] == 'attachment; filename="lobby-events.csv"'
    heading, *rows = csv.reader(io.StringIO(answer.text))
    assert heading == [*COLUMNS]
    assert [row[heading.index("track")] for row in rows] == ["t0", "t0", "t1", "t1"]
    lines = machine(recorded).get("/api/events.json").text.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_a_device_without_a_record_has_no_events(page: RunningPage) -> None:
    assert tracks(page, "") == []
    assert machine(page).get("/api/events.csv").text == ",".join(COLUMNS) + "\n"
    assert machine(page).get("/api/trends").json == {"hours": []}


def test_visits_are_counted_by_hour_of_the_device(recorded: RunningPage) -> None:
    def hours(days: float) -> list[Any]:
        return list(machine(recorded).get(f"/api/trends?days={days}").json["hours"])

    hour = datetime.fromtimestamp(NOW - HOUR_S).astimezone().replace(minute=0, second=0, microsecond=0).timestamp()
    assert hours(1) == [[hour, "door", "violation", 1], [hour, "gate", "unknown", 1]]
    assert [outcome for _, _, outcome, _ in hours(7)] == ["compliant", "violation", "unknown"]
    assert machine(recorded).get("/api/trends?days=0").status == 422
    assert machine(recorded).get("/api/trends?days=nan").status == 422


def test_aggregate_answers_nothing_of_what_was_recorded(recorded: RunningPage) -> None:
    """In `aggregate`, recorded events, their export and the trends made of them are refused."""
    recorded.apply(page_config(recorded.folder, recorded.port, "aggregate", CAMERAS))
    for path in ("/api/events", "/api/events.csv", "/api/events.json", "/api/trends"):
        answer = machine(recorded).get(path)
        assert answer.status == 403
        assert answer.json == {"error": "privacy is aggregate, so nothing is shown of single people"}


def test_a_setting_goes_through_the_one_door(page: RunningPage) -> None:
    client, changes = page.signed_in, page.part._device.changes
    answer = client.ask("POST", "/api/settings/door/enabled", b"false")
    assert (answer.status, answer.json["value"], answer.json["persisted"]) == (200, False, False)
    assert not changes.config.cameras["door"].enabled
    assert client.ask("POST", "/api/settings/door/min_votes", b'{"value": 7}').json["value"] == 7
    assert client.ask("POST", "/api/settings/privacy", b"aggregate").json["value"] == "aggregate"
    assert (page.folder / "overrides.json").exists(), "it outlives a restart"
    listed = {(s["camera"], s["setting"]): s for s in client.get("/api/settings").json["settings"]}
    assert listed["door", "min_votes"]["range"] == [1, 100] or listed["door", "min_votes"]["range"][0] == 1
    assert listed[None, "privacy"]["choices"] == ["events", "aggregate"]


@pytest.mark.parametrize(
    ("path", "value", "status", "told"),
    [
        ("door/min_votes", b"-1", 422, "at least 1"),
        ("door/min_votes", b"x" * 5000, 422, "at most 4096 are read"),
        ("door/min_votes", b"{{", 422, "instead of one value"),
        ("door/source", b"demo", 404, "no such camera or setting"),
        ("attic/enabled", b"true", 404, "no such camera or setting"),
        ("device", b"x", 404, "no such camera or setting"),
        ("privacy", b'{"value": "events", "persist": true}', 422, "there is no config.yaml to write"),
    ],
)
def test_what_cannot_be_set_is_refused_in_words(
    page: RunningPage, path: str, value: bytes, status: int, told: str
) -> None:
    before = page.part._device.changes.config
    answer = page.signed_in.ask("POST", f"/api/settings/{path}", value)
    assert answer.status == status
    assert told in answer.json["error"]
    assert page.part._device.changes.config == before


def test_those_who_look_on_can_set_nothing(page: RunningPage) -> None:
    client = page.client
    client.sign_in(VIEW_PASSWORD)
    assert client.get("/api/about").json["role"] == "view"
    before = page.part._device.changes.config
    for each in (client, machine(page)):
        assert each.ask("POST", "/api/settings/privacy", b"aggregate").status == 403
    assert page.part._device.changes.config == before


def test_the_page_is_small_and_asks_no_other_host() -> None:
    loaded = [path for path in STATIC.rglob("*") if path.suffix in (".html", ".js", ".css")]
    assert sum(len(gzip.compress(path.read_bytes(), mtime=0)) for path in loaded) <= MOST_BYTES
    for path in loaded:
        if path.parent == STATIC:
            text = path.read_text(encoding="utf-8")
            assert "//" not in re.sub(r"^\s*//.*$|location\S*|http\"", "", text, flags=re.MULTILINE), path.name
    assert {path.name for path in (STATIC / "vendor").glob("*.LICENSE")} == {
        "htm.LICENSE",
        "preact.LICENSE",
        "uPlot.LICENSE",
    }


def test_files_are_asked_for_again_only_when_they_changed(page: RunningPage) -> None:
    client = page.signed_in
    answer = client.get("/static/app.js")
    assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-cache")
    assert client.get("/static/app.js", If_None_Match=answer.headers["etag"]).status == 304
    assert client.get("/static/../../cli.py").status == 404
    assert client.get("/static/%2e%2e/%2e%2e/cli.py").status == 404


def test_the_time_zone_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert time_zone_name() == "Europe/Berlin"
    monkeypatch.setenv("TZ", "CET-1CEST")
    monkeypatch.setattr(time_zone, "LOCALTIME", tmp_path / "localtime")
    assert time_zone_name() is None
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Kolkata")
    monkeypatch.delenv("TZ")
    assert time_zone_name() in ("Asia/Kolkata", "Asia/Calcutta")


def test_the_report_is_a_page_of_its_own_that_its_policy_lets_show(page: RunningPage) -> None:
    client = page.signed_in
    answer = client.get("/report?days=7")
    assert answer.status == 200
    assert b"Mask compliance at lobby" in answer.body
    assert client.get("/report?days=0").status == 422
    assert page.client.get("/report").status in (303, 401)
    assert client.get("/api/audit").json == {"changes": []}
