"""A simulated month, over a change of the clocks: every number is counted once more from the record's own lines."""

from __future__ import annotations

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge.config.file import config_from_values
from edge.errors import MaskdError
from edge.report.as_data import as_csv, as_json
from edge.report.gather import report_of
from edge.report.hours import hours_of, index_of
from edge.report.page import as_html
from edge.report.privacy_sheet import as_text
from edge.report.report import Report
from edge.report.weekly import last_week, write_last_week
from edge.store.uptime import Uptime, spans
from edge.system.deadline import Deadline
from tests.support.month import simulate
from tests.support.waiting import wait_until

MADE = "2026-11-29, maskd 1"
BERLIN = ZoneInfo("Europe/Berlin")
DOWN = {(3, 9), (3, 10), *((9, hour) for hour in range(24))}
"""Of the days of the month: hours in which maskd did not run."""


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def a_report(folder: Path, first: datetime, days: int) -> Report:
    config = config_from_values(
        {"device": "lobby", "cameras": {"door": {"source": "demo"}, "hall": {"source": "0"}}}
        | {"storage": {"path": str(folder)}}
    )
    end = (first.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=BERLIN)
    return report_of(config, first.timestamp(), end.timestamp())


def recorded(folder: Path) -> dict[str, tuple[str, datetime, str]]:
    """By track: camera, local time of the beginning, and outcome, from the lines alone."""
    found: dict[str, tuple[str, datetime, str]] = {}
    for path in sorted((folder / "record").iterdir()):
        for line in path.read_text().splitlines():
            event = json.loads(line)
            begin = datetime.fromisoformat(event["started"].replace("Z", "+00:00")).astimezone(BERLIN)
            now = "unknown" if event["status"] == "unknown" else "compliant" if event["compliant"] else "violation"
            before = found.get(event["track"], ("", begin, "unknown"))[2]
            outcome = "violation" if "violation" in (before, now) else now if before == "unknown" else before
            found[event["track"]] = (event["camera"], begin, outcome)
    return found


@pytest.mark.parametrize(
    ("first", "hours"),
    [(datetime(2026, 10, 19, tzinfo=BERLIN), 14 * 24 + 1), (datetime(2026, 3, 23, tzinfo=BERLIN), 335)],
)
def test_the_numbers_of_a_month_match_the_record(tmp_path: Path, first: datetime, hours: int) -> None:
    """In autumn an hour comes twice, in spring one never."""
    simulated = simulate(tmp_path, first, 14, BERLIN, down=DOWN)
    report = a_report(tmp_path, first, 14)
    found = recorded(tmp_path)
    assert len(report.hours) == hours
    assert report.total.visits == len(found) == len(simulated)
    by_outcome = Counter(outcome for _, _, outcome in found.values())
    assert (report.total.compliant, report.total.violation, report.total.unknown) == (
        by_outcome["compliant"],
        by_outcome["violation"],
        by_outcome["unknown"],
    )
    by_hour = Counter(begin.hour for _, begin, _ in found.values())
    assert {hour: tally.visits for hour, tally in report.by_hour.items() if tally.visits} == by_hour
    by_day = Counter(begin.date() for _, begin, _ in found.values())
    assert {day: tally.visits for day, tally in report.days.items() if tally.visits} == by_day
    cells = Counter((begin.weekday(), begin.hour) for _, begin, _ in found.values())
    assert {cell: tally.visits for cell, tally in report.week.items() if tally.visits} == cells
    by_camera = Counter(camera for camera, _, _ in found.values())
    assert {name: tally.visits for name, tally in report.cameras.items()} == by_camera
    zones = Counter((visit["camera"], zone) for visit in simulated for zone in visit["zones"])
    assert {key: tally.visits for key, tally in report.zones.items()} == zones
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert sum(int(row["visits"]) for row in rows) == len(found)
    assert Counter({row["hour"]: 0 for row in rows}).keys() == {hour.local.isoformat() for hour, _ in report.hours}
    assert json.loads(as_json(report))["total"]["visits"] == len(found)


def test_an_hour_without_data_is_no_hour_of_compliance(tmp_path: Path) -> None:
    first = datetime(2026, 10, 19, tzinfo=BERLIN)
    simulate(tmp_path, first, 14, BERLIN, down=DOWN)
    report = a_report(tmp_path, first, 14)
    for name, uptime in report.uptime.items():
        assert uptime.up_s == pytest.approx((14 * 24 + 1 - len(DOWN)) * 3600)
        assert [(gap.end - gap.begin) / 3600 for gap in uptime.gaps] == [2, 24]
        assert report.cameras[name].covered_s == pytest.approx(uptime.up_s)
    without = report.days[(first + timedelta(days=9)).date()]
    assert (without.visits, without.covered_s, without.rate) == (0, 0, None)
    page = as_html(report)
    assert "Wednesday 2026-10-28: no data" in page
    assert page.count('class="nodata"') > 2
    assert page.count('class="dot"') == 13, "a day without data has no share"
    assert "<li>2026-10-22 09:00 to 2026-10-22 11:00 (2.0 h): door, hall</li>" in page
    _require_self_contained(page)


