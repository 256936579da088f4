"""The page in a real Chromium, with the real daemon, which plays the demo's clip.

SCREENSHOTS=folder takes the pictures of the docs.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from edge.demo_clip import CLIP
from edge.geometry import Box
from edge.web.logins import FILE_NAME, write_logins
from tests.daemon.test_daemon import running
from tests.support.mosquitto import HOST, free_port
from tests.support.waiting import PATIENCE_S, wait_until
from tests.support.web_page import LOGINS, PASSWORD, TOKEN, VIEW_PASSWORD, Client, is_listening

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make page-test")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("chromium is not installed: apt install chromium", allow_module_level=True)

DESK, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}
SHOTS = os.environ.get("SCREENSHOTS", "")
ZONES = {"counter": {"corners": [[0.3, 0.2], [0.95, 0.2], [0.95, 1], [0.3, 1]]}}


class Site:
    """A running daemon and its page."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"http://{HOST}:{port}/"
        self.machine = Client(port, headers={"Authorization": f"Bearer {TOKEN}"})

    def metric(self, name: str) -> float:
        lines = self.machine.get("/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))


@contextmanager
def a_site(folder: Path, *, snapshots: Mapping[str, Any] | None = None, **web: Any) -> Iterator[Site]:
    port = free_port()
    config = folder / "config.yaml"
    values = {
        "device": "lobby",
        "cameras": {"door": {"source": str(CLIP), "loop": True, "zones": ZONES}},
        "mqtt": {"enabled": False},
        "storage": {"path": str(folder / "storage")},
        "snapshots": {**(snapshots or {})},
        "web": {"port": port, **web},
    }
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    write_logins(folder / "storage" / FILE_NAME, LOGINS)
    with running(config):
        wait_until(lambda: is_listening(port), what="the page")
        yield Site(port)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("site")) as running_site:
        yield running_site


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def tab(browser: Any, site: Site, *, expected: str | None = None, **context: Any) -> Iterator[Any]:
    """Fails where the browser complains, of something else than what is `expected`, or asks another host."""
    complaints: list[str] = []
    opened = browser.new_context(**{"viewport": DESK, "locale": "en-GB", **context})
    opened.set_default_timeout(PATIENCE_S * 1000)
    page = opened.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: complaints.append(asked.url) if not is_own(asked.url, site) else None)
    try:
        yield page
    finally:
        opened.close()
    assert [said for said in complaints if expected is None or expected not in said] == []


def is_own(url: str, site: Site) -> bool:
    return url.startswith((site.address, "data:", f"blob:{site.address}", site.address.replace("http", "ws", 1)))


def sign_in(page: Any, site: Site, password: str = PASSWORD) -> None:
    page.goto(site.address)
    page.fill("#password", password)
    page.press("#password", "Enter")
    page.wait_for_selector("header nav")


def shoot(page: Any, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"page-{name}.png"))


def drawn(page: Any) -> tuple[np.ndarray[Any, Any], list[Box]]:
    """The picture and the boxes over it, in pixels, as they are at one moment."""
    data, boxes, size = page.evaluate(
        """() => {
          const canvas = document.querySelector("canvas");
          const view = document.querySelector(".picture svg")?.viewBox.baseVal;
          const boxes = [...document.querySelectorAll(".person .box")].map((box) =>
            ["x", "y", "width", "height"].map((name) => box[name].baseVal.value));
          return [canvas.toDataURL("image/png").split(",")[1], boxes, view ? [view.width, view.height] : [1, 1]];
        }"""
    )
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    x, y = picture.shape[1] / size[0], picture.shape[0] / size[1]
    return picture, [Box(b[0] * x, b[1] * y, (b[0] + b[2]) * x, (b[1] + b[3]) * y) for b in boxes]


def test_who_has_no_password_sees_the_sign_in_page(browser: Any, site: Site) -> None:
    opened = browser.new_context(viewport=PHONE)
    page = opened.new_page()
    page.goto(site.address + "#events")
    assert page.url.startswith(site.address + "sign-in")
    shoot(page, "sign-in")
    page.fill("#password", "a wrong one")
    page.click("button")
    assert page.inner_text("[role=alert]") == "This is not the password."
    assert page.context.cookies() == []
    opened.close()


