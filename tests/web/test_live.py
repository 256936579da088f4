"""The live view: pictures and boxes in one message, encoded once, for those who watch; none in `aggregate`."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from edge.camera.frame import DamagedPictureError, Frame
from edge.geometry import Box
from edge.people.scene import LookTimings, Person, Scene
from edge.people.zones import ZoneStay
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.vision.faces import Face
from edge.vision.hidden_faces import FACE_BLOCKS, shrunk
from edge.vision.masks import Classification
from edge.vision.preprocess import Image
from edge.web.live import MOST_VIEWERS, SIGN_IN_AGAIN, TRY_LATER
from edge.web.picture import encoded
from edge.web.scene_slot import SceneSlot
from edge.web.viewers import MISSED, MOST_TEXTS, Viewers
from tests.support.mosquitto import HOST
from tests.support.transitions import drafts, transition
from tests.support.waiting import PATIENCE_S, wait_until
from tests.support.web_page import TOKEN, RunningPage, a_status, page_config, running_page

FACE = Box(400, 200, 500, 320)
FAINT = Box(900, 500, 960, 580)
STATUS = a_status()
TINY = np.zeros((2, 2, 3), np.uint8)


def pattern(width: int = 1280, height: int = 720) -> Image:
    """Fine enough that pixelating it leaves nothing of it, and coarse enough to survive the page's size."""
    rows, columns = np.indices((height, width))
    cells = (rows // 8 + columns // 8) % 2 * 255
    return np.repeat(cells[:, :, None], 3, axis=2).astype(np.uint8)


def a_person(**changes: Any) -> Person:
    judged = Classification("without_mask", 0.91, {"without_mask": 0.91, "with_mask": 0.09})
    person = Person(
        track="abc",
        box=FACE,
        score=0.8,
        seen=True,
        confirmed=True,
        first_seen=1.0,
        last_seen=2.0,
        status="without_mask",
        classification=judged,
        classified_at=2.0,
        zones=(ZoneStay("entrance", 1.0, None), ZoneStay("hall", 0.5, 0.9)),
    )
    return replace(person, **changes)


def a_scene(number: int = 1, image: Image | None = None, camera: str = "door", **changes: Any) -> Scene:
    frame = Frame(pattern() if image is None else image, time.monotonic(), number)
    faces = (Face(FACE, 0.8), Face(FAINT, 0.1))
    scene = Scene(camera, frame, (a_person(),), (), LookTimings(12.0, 3.0, 1), faces, needed_px=58.2)
    return replace(scene, **changes)


@contextmanager
def fed(page: RunningPage, camera: str = "door", image: Image | None = None) -> Iterator[list[int]]:
    """A vision thread that shows a picture every 20 ms; the numbers of those shown."""
    shown: list[int] = []
    is_over = threading.Event()
    image = pattern() if image is None else image

    def run() -> None:
        while not is_over.wait(0.02):
            shown.append(len(shown))
            page.part.take([a_scene(shown[-1], image, camera)])

    thread = threading.Thread(target=run, name="vision")
    thread.start()
    try:
        yield shown
    finally:
        is_over.set()
        thread.join()


def a_config(folder: Path, port: int, privacy: str = "events", **web: Any) -> Any:
    zones = {"entrance": {"corners": [[0, 0], [0.5, 0], [0.5, 1]]}}
    return page_config(
        folder, port, privacy, cameras={"door": {"source": "demo", "zones": zones}, "gate": {"source": "demo"}}, **web
    )


@pytest.fixture
def page(tmp_path: Path) -> Iterator[RunningPage]:
    with running_page(tmp_path, STATUS) as running:
        running.apply(a_config(tmp_path, running.port))
        yield running


@contextmanager
def watching(page: RunningPage, *cameras: str, **headers: str) -> Iterator[Connection]:
    login = headers or {"Authorization": f"Bearer {TOKEN}"}
    uri = f"ws://{HOST}:{page.port}/api/live"
    with connect(uri, origin=page.client.origin, additional_headers=login, max_size=2**22) as viewer:  # type: ignore[arg-type]
        viewer.send(json.dumps({"watch": [*cameras]}))
        yield viewer


def next_picture(viewer: Connection) -> tuple[dict[str, Any], Image]:
    """What is to be drawn over it, and the picture, RGB."""
    deadline = time.monotonic() + PATIENCE_S
    while isinstance(message := viewer.recv(timeout=PATIENCE_S), str):
        assert time.monotonic() < deadline, "no picture came"
    (length,) = struct.unpack_from("<I", message)
    data = cv2.imdecode(np.frombuffer(message[4 + length :], np.uint8), cv2.IMREAD_COLOR)
    assert data is not None
    return json.loads(message[4 : 4 + length]), np.asarray(data[:, :, ::-1], np.uint8)


def next_text(viewer: Connection, kind: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert time.monotonic() < deadline, f"no text {kind} came"
        message = viewer.recv(timeout=PATIENCE_S)
        if isinstance(message, str) and (told := json.loads(message))["type"] == kind:
            return dict(told)


def metric(page: RunningPage, name: str) -> float:
    client = page.client
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))


