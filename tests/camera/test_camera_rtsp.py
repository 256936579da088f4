"""RTSP through the camera that the daemon uses, from a real server with H.264."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from edge.camera.capture import CaptureThread
from edge.camera.latest import LatestFrame
from edge.camera.stream import StreamCamera
from edge.config import CameraSettings
from edge.errors import MaskdError
from tests.support.pictures import BLUE, RED, is_colour
from tests.support.rtsp_server import RtspServer, SilentServer
from tests.support.waiting import wait_until

needs_server = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("rtsp", "av")), reason="the package rtsp is not installed"
)
PASSWORD = "hunter2/@:"  # as cameras' owners choose them


def camera(url: str, *, open_timeout_ms: int = 15_000, read_timeout_ms: int = 700, rotate: int = 0) -> StreamCamera:
    settings = CameraSettings.model_validate({"source": url, "rotate": rotate})
    return StreamCamera(url, settings, open_timeout_ms=open_timeout_ms, read_timeout_ms=read_timeout_ms)


def with_login(url: str, user: str, password: str) -> str:
    return url.replace("://", f"://{user}:{quote(password, safe='')}@")


def how_long(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def read_until_it_fails(stream: StreamCamera) -> None:
    while True:
        stream.read()


@needs_server
def test_h264_comes_as_rgb_and_turned() -> None:
    with RtspServer() as server:
        stream = camera(server.url, rotate=90)
        stream.open()
        frames = [stream.read() for _ in range(5)]
        stream.close()
    assert [frame.number for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[0].image.shape == (320, 240, 3)
    assert is_colour(frames[4].image, 0.5, 0.2, RED)
    assert is_colour(frames[4].image, 0.5, 0.8, BLUE)
    assert "PLAY" in server.requests
    assert server.transports == {"RTP/AVP/TCP"}  # over UDP, lost packets smear pictures


@needs_server
@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_a_login_is_sent_and_never_told(
    scheme: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with RtspServer(user="me", password=PASSWORD, scheme=scheme) as server:  # type: ignore[arg-type]
        wrongs = {"requires a user": server.url, "refuses this user": with_login(server.url, "me", "hunter2-wrong")}
        for reason, wrong in wrongs.items():
            with pytest.raises(MaskdError, match=rf"cannot be opened: the camera {reason}") as refused:
                camera(wrong).open()
            assert "hunter2" not in str(refused.value)
        assert "PLAY" not in server.requests
        stream = camera(with_login(server.url, "me", PASSWORD))
        stream.open()
        assert stream.read().image.shape == (240, 320, 3)
        stream.close()
        assert "401 DESCRIBE" in server.requests
        assert "hunter2" not in stream.describe()
    assert "hunter2" not in caplog.text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_says_nothing_is_given_up_in_time(scheme: str) -> None:
    with SilentServer() as server:
        stream = camera(f"{scheme}://me:hunter2@127.0.0.1:{server.port}/live", open_timeout_ms=1000)

        def refused() -> None:
            with pytest.raises(MaskdError, match=r"me:\*\*\*@127.0.0.1:\d+/live cannot be opened"):
                stream.open()

        assert how_long(refused) > 0.5


@needs_server
def test_a_stream_that_stops_in_the_middle_of_a_picture_is_an_error_in_time() -> None:
    with RtspServer() as server:
        stream = camera(server.url)
        stream.open()
        stream.read()
        server.silent.set()

        def read_on() -> None:
            with pytest.raises(MaskdError, match="sends no more pictures; check the camera and the network"):
                read_until_it_fails(stream)

        assert how_long(read_on) > 0.5
        stream.close()


@needs_server
def test_a_camera_that_stalls_dies_and_comes_back_is_connected_again(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, "edge.camera.capture")
    failures: list[Exception] = []
    latest = LatestFrame()
    with RtspServer(user="me", password=PASSWORD) as server:
        url = with_login(server.url, "me", PASSWORD)
        capture = CaptureThread("door", lambda: camera(url), latest, failures.append, longest_delay_s=0.2)
        capture.start()
        wait_until(lambda: capture.frames > 5, "the camera is connected")
        server.silent.set()
        wait_until(lambda: not capture.connected, "the stall is noticed")
        assert "sends no more pictures" in str(capture.last_error)
        server.silent.clear()
        wait_until(lambda: capture.connected, "the camera is back after the stall")
        server.kill()
        wait_until(lambda: not capture.connected, "the death is noticed")
        before = capture.frames
        server.start()
        wait_until(lambda: capture.connected and capture.frames > before + 5, "the new one is connected")
        capture.stop()
    assert not failures
    loud = [record.levelname for record in caplog.records if record.levelno > logging.DEBUG]
    assert loud == ["INFO", "WARNING"] * 2 + ["INFO"]
    assert "hunter2" not in caplog.text
    assert capfd.readouterr() == ("", "")