def test_the_live_picture_moves_with_its_boxes(browser: Any, site: Site) -> None:
    with tab(browser, site) as page:
        sign_in(page, site)
        page.wait_for_selector(".person .box")
        first, _ = drawn(page)
        wait_until(lambda: not np.array_equal(drawn(page)[0], first), what="another picture")
        page.wait_for_selector(".person.wrong .label")
        assert page.inner_text("figcaption").startswith("door")
        assert "counter" in page.text_content(".zone")
        shoot(page, "live")
        page.click("button:text('boxes')")
        page.wait_for_selector(".person .label")
        assert page.query_selector(".person .box") is None
        assert page.get_attribute("button:text('boxes')", "aria-pressed") == "false"


def test_boxes_fit_the_faces(browser: Any, tmp_path: Path) -> None:
    """The page's own picture is given to the detector again."""
    from edge.vision.build import build_vision
    from edge.vision.thresholds import camera_thresholds

    with a_site(tmp_path, show_faces=True) as site, tab(browser, site) as page:
        sign_in(page, site)
        config = load(tmp_path)
        vision = build_vision(config, lambda _: None)
        thresholds = camera_thresholds(config, "door", vision.recommended)
        overlaps: list[float] = []
        while len(overlaps) < 8:
            page.wait_for_selector(".person.fine .box, .person.wrong .box")
            picture, boxes = drawn(page)
            faces = vision.detect(np.ascontiguousarray(picture[:, :, ::-1]), thresholds)
            overlaps += [max(face.box.iou(box) for box in boxes) for face in faces if boxes and face.score > 0.5]
        assert np.median(overlaps) > 0.7


def load(folder: Path) -> Any:
    from edge.config.file import load_config

    return load_config(folder / "config.yaml")


def test_events_appear_as_they_happen(browser: Any, site: Site) -> None:
    with tab(browser, site) as page:
        sign_in(page, site)
        page.click("nav >> text=Events")
        page.wait_for_selector("tbody tr")
        before = page.locator("tbody tr").count()
        wait_until(lambda: page.locator("tbody tr").count() > before, what="a new event")
        shoot(page, "events")
        assert "where you are" in page.get_attribute("tbody tr td", "title")
        page.select_option("label:has-text('status') select", "with_mask")
        wait_until(lambda: page.locator("tbody tr.wrong").count() == 0, what="the filter")
        with page.expect_download() as download:
            page.click("text=CSV")
        assert download.value.suggested_filename == "lobby-events.csv"
        page.click("nav >> text=Trends")
        page.wait_for_selector(".chart canvas")
        page.click("summary")
        assert page.locator("details tbody tr").count() >= 1
        assert "where you are" in page.get_attribute("details tbody td", "title")
        shoot(page, "trends")


def test_a_phone_in_the_dark(browser: Any, site: Site) -> None:
    with tab(browser, site, viewport=PHONE, color_scheme="dark", has_touch=True, is_mobile=True) as page:
        sign_in(page, site)
        page.wait_for_selector(".person .box")
        for view in ("Live", "Events", "Trends"):
            page.tap(f"nav >> text={view}")
            page.wait_for_selector(f"nav a[aria-current]:text('{view}')")
            width = page.evaluate("document.scrollingElement.scrollWidth")
            assert width <= PHONE["width"], view
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in ground.strip("rgb()").split(",")) < 60
        page.tap("nav >> text=Live")
        page.wait_for_selector(".person.fine .label")
        shoot(page, "phone")


