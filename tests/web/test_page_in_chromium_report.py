"""The report in a real Chromium; SCREENSHOTS=folder takes its picture for the docs."""

from __future__ import annotations

import os
import re
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edge.config.file import config_from_values
from edge.report import privacy_sheet
from edge.report.page import as_html
from edge.report.report import make_report
from edge.report.visits import visits
from edge.store.uptime import spans
from tests.support.month import simulate

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make page-test")

from tests.web.test_page_in_chromium import browser

__all__ = ["browser"]

ZONE = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_of_a_month_fits_screens_and_asks_no_one(browser: Any, tmp_path: Path, scheme: str) -> None:
    first, last = datetime(2026, 10, 5, tzinfo=ZONE), datetime(2026, 11, 2, tzinfo=ZONE)
    simulate(tmp_path, first, 28, ZONE, down={(8, 9), (8, 10), (8, 11), (20, 14), *((13, hour) for hour in range(24))})
    begin, end = first.timestamp(), last.timestamp()
    report = make_report(
        visits(tmp_path, begin, end),
        spans(tmp_path, begin),
        ["door", "hall"],
        device="lobby",
        begin=begin,
        end=end,
        zone=ZONE,
        zone_name="Europe/Berlin",
    )
    (tmp_path / "report.html").write_text(as_html(report))
    address = (tmp_path / "report.html").as_uri()
    asked: list[str] = []
    with closing(browser.new_page(viewport={"width": 1000, "height": 1000}, color_scheme=scheme)) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        for width in (1000, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.set_viewport_size({"width": 1000, "height": 1130})
        if (shots := os.environ.get("SCREENSHOTS", "")) and scheme == "light":
            page.screenshot(path=Path(shots) / "report.png")
    assert asked == [address]


def test_the_privacy_sheet_of_four_cameras_prints_on_one_page_of_a4(browser: Any, tmp_path: Path) -> None:
    cameras = {f"door-{number}": {"source": "demo"} for number in range(4)}
    config = config_from_values(
        {"device": "lobby", "cameras": cameras, "report": {"folder": str(tmp_path)}, "web": {"host": "0.0.0.0"}}
        | {"snapshots": {"enabled": True, "publish": True}}
    )
    (tmp_path / "sheet.html").write_text(privacy_sheet.as_html(config, "2026-11-29, maskd 1"))
    with closing(browser.new_page()) as page:
        page.goto((tmp_path / "sheet.html").as_uri())
        printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b", printed)) == 1