def _require_self_contained(page: str) -> None:
    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "link", "img", "iframe")
            assert not {"src", "href", "style"} & {name for name, _ in attributes}

    Reader().feed(page)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/New_York", "UTC"])
def test_hours_have_no_gap_in_any_zone(zone: str) -> None:
    begin = datetime(2026, 3, 1, 0, 17, tzinfo=ZoneInfo(zone)).timestamp()
    hours = hours_of(begin, begin + 250 * 86_400, ZoneInfo(zone))
    assert all(one.end == other.begin for one, other in pairwise(hours))
    assert all(0 < hour.end - hour.begin <= 3600 for hour in hours)
    assert all(index_of(hours, hour.begin) == place for place, hour in enumerate(hours))
    assert hours[0].begin == begin
    assert index_of(hours, begin - 1) is None


def test_nothing_of_single_people_with_aggregate(tmp_path: Path) -> None:
    config = config_from_values({"privacy": "aggregate", "storage": {"path": str(tmp_path)}})
    with pytest.raises(MaskdError, match="privacy is aggregate"):
        report_of(config, 0, 1)
    assert "aggregate" in as_text(config, MADE)


def test_the_week_is_written_once(tmp_path: Path) -> None:
    monday = datetime(2026, 10, 26, tzinfo=BERLIN)
    assert last_week(monday.timestamp() + 300, BERLIN)[1] == datetime(2026, 10, 19, tzinfo=BERLIN)
    assert last_week(monday.timestamp() + 700, BERLIN) == (datetime(2026, 10, 19, tzinfo=BERLIN), monday)
    simulate(tmp_path, datetime(2026, 10, 19, tzinfo=BERLIN), 7, BERLIN)
    config = config_from_values({"device": "lobby", "storage": {"path": str(tmp_path)}, "report": {"keep_weeks": 1}})
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "maskd-lobby-2025-W01.html").touch()
    path = write_last_week(config, folder, monday.timestamp() + 700)
    assert path is not None
    assert [each.name for each in folder.iterdir()] == ["maskd-lobby-2026-W43.html"]
    assert "169.0 h, 100 % of the time" in path.read_text()  # 25 hours on Sunday
    assert write_last_week(config, folder, monday.timestamp() + 700) is None
    assert write_last_week(config, folder, monday.timestamp() - 20 * 86_400) is None  # nothing is known of that week
    assert len([*folder.iterdir()]) == 1


def test_when_cameras_gave_pictures_is_noted(tmp_path: Path) -> None:
    class State:
        def __init__(self, *, enabled: bool, connected: bool) -> None:
            self.enabled, self.connected = enabled, connected

    cameras = {"door": State(enabled=True, connected=True), "yard": State(enabled=False, connected=False)}
    config = config_from_values({"storage": {"path": str(tmp_path)}})
    part = Uptime(config, lambda: cameras)
    part.start()
    wait_until(lambda: part._state is not None)
    part.stop(Deadline(5))
    (span,) = spans(tmp_path)
    assert (sorted(span.up), sorted(span.off)) == (["door"], ["yard"])
    assert abs(span.end - time.time()) < 60


def test_the_privacy_sheet_names_who_gets_mail() -> None:
    mail = {"host": "mail.example.org", "sender": "a@example.org", "recipients": ["b@example.org", "c@example.org"]}
    values = {"outputs": {"mail": {"desk": mail}}, "rules": {"remind": {"do": ["desk"]}}}
    text = as_text(config_from_values(values), MADE)
    assert (
        "By mail to b@example.org, c@example.org, through the server mail.example.org, encrypted (TLS), when the rule "
        "remind acts" in text
    )


def test_the_privacy_sheet_follows_the_configuration() -> None:
    text = as_text(
        config_from_values({"device": "lobby", "cameras": {"door": {"source": "rtsp://u:s3cret@h/x"}}}), MADE
    )
    assert "Camera door" in text
    assert "for 30 days" in text
    assert "MQTT broker localhost, port 1883, unencrypted" in text
    assert "No pictures are kept, except clips" in text
    assert "As of 2026-11-29, maskd 1" in text
    assert "Who is responsible: ___" in text
    assert "s3cret" not in text
    kept = as_text(config_from_values({"snapshots": {"enabled": True, "publish": True, "keep_days": 3}}), MADE)
    assert "faces pixelated, for 3 days" in kept
    assert "the latest of these pictures" in kept


def test_the_privacy_sheet_says_what_is_announced_aloud() -> None:
    config = config_from_values(
        {
            "outputs": {"sound": {"please": {"say": "Your mask, please."}, "bell": {"file": "/srv/bell.ogg"}}},
            "rules": {"remind": {"do": ["please"]}},
        }
    )
    text = as_text(config, MADE)
    assert (
        'Aloud at the device, for whoever is near, when the rule remind acts: the sentence "Your mask, please."' in text
    )
    assert "of which there is none yet: a sound." in text
    assert "Aloud" not in as_text(config.model_copy(update={"privacy": "aggregate"}), MADE)
