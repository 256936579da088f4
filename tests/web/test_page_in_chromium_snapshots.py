"""Pictures of events on the page, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make page-test")

from tests.support.waiting import wait_until
from tests.web.test_page_in_chromium import PHONE, Site, a_site, browser, serious, shoot, sign_in, tab

__all__ = ["browser"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path, snapshots={"enabled": True}) as running_site:
        yield running_site


def test_snapshots_are_shown_with_their_events(browser: Any, site: Site, tmp_path: Path) -> None:
    with tab(browser, site) as page:
        sign_in(page, site)
        page.click("nav >> text=Events")
        loaded = "[...document.querySelectorAll('.thumbnail img')].every((each) => each.naturalWidth === 480)"
        # As they happen, and again from the record.
        for _ in range(2):
            page.wait_for_selector(".thumbnail img")
            wait_until(lambda: page.evaluate(loaded), what="the pictures")
            rows = page.locator("tr:has(.thumbnail)").all_inner_texts()
            assert all("started" in row or "changed" in row for row in rows)
            page.click("nav >> text=Trends")
            page.click("nav >> text=Events")
        wait_until(lambda: page.locator(".thumbnail").count() >= 4, what="more of them")
        shoot(page, "snapshots")
        # By keyboard: open, close.
        page.locator(".thumbnail").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open] img")
        large = "document.querySelector('dialog[open] img').naturalWidth"
        wait_until(lambda: page.evaluate(large) == 480, what="the large picture")
        assert serious(page) == []
        page.keyboard.press("Escape")
        wait_until(lambda: page.locator("dialog[open]").count() == 0, what="the end of the large picture")
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        page.click("nav >> text=Live")
        page.select_option(".switches select", "aggregate")
        page.wait_for_selector("text=Privacy is aggregate")
        page.click("nav >> text=Events")
        page.wait_for_selector("text=only counts of closed windows")
        assert page.locator(".thumbnail").count() == 0
        assert not (tmp_path / "storage" / "snapshots").exists()