def test_a_picture_comes_with_its_boxes(page: RunningPage) -> None:
    with watching(page, "door") as viewer, fed(page):
        header, picture = next_picture(viewer)
        later, _ = next_picture(viewer)
    assert picture.shape == (360, 640, 3)
    assert (header["camera"], header["size"], header["detect_ms"]) == ("door", [1280, 720], 12.0)
    assert header["zones"] == {"entrance": [[0, 0], [0.5, 0], [0.5, 1]]}
    (person,) = header["people"]
    assert person["box"] == pytest.approx([400 / 1280, 200 / 720, 100 / 1280, 120 / 720], abs=1e-4)
    assert (person["track"], person["status"], person["confidence"]) == ("abc", "without_mask", 0.91)
    assert (person["height_px"], person["zones"], header["needed_px"]) == (120, ["entrance"], 58)
    assert later["number"] > header["number"]
    assert 0 <= header["age_ms"] < 60_000


def roughness(picture: Image, box: Box) -> float:
    """How much neighbouring pixels differ in a box of the picture before it was made small."""
    part = picture[int(box.y1 / 2) : int(box.y2 / 2), int(box.x1 / 2) : int(box.x2 / 2)].astype(float)
    return float(np.abs(np.diff(part, axis=1)).mean())


def test_faces_are_pixelated_unless_the_owner_turns_that_off(page: RunningPage) -> None:
    """Every face that the detector finds, faint ones too, is pixelated before its picture leaves the device."""
    elsewhere = Box(50, 50, 200, 150)
    with watching(page, "door") as viewer, fed(page):
        _, picture = next_picture(viewer)
        assert roughness(picture, elsewhere) > 20
        assert max(roughness(picture, FACE), roughness(picture, FAINT)) < 8
        page.apply(a_config(page.folder, page.port, show_faces=True))
        wait_until(lambda: roughness(next_picture(viewer)[1], FACE) > 20, what="a face")


@pytest.mark.parametrize("face", [Box(-50, -20, 30, 40), Box(1200, 600, 1500, 900), Box(5, 5, 5, 90), Box(3, 3, 4, 4)])
def test_odd_boxes_and_small_pictures(face: Box) -> None:
    for size in ((1280, 720), (8, 6), (1, 1), (720, 1280)):
        scene = a_scene(image=pattern(*size), faces=(Face(face, 0.5),), people=())
        assert scene.frame is not None
        before = scene.frame.image.copy()
        assert encoded(scene, show_faces=False)[:2] == b"\xff\xd8"
        assert (scene.frame.image == before).all(), "the vision thread's own picture is left alone"
    assert shrunk(pattern(720, 1280)).shape == (360, 202, 3)
    assert shrunk(pattern(320, 200)).shape == (200, 320, 3)
    assert FACE_BLOCKS <= 8


def test_nothing_is_encoded_while_no_one_watches(page: RunningPage) -> None:
    """While no one watches, and after the last one has gone, no picture is encoded."""
    with fed(page) as shown:
        wait_until(lambda: len(shown) > 10, what="pictures")
        assert metric(page, "maskd_page_pictures_total") == 0
        with watching(page, "door") as viewer:
            next_picture(viewer)
        wait_until(lambda: metric(page, "maskd_page_viewers") == 0, what="the browser's end")
        count, before = metric(page, "maskd_page_pictures_total"), len(shown)
        wait_until(lambda: len(shown) > before + 20, what="more pictures")
        assert metric(page, "maskd_page_pictures_total") == count
        with watching(page, "gate") as viewer:
            next_text(viewer, "status")
            wait_until(lambda: len(shown) > before + 40, what="more pictures of another camera")
            assert metric(page, "maskd_page_pictures_total") == count


def test_one_encoding_serves_all(page: RunningPage) -> None:
    with ExitStack() as stack:
        stack.enter_context(fed(page))
        viewers = [stack.enter_context(watching(page, "door")) for _ in range(4)]
        numbers = [[next_picture(viewer)[0]["number"] for _ in range(5)] for viewer in viewers]
    shown = {number for each in numbers for number in each}
    assert metric(page, "maskd_page_pictures_total") >= len(shown)
    assert len(shown) < 4 * 5, "they have seen the same pictures"


def test_a_slow_browser_costs_the_others_nothing(page: RunningPage) -> None:
    """A browser that does not read keeps neither the cameras nor other browsers waiting, and gets new pictures only."""
    page.apply(a_config(page.folder, page.port, show_faces=True))
    noise = np.random.default_rng(1).integers(0, 256, (720, 1280, 3), np.uint8)
    with raw_viewer(page, "door") as slow, watching(page, "door") as viewer, fed(page, image=noise):
        numbers = [next_picture(viewer)[0]["number"] for _ in range(20)]
        assert numbers == sorted(set(numbers))
        slow.close()
        wait_until(lambda: metric(page, "maskd_page_viewers") == 1, what="its end")