def test_the_aiming_view_says_how_large_faces_are_and_should_be(browser: Any, site: Site) -> None:
    """On a phone, in letters for someone on a ladder."""
    with tab(browser, site, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        sign_in(page, site)
        page.wait_for_selector(".person .box")
        page.tap("button:text('aim the camera')")
        page.wait_for_selector(".face text")
        assert page.query_selector(".person") is None
        page.wait_for_selector(".advice:text('px'):text('are needed')")
        advice, needed = page.inner_text(".advice"), int(page.get_attribute(".advice", "data-needed"))
        assert f" {needed} are needed" in advice
        assert 28 <= needed <= 34, "16 pixels as the detector sees them, of a picture of 640x480"
        heights = [int(text.split()[0]) for text in page.locator(".face text").all_text_contents()]
        assert all(40 < height < 240 for height in heights)
        assert float(page.evaluate("parseFloat(getComputedStyle(document.querySelector('.advice')).fontSize)")) >= 22
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        page.locator(".camera").scroll_into_view_if_needed()
        shoot(page, "aim")


def test_the_keyboard_is_enough(browser: Any, site: Site) -> None:
    with tab(browser, site) as page:
        page.goto(site.address)
        page.keyboard.type(PASSWORD)  # the field has the focus
        page.keyboard.press("Enter")
        page.wait_for_selector("header nav")
        while page.evaluate("document.activeElement.textContent") != "Events":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("nav a[aria-current]:text('Events')")
        while page.evaluate("document.activeElement.textContent") != "Sign out":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("#password")


FOLLOW_THE_SWITCH = """() => document.querySelector(".switches input").addEventListener("change", ({ target }) => {
  window.seen = [];
  new MutationObserver(() => seen.push(target.checked)).observe(document.body, {
    subtree: true, childList: true, attributes: true, characterData: true });
})"""
"""Whether it is on, whenever the page has been drawn anew."""


def test_switches_and_privacy(browser: Any, site: Site) -> None:
    with tab(browser, site) as page:
        sign_in(page, site)
        page.wait_for_selector(".person .box")
        page.select_option(".switches select", "aggregate")
        page.wait_for_selector("text=Privacy is aggregate")
        assert page.query_selector("canvas") is None
        page.click("nav >> text=Events")
        page.wait_for_selector("nav a[aria-current]:text('Events')")
        page.wait_for_selector("text=only counts of closed windows")
        assert page.locator("table").count() == 0
        page.click("nav >> text=Live")
        page.select_option(".switches select", "events")
        page.wait_for_selector(".person .box")
        page.evaluate(FOLLOW_THE_SWITCH)
        page.click(".switches input")
        page.wait_for_selector(".veil:text('switched off')")
        assert set(page.evaluate("window.seen")) == {False}, "it stays as it was set until the device has taken it over"
        page.click(".switches input")
        page.wait_for_selector(".person .box")


def test_those_who_look_on_have_no_switches(browser: Any, site: Site) -> None:
    with tab(browser, site) as page:
        sign_in(page, site, VIEW_PASSWORD)
        page.wait_for_selector(".person .box")
        assert page.query_selector(".switches") is None


def test_closing_the_tab_stops_the_encoder(browser: Any, site: Site) -> None:
    with tab(browser, site) as page:
        sign_in(page, site)
        page.wait_for_selector(".person .box")
        assert site.metric("maskd_page_viewers") == 1
    wait_until(lambda: site.metric("maskd_page_viewers") == 0, what="the end of the viewer")
    encoded, frames = site.metric("maskd_page_pictures_total"), site.metric('maskd_frames_total{camera="door"}')
    wait_until(lambda: site.metric('maskd_frames_total{camera="door"}') > frames + 20, what="more pictures")
    assert site.metric("maskd_page_pictures_total") == encoded


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, site: Site, scheme: str) -> None:
    with tab(browser, site, color_scheme=scheme) as page:
        page.goto(site.address)
        assert serious(page) == []
        sign_in(page, site)
        page.wait_for_selector(".person .box")
        assert serious(page) == []
        page.click("button:text('aim the camera')")
        page.wait_for_selector(".face text")
        assert serious(page) == []
        page.click("nav >> text=Events")
        page.wait_for_selector("tbody tr")
        assert serious(page) == []
        page.click("nav >> text=Trends")
        page.wait_for_selector(".chart canvas")
        assert serious(page) == []


def serious(page: Any) -> list[str]:
    """What axe finds; skips the test where axe is not installed."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: make page-test"
    ).Axe()
    return [
        f"{found['id']}: {node['html'][:120]}"
        for found in axe.run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
