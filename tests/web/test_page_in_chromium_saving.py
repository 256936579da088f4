"""Saving what was tuned, in a real Chromium: two people at once, a read-only file, zones drawn by finger."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.waiting import wait_until
from tests.support.web_page import RunningPage, running_page
from tests.web.test_page_in_chromium import PHONE, Site, browser, shoot, sign_in, tab
from tests.web.test_page_in_chromium_tune import corners, saved

__all__ = ["browser"]

TEXT = """\
device: lobby
cameras:
  door:
    source: demo
    min_votes: 5  # five are enough
"""


class Page(Site):
    def __init__(self, running: RunningPage) -> None:
        super().__init__(running.port)
        self.running = running

    @property
    def text(self) -> str:
        return (self.running.folder / "config.yaml").read_text()

    @property
    def door(self) -> Any:
        return yaml.safe_load(self.text)["cameras"]["door"]

    @property
    def in_effect(self) -> Any:
        return self.running.part._device.changes.config.cameras["door"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Page]:
    with running_page(tmp_path, text=TEXT) as running:
        yield Page(running)


def open_tune(page: Any, site: Page) -> None:
    sign_in(page, site)
    page.click("nav >> text=Tune")
    page.wait_for_selector("#tune-min_votes")


@contextmanager
def a_conflict(browser: Any, site: Page) -> Iterator[Any]:
    """Someone has saved a hold time of 2 s; this tab wants 3 s, and a majority of 0.7."""
    with tab(browser, site) as one, tab(browser, site, expected="409 (Conflict)") as other:
        open_tune(one, site)
        open_tune(other, site)
        one.fill("#tune-hold_s", "2")
        saved(one)
        other.fill("#tune-hold_s", "3")
        other.fill("#tune-majority", "0.7")
        other.click("button:text-is('Save')")
        other.wait_for_selector("[role=alertdialog] >> text=hold time of door from 1 to 2")
        yield other


def test_mine_are_saved_over_theirs_if_i_say_so(browser: Any, site: Page) -> None:
    with a_conflict(browser, site) as page:
        page.click("text=Save mine over theirs")
        page.wait_for_selector("p[role=status]:has-text('In effect and written to')")
        assert page.locator("[role=alertdialog]").count() == 0
        assert (site.door["hold_s"], site.door["majority"]) == (3, 0.7)
        assert site.text.startswith(TEXT.rstrip("\n"))


def test_mine_are_discarded_if_i_say_so(browser: Any, site: Page) -> None:
    with a_conflict(browser, site) as page:
        page.click("text=Discard mine")
        wait_until(lambda: page.input_value("#tune-hold_s") == "2", what="the value of the other")
        assert page.locator("[role=alertdialog], .slider.changed").count() == 0
        assert page.is_disabled("button:text-is('Save')")
        assert "majority" not in site.door


def test_where_the_file_is_read_only_the_page_says_where_the_value_is(
    browser: Any, site: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_path: Path, _data: bytes) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("edge.config.edit.replace_file", refuses)
    before = site.text
    with tab(browser, site) as page:
        open_tune(page, site)
        page.fill("#tune-min_votes", "7")
        page.click("text=Add a rectangle")
        page.click("button:text-is('Save')")
        page.wait_for_selector("p[role=status]:has-text('kept in overrides.json')")
        assert "Read-only file system" in page.inner_text("p[role=status]:has-text('kept in')")
        assert page.inner_text(".slider:has(#tune-min_votes) small").startswith("overrides.json")
        page.reload()
        page.wait_for_selector(".editor polygon")
        assert page.input_value("#tune-min_votes") == "7"
        assert site.text == before
        assert '"zone-1"' in (site.running.folder / "overrides.json").read_text()


def test_a_zone_is_drawn_by_finger(browser: Any, site: Page) -> None:
    with tab(browser, site, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        open_tune(page, site)
        page.tap("text=Draw a zone")
        editor = page.locator(".editor").bounding_box()

        def at(x: float, y: float) -> tuple[float, float]:
            return editor["x"] + x * editor["width"], editor["y"] + y * editor["height"]

        for x, y in [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]:
            page.touchscreen.tap(*at(x, y))
        assert "4 so far" in page.inner_text(".tools")
        page.touchscreen.tap(*at(0.23, 0.24))  # near the first corner, as a finger is
        page.wait_for_selector(".editor polygon")
        assert len(corners(page)) == 4
        scrolled = page.evaluate("scrollY")
        drag(page, at(0.82, 0.83), at(0.95, 0.9))
        wait_until(lambda: corners(page)[2] == pytest.approx([0.95, 0.9], abs=0.02), what="the corner")
        drag(page, at(0.4, 0.5), at(0.3, 0.5))
        wait_until(lambda: corners(page)[0] == pytest.approx([0.1, 0.2], abs=0.02), what="the zone")
        assert page.evaluate("scrollY") == scrolled, "the page stays where it is under the finger"
        shoot(page, "finger")
        saved(page)
        assert site.door["zones"]["zone-1"]["corners"][2] == pytest.approx([0.85, 0.9], abs=0.02)


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """One finger."""
    finger = page.context.new_cdp_session(page)

    def send(what: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        finger.send("Input.dispatchTouchEvent", {"type": what, "touchPoints": touches})

    send("touchStart", start)
    for part in (0.25, 0.5, 0.75, 1.0):
        x, y = (here + part * (there - here) for here, there in zip(start, end, strict=True))
        send("touchMove", (x, y))
    send("touchEnd")