@contextmanager
def raw_viewer(page: RunningPage, camera: str) -> Iterator[socket.socket]:
    """A browser that reads nothing after it was let in."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect((HOST, page.port))
        lines = (
            "GET /api/live HTTP/1.1",
            f"Host: {HOST}:{page.port}",
            f"Authorization: Bearer {TOKEN}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        client.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        assert b"101" in client.recv(64)
        text = json.dumps({"watch": [camera]}).encode()
        mask = b"\0\0\0\0"
        client.sendall(bytes([0x81, 0x80 | len(text)]) + mask + text)
        yield client


def test_aggregate_shows_no_picture_and_no_label(page: RunningPage) -> None:
    """In `aggregate`, the page shows no picture, no label and no person's event, to those who watch already neither."""
    with fed(page) as shown, watching(page, "door") as viewer:
        next_picture(viewer)
        page.apply(a_config(page.folder, page.port, "aggregate"))
        before = metric(page, "maskd_page_pictures_total")
        page.part.observe([transition()])
        count = len(shown)
        wait_until(lambda: len(shown) > count + 20, what="pictures of the camera")
        assert metric(page, "maskd_page_pictures_total") <= before + 1
        for _ in range(3):  # what was on its way, at most one picture; then the status alone
            next_text(viewer, "status")
        assert all(isinstance(viewer.recv(timeout=60), str) for _ in range(3))
        page.apply(a_config(page.folder, page.port))
        next_picture(viewer)


def test_signing_out_ends_the_live_view(page: RunningPage) -> None:
    """Signing out, and a new password, end the live view as well."""
    client = page.signed_in
    with fed(page), watching(page, "door", Cookie=client.cookie or "") as viewer:
        next_picture(viewer)
        client.ask("POST", "/sign-out")
        with pytest.raises(ConnectionClosed) as closed:
            next_text(viewer, "never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == SIGN_IN_AGAIN


def test_one_browser_too_many_is_told_so(page: RunningPage) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_VIEWERS):
            next_text(stack.enter_context(watching(page)), "status")
        login = {"Authorization": f"Bearer {TOKEN}"}
        viewer = stack.enter_context(connect(f"ws://{HOST}:{page.port}/api/live", additional_headers=login))
        with pytest.raises(ConnectionClosed) as closed:
            viewer.recv(timeout=60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == TRY_LATER


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"watch": 1}', '{"watch": [1, "../x", null]}', "[" * 4000])
def test_nonsense_from_a_browser_is_no_request(page: RunningPage, said: str) -> None:
    with watching(page) as viewer:
        viewer.send(said)
        assert next_text(viewer, "status")["status"]["device"] == "lobby"


def test_events_come_as_they_are_recorded(page: RunningPage) -> None:
    record = Record(page.folder, keep_days=36_500, keep_bytes=100_000_000)
    outbox = Outbox(page.folder, max_events=100, max_bytes=1_000_000, record=record)
    outbox.open()
    outbox.append(drafts(transition(track="before")))
    with watching(page) as viewer:
        next_text(viewer, "status")
        outbox.append(drafts(transition(track="t9")))
        page.part.observe([transition(track="t9")])
        event = next_text(viewer, "event")["event"]
        assert (event["track"], event["seq"], event["schema"]) == ("t9", 2, "maskd.event/1")
    outbox.close()


def test_a_damaged_picture_is_left_out(page: RunningPage) -> None:
    def refuse() -> Image:
        raise DamagedPictureError("the camera's JPEG is cut off")

    with watching(page, "door") as viewer:
        next_text(viewer, "status")
        page.part.take([replace(a_scene(), frame=Frame(refuse, 1.0, 1))])
        with fed(page):
            assert next_picture(viewer)[1].shape == (360, 640, 3)


def test_the_slot_keeps_the_newest_and_ten_a_second() -> None:
    slot = SceneSlot()
    slot.put([a_scene(0, TINY)], 0.0)
    slot.want(["door"])
    for number in range(1, 31):  # two seconds of a camera with 15 pictures a second, of which each is taken at once
        slot.put([a_scene(number, TINY)], number / 15)
    (scene,) = slot.take() or []
    assert scene.frame is not None
    assert scene.frame.number > 27
    taken = 0
    for number in range(31, 31 + 150):
        slot.put([a_scene(number, TINY)], number / 15)
        slot.put([a_scene(0, TINY, "gate")], number / 15)
        if slot._scenes:
            taken += len(slot.take() or [])
    assert 95 <= taken <= 101
    slot.put([a_scene(999, TINY)], 1e6)
    slot.want([])
    slot.close()
    assert slot.take() is None


def test_a_picture_is_wanted_by_who_has_taken_the_last_one() -> None:
    wanted: list[frozenset[str]] = []
    viewers = Viewers(wanted.append)
    one, other = viewers.add(), viewers.add()
    one.watch(["door"])
    other.watch(["door", "gate"])
    viewers.look_again()
    viewers.show("door", b"1")
    viewers.show("door", b"2")
    assert (one.dropped, other.dropped) == (1, 1)
    viewers.remove(other)
    viewers.remove(one)
    assert wanted == [{"door", "gate"}, {"gate"}, frozenset()]
    for number in range(MOST_TEXTS + 1):
        one.tell(str(number))
    assert list(one._texts) == [MISSED]
