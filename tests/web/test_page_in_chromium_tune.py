"""The Tune view in a real Chromium, with the real daemon, which plays the demo's clip."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from edge.demo_clip import CLIP
from edge.web.logins import FILE_NAME, write_logins
from tests.daemon.test_daemon import running
from tests.support.mosquitto import free_port
from tests.support.waiting import wait_until
from tests.support.web_page import LOGINS, VIEW_PASSWORD, is_listening
from tests.web.test_page_in_chromium import PHONE, Site, browser, serious, shoot, sign_in, tab

__all__ = ["browser"]

COMMENT = "# These comments were written by hand."
BEGIN = f"""\
{COMMENT}
device: lobby
cameras:
  door:  # the front door
    source: {CLIP}
    loop: true
    min_votes: 5  # five are enough
    # Nobody has drawn a zone yet.
    zones: {{}}
mqtt: {{enabled: false}}
"""


class Tuned(Site):
    def __init__(self, port: int, config: Path, process: Any) -> None:
        super().__init__(port)
        self.config = config
        self.process = process

    @property
    def text(self) -> str:
        return self.config.read_text()

    @property
    def door(self) -> Any:
        return yaml.safe_load(self.text)["cameras"]["door"]


@contextmanager
def tuned_site(folder: Path) -> Iterator[Tuned]:
    port, config = free_port(), folder / "config.yaml"
    config.write_text(f"{BEGIN}storage: {{path: {folder}/storage}}\nweb: {{port: {port}}}\n")
    write_logins(folder / "storage" / FILE_NAME, LOGINS)
    with running(config) as process:
        wait_until(lambda: is_listening(port), what="the page")
        yield Tuned(port, config, process)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuned]:
    with tuned_site(tmp_path_factory.mktemp("tuned")) as running_site:
        yield running_site


def open_tune(page: Any, site: Site, **login: str) -> None:
    sign_in(page, site, **login)
    page.click("nav >> text=Tune")
    page.wait_for_selector(".replay tbody tr")
    page.wait_for_selector("canvas[width='480']")  # a picture has come, which gives the editor its shape


def corners(page: Any, zone: int = 0) -> list[list[float]]:
    """In fractions of the picture."""
    points, box = page.evaluate(
        """(zone) => {
          const svg = document.querySelector(".editor");
          return [svg.querySelectorAll("polygon")[zone].getAttribute("points"), svg.getAttribute("viewBox")];
        }""",
        zone,
    )
    width, height = (float(part) for part in box.split()[2:])
    return [[float(x) / width, float(y) / height] for x, y in (point.split(",") for point in points.split())]


def saved(page: Any) -> None:
    page.click("button:text-is('Save')")
    page.wait_for_selector("p[role=status]:has-text('In effect and written to')")


def test_a_slider_changes_a_label_and_the_replay(browser: Any, site: Tuned) -> None:
    with tab(browser, site) as page:
        open_tune(page, site)
        page.wait_for_selector("tr[data-verdict=same]")
        page.fill("#tune-min_votes", "105")  # more than any person of the clip gets
        page.wait_for_selector(".person text:has-text('(now:')")
        page.wait_for_selector("tr[data-verdict=gone]")
        assert "no event any more" in page.inner_text(".replay .summary")
        assert site.door["min_votes"] == 5, "nothing is in effect before it is saved"
        page.click("button:text-is('Revert')")
        wait_until(lambda: page.locator("tr[data-verdict=gone]").count() == 0, what="the replay without changes")
        page.fill("#tune-min_votes", "6")
        saved(page)
        assert site.door["min_votes"] == 6
        assert site.text.replace("min_votes: 6", "min_votes: 5").startswith(BEGIN)


def test_what_is_typed_stays_while_messages_come(browser: Any, site: Tuned) -> None:
    """The page is drawn anew with each status of the device."""
    with tab(browser, site) as page:
        with page.expect_websocket() as opened:
            open_tune(page, site)
        page.click("text=Add a rectangle")
        type_slowly(page, opened.value, ".zone-rules >> text=name", ["till", "-2"])
        page.wait_for_selector(".zone-rules legend:text-is('till-2')")
        type_slowly(page, opened.value, ".zone-rules >> text=counts after", ["", "1.", "5"])
        type_slowly(page, opened.value, "[aria-label='hold time']", ["", "0.7"])
        assert page.input_value("#tune-hold_s") == "0.7"
        page.click("text=Add a rectangle")
        page.locator(".zone-rules >> text=name").nth(1).fill("till-2")
        page.keyboard.press("Enter")
        assert "another zone till-2" in page.inner_text(".zone-rules [role=alert]")
        page.click("button:text-is('Revert')")


def type_slowly(page: Any, socket: Any, field: str, parts: list[str]) -> None:
    """Over what is in the field, with a status of the device after each part."""
    page.locator(field).first.focus()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    for part in parts:
        page.keyboard.type(part)
        socket.wait_for_event("framereceived", lambda frame: '"type": "status"' in str(frame)[:30])
        page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert page.locator(field).first.input_value() == "".join(parts)
    page.keyboard.press("Enter")


def test_a_zone_is_drawn_by_mouse_and_outlives_a_reload(browser: Any, site: Tuned) -> None:
    with tab(browser, site) as page:
        open_tune(page, site)
        page.click("text=Draw a zone")
        box = page.locator(".editor").bounding_box()
        at = [(0.05, 0.1), (0.95, 0.1), (0.95, 0.95), (0.05, 0.95), (0.05, 0.1)]
        for x, y in at:
            page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.wait_for_selector(".editor polygon")
        assert corners(page)[2] == pytest.approx([0.95, 0.95], abs=0.01)
        corner = page.locator(".editor .corner").nth(2).bounding_box()
        page.mouse.move(corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.9 * box["height"], steps=4)
        page.mouse.up()
        assert corners(page)[2] == pytest.approx([0.8, 0.9], abs=0.02)
        page.wait_for_selector("tr[data-verdict=changed]:has-text('zone-1')")
        page.fill(".zone-rules input:not([type])", "counter")
        page.press(".zone-rules input:not([type])", "Enter")
        page.wait_for_selector("tr[data-verdict=changed]:has-text('counter')")
        page.fill("#tune-min_votes", "40")
        page.set_viewport_size({"width": 1200, "height": 1190})
        # The folder of the clips, which is another one each time.
        page.eval_on_selector(".replay > .note", "(note) => (note.style.visibility = 'hidden')")
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_selector(".replay td:nth-child(3):has-text('after 0')", state="detached")
        page.wait_for_selector(".person text:has-text('(now:')")
        shoot(page, "tune")
        page.fill("#tune-min_votes", "6")
        saved(page)
        assert list(site.door["zones"]) == ["counter"]
        assert site.text.startswith(COMMENT)
        assert "# Nobody has drawn a zone yet." in site.text
        assert "min_votes: 6  # five are enough" in site.text
        before = site.door["zones"]["counter"]["corners"]
        site.process.send_signal(signal.SIGHUP)
        page.reload()
        page.wait_for_selector(".editor polygon")
        assert np.asarray(corners(page)) == pytest.approx(np.asarray(before), abs=0.002)


def test_a_zone_is_drawn_by_keyboard(browser: Any, site: Tuned) -> None:
    with tab(browser, site) as page:
        open_tune(page, site)
        already = page.locator(".editor polygon").count()
        page.focus("text=Add a rectangle")
        page.keyboard.press("Enter")
        wait_until(lambda: page.locator(".editor polygon").count() == already + 1, what="the rectangle")
        zone = page.locator(".editor polygon").nth(already)
        zone.focus()
        for _ in range(20):
            page.keyboard.press("Shift+ArrowUp")
        assert corners(page, already)[0] == pytest.approx([0.3, 0.0], abs=0.01)
        page.keyboard.press("Tab")  # the first corner
        assert "Corner 1 of" in page.evaluate("document.activeElement.getAttribute('aria-label')")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("+")
        assert len(corners(page, already)) == 5
        assert corners(page, already)[0] == pytest.approx([0.31, 0.0], abs=0.01)
        page.keyboard.press("Delete")
        assert len(corners(page, already)) == 4
        name = page.locator(".zone-rules").nth(already)
        name.locator("select").select_option("ignore")
        page.locator(".editor polygon").nth(already).focus()
        for _ in range(20):
            page.keyboard.press("ArrowDown")
        page.wait_for_selector("tr[data-verdict=gone], tr[data-verdict=changed]")
        page.locator(".editor polygon").nth(already).focus()
        page.keyboard.press("Delete")
        assert page.locator(".editor polygon").count() == already


def test_two_people_tune_at_once(browser: Any, site: Tuned) -> None:
    with tab(browser, site) as one, tab(browser, site, expected="409 (Conflict)") as other:
        open_tune(one, site)
        open_tune(other, site)
        one.fill("#tune-hold_s", "2")
        other.fill("#tune-hold_s", "3")
        other.fill("#tune-majority", "0.7")
        saved(one)
        other.click("button:text-is('Save')")
        other.wait_for_selector("[role=alertdialog] >> text=hold time of door")
        assert site.door["hold_s"] == 2
        other.click("text=Keep theirs, and my other changes")
        wait_until(lambda: other.input_value("#tune-hold_s") == "2", what="the other's value")
        saved(other)
        assert (site.door["hold_s"], site.door["majority"]) == (2, 0.7)


def test_those_who_look_on_may_try(browser: Any, site: Tuned) -> None:
    with tab(browser, site) as page:
        open_tune(page, site, password=VIEW_PASSWORD)
        page.fill("#tune-min_votes", "105")
        page.wait_for_selector("tr[data-verdict=gone]")
        assert page.locator("button:text-is('Save')").count() == 0
        assert "save nothing" in page.inner_text(".panel")


def test_an_address_of_maskd_tune_opens_its_values(browser: Any, site: Tuned) -> None:
    with tab(browser, site) as page:
        page.goto(f"{site.address}?detector.min_score=0.41&classifier.min_confidence=0.77")
        page.fill("#password", "correct horse")
        page.press("#password", "Enter")
        page.wait_for_selector(".slider.changed")
        assert page.input_value("#tune-min_score") == "0.41"
        assert page.input_value("#tune-min_confidence") == "0.77"
        assert "not in effect yet" in page.inner_text(".panel")
        assert "min_score" not in site.door


def test_a_phone_and_axe(browser: Any, site: Tuned) -> None:
    with tab(browser, site, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        open_tune(page, site)
        page.tap("text=Add a rectangle")
        page.wait_for_selector(".editor polygon")
        page.fill("#tune-min_votes", "30")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        assert serious(page) == []
        page.evaluate("scrollTo(0, 250)")
        shoot(page, "tune-phone")
