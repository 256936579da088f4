"""Where people stood, and their stays in zones, on the page in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make page-test")

from edge.store.places_file import COLUMNS, ROWS, CameraDay, Day, PlacesFolder, ZoneHour
from tests.support.waiting import wait_until
from tests.web.test_page_in_chromium import PHONE, Site, a_site, browser, serious, shoot, sign_in, tab

__all__ = ["browser"]

NOW = datetime.now().astimezone()
BEFORE = NOW - timedelta(days=2)


def a_day(cell: int, moment: datetime) -> bytes:
    heat = [0.0] * (COLUMNS * ROWS)
    heat[cell] = 1000.0
    hour = ZoneHour()
    hour.add(4.0, is_violation=True)
    hour.add(10.0, is_violation=False)
    begin = int(moment.replace(minute=0, second=0, microsecond=0).timestamp())
    return Day(cameras={"door": CameraDay(heat=heat, zones={"counter": {begin: hour}})}).to_json()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = PlacesFolder(tmp_path / "storage")
    folder.write(NOW.date(), a_day(100, NOW))
    folder.write(BEFORE.date(), a_day(200, BEFORE))
    with a_site(tmp_path) as running_site:
        yield running_site


def test_the_map_and_the_stays_of_zones(browser: Any, site: Site, tmp_path: Path) -> None:
    with tab(browser, site) as page:
        sign_in(page, site)
        page.click("nav >> text=Places")
        page.wait_for_selector("[data-cell='100']")
        assert "counter" in page.text_content(".heat .zone")
        page.wait_for_selector("table.stays")
        rows = page.locator("table.stays tbody tr").all_inner_texts()
        assert len(rows) == 2
        assert all("counter\t2\t1\t7.0 s\t4.2 s" in " ".join(row.split("\n")) for row in rows)
        filled = "document.querySelector('canvas').toDataURL().length"
        wait_until(lambda: page.evaluate(filled) > 5000, what="the live picture below the map")
        shoot(page, "places")
        page.click("text=live picture")
        assert not page.locator("canvas").is_visible()
        page.select_option("label:has-text('day') select", BEFORE.date().isoformat())
        page.wait_for_selector("[data-cell='200']")
        assert page.locator("[data-cell]").count() == 1
        assert serious(page) == []
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        page.click("nav >> text=Live")
        page.select_option(".switches select", "aggregate")
        page.wait_for_selector("text=Privacy is aggregate")
        page.click("nav >> text=Places")
        page.wait_for_selector("text=only counts of closed windows")
        assert page.locator("[data-cell], table.stays").count() == 0
        assert not (tmp_path / "storage" / "places").exists()
