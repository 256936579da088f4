"""Why a network camera gives no picture: one sentence for each reason, and what is tried before that is said."""

from __future__ import annotations

import errno
import importlib.util
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av.error
import numpy as np
import pytest

from edge.camera.av_errors import opening_error, sentence
from edge.camera.capture import CaptureThread
from edge.camera.latest import LatestFrame
from edge.camera.stream import StreamCamera
from edge.config import CameraSettings
from edge.errors import MaskdError
from tests.support.http_camera import HttpCamera, Request, page, picture, reply, status, stream, with_digest, with_login
from tests.support.mjpeg_server import MjpegServer, two_halves
from tests.support.mosquitto import free_port
from tests.support.pictures import BLUE, RED, is_colour, number_of, numbered, write_video
from tests.support.rtsp_server import RtspServer, SilentServer
from tests.support.waiting import wait_until

needs_server = pytest.mark.skipif(not importlib.util.find_spec("rtsp"), reason="the package rtsp is not installed")


def camera(url: str, *, open_s: float = 10.0, read_s: float = 3.0, fps: float = 15.0) -> StreamCamera:
    settings = CameraSettings.model_validate({"source": "auto", "fps": fps})
    return StreamCamera(url, settings, open_timeout_ms=round(open_s * 1000), read_timeout_ms=round(read_s * 1000))


def why(url: str, open_s: float = 10.0) -> str:
    with pytest.raises(MaskdError) as refused:
        camera(url, open_s=open_s).open()
    return str(refused.value)


def logged_in(url: str, login: str) -> str:
    return url.replace("://", f"://{login}@")


# --- login and path ---


@needs_server
def test_rtsp_tells_a_missing_login_a_wrong_one_and_a_wrong_path_apart() -> None:
    with RtspServer(user="me", password="right") as server:
        assert "requires a user and a password; add them to the address" in why(server.url)
        refused = why(logged_in(server.url, "me:hunter2"))
        assert "refuses this user or password" in refused
        assert "hunter2" not in refused
    with RtspServer(describe="404 Stream Not Found") as server:
        assert "has no such path (404)" in why(server.url)
    with RtspServer(describe="403 Forbidden") as server:
        assert "may not view it (403)" in why(server.url)


def test_http_tells_a_missing_login_a_wrong_one_and_a_wrong_path_apart() -> None:
    with HttpCamera(with_login("me", "right", stream("Content-Type: image/jpeg\r\n"))) as server:
        assert "requires a user and a password" in why(server.url)
        refused = why(logged_in(server.url, "me:hunter2"))
        assert "refuses this user or password" in refused
        assert "hunter2" not in refused
        good = camera(logged_in(server.url, "me:right"))
        good.open()
        assert good.read().image.shape == (48, 64, 3)
        good.close()
    for code, expected in (
        (403, "(403)"),
        (404, "(404)"),
        (503, "internal error (5xx)"),
        (400, "refuses the request"),
    ):
        with HttpCamera(status(code)) as server:
            assert expected in why(server.url)


def test_http_logs_in_by_digest() -> None:
    with HttpCamera(with_digest("me", "p@ss/w:rd", picture)) as server:
        good = camera(logged_in(server.url, "me:p%40ss%2Fw%3Ard"))
        good.open()
        assert [good.read().number for _ in range(2)] == [0, 1]
        good.close()
        assert "refuses this user or password" in why(logged_in(server.url, "me:hunter2"))


# --- transport ---


@needs_server
@pytest.mark.parametrize("tcp", ["refused", "cut"])
def test_a_camera_that_sends_over_udp_alone_is_read_over_udp(tcp: str) -> None:
    with RtspServer(tcp=tcp) as server:  # type: ignore[arg-type]
        udp = camera(server.url)
        udp.open()
        assert is_colour(udp.read().image, 0.2, 0.5, RED)
        udp.close()
        assert server.transports >= {"RTP/AVP/TCP", "RTP/AVP/UDP"} or "RTP/AVP" in server.transports
        server.transports.clear()
        udp.open()  # what worked goes first
        assert is_colour(udp.read().image, 0.8, 0.5, BLUE)
        udp.close()
        assert "RTP/AVP/TCP" not in server.transports


@needs_server
def test_a_camera_that_agrees_to_tcp_and_sends_nothing_is_read_over_udp() -> None:
    with RtspServer(tcp="mute") as server:
        udp = camera(server.url, open_s=3.0, read_s=1.0)
        udp.open()
        assert is_colour(udp.read().image, 0.2, 0.5, RED)
        udp.close()


# --- the network ---


def test_a_name_an_address_a_port_and_a_silent_camera_are_told_apart() -> None:
    assert "the name camera.invalid cannot be resolved" in why("rtsp://me:hunter2@camera.invalid/live")
    assert "the name camera.invalid cannot be resolved" in why("http://camera.invalid/live")
    for scheme in ("rtsp", "http", "https"):
        assert "refuses the connection" in why(f"{scheme}://127.0.0.1:{free_port()}/live")
    with SilentServer() as server:
        for scheme in ("rtsp", "http"):
            started = time.monotonic()
            assert "no answer within 1 s" in why(f"{scheme}://127.0.0.1:{server.port}/live", open_s=1.0)
            assert time.monotonic() - started > 0.9
    assert "srt:// is not supported" in why("srt://127.0.0.1:9/live")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            av.error.OSError(errno.EHOSTUNREACH, "No route to host"),
            "192.0.2.1:554 cannot be reached; check the address",
        ),
        (av.error.OSError(errno.ENETUNREACH, "Network is unreachable"), "192.0.2.1:554 cannot be reached"),
        (av.error.ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "closes the connection"),
        (av.error.TimeoutError(errno.ETIMEDOUT, "Connection timed out"), "no answer within 10 s"),
    ],
)
def test_errors_of_the_network_that_no_test_can_cause(error: av.error.FFmpegError, says: str) -> None:
    url = "rtsp://me:hunter2@192.0.2.1:554/live"
    refused = sentence(opening_error(error, url, timed_out=False), url, 10)
    assert says in refused
    assert "hunter2" not in refused


def test_a_camera_that_hangs_up_at_once_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        refused = why(f"rtsp://127.0.0.1:{server.getsockname()[1]}/live")
        server.shutdown(socket.SHUT_RDWR)
    assert "closes the connection" in refused


def test_no_secret_of_an_address_reaches_a_message() -> None:
    for url in (
        "rtsp://me:hunter2@camera.invalid/live",
        "rtsp://me:hun/ter2@camera.invalid/live",
        "rtsp://me:hun@ter2@camera.invalid/live",
        "http://camera.invalid/live?user=me&pwd=hunter2",
        "xyz://me:hunter2@camera.invalid/live",
    ):
        refused = why(url)
        assert "hun" not in refused
        assert "ter2" not in refused


# --- what it sends ---


def test_a_web_page_is_named() -> None:
    with HttpCamera(page) as server:
        assert "it sends no video; this may be the address of the camera's web page" in why(server.url)


@pytest.mark.parametrize("header", ["", "Content-Length: {length}\r\n", "X-Timestamp: 1.0\r\n"])
def test_mjpeg_whose_parts_do_not_say_their_type_is_read(header: str) -> None:
    with HttpCamera(stream(header)) as server:
        odd = camera(server.url)
        for _ in range(2):
            odd.open()
            for _ in range(3):
                image = odd.read().image
                assert image.shape == (48, 64, 3)
                assert is_colour(image, 0.2, 0.5, RED)
            odd.close()


def test_a_redirect_is_followed() -> None:
    with MjpegServer() as server:

        def elsewhere(request: Request) -> None:
            request.send_response(302)
            request.send_header("Location", server.url)
            request.end_headers()

        with HttpCamera(elsewhere) as redirecting:
            moved = camera(redirecting.url)
            moved.open()
            assert is_colour(moved.read().image, 0.2, 0.5, RED)
            moved.close()


def test_a_recording_behind_an_address_is_played_at_its_own_speed(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", [numbered(i) for i in range(12)], fps=10).read_bytes()
    with HttpCamera(lambda request: reply(request, video, kind="video/x-msvideo")) as server:
        recording = camera(server.url)
        recording.open()
        started = time.monotonic()
        found = [recording.read() for _ in range(12)]
        assert time.monotonic() - started > 1.0
        recording.close()
    assert [number_of(frame.image) for frame in found] == list(range(12))
    assert np.diff([frame.captured_at for frame in found]) == pytest.approx(0.1, abs=1e-3)


# --- a single picture ---


def test_a_single_picture_is_fetched_again_at_a_bounded_rate() -> None:
    with HttpCamera(picture) as server:
        still = camera(server.url, fps=30)
        still.open()
        started = time.monotonic()
        found = [still.read() for _ in range(6)]
        took = time.monotonic() - started
        assert "fetched repeatedly" in still.describe()
        still.close()
    assert [frame.number for frame in found] == list(range(6))
    assert is_colour(found[5].image, 0.8, 0.5, BLUE)
    assert took >= 5 / 5 - 0.05, "more than 5 a second"
    assert server.asked <= 8


def test_a_single_picture_behind_a_login_is_fetched_again() -> None:
    with HttpCamera(with_login("me", "right", picture)) as server:
        still = camera(logged_in(server.url, "me:right"))
        still.open()
        assert [still.read().number for _ in range(3)] == [0, 1, 2]
        still.close()


def test_a_single_picture_on_a_connection_that_stays_open_is_fetched_again() -> None:
    def answer(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "image/jpeg")
        request.end_headers()
        request.wfile.write(two_halves())
        time.sleep(3)

    with HttpCamera(answer) as server:
        still = camera(server.url, read_s=1.0)
        still.open()
        assert [still.read().number for _ in range(3)] == [0, 1, 2]
        still.close()


def test_one_failed_fetch_is_tried_again_and_a_lasting_failure_says_why() -> None:
    fails: list[Callable[[Request], None]] = []

    def answer(request: Request) -> None:
        (fails.pop() if len(fails) == 1 else fails[0] if fails else picture)(request)

    with HttpCamera(answer) as server:
        still = camera(server.url, read_s=1.5)
        still.open()
        still.read()
        fails.append(status(503))
        still.read()
        fails += [status(503), status(503)]
        with pytest.raises(MaskdError, match=r"internal error \(5xx\)"):
            still.read()
        fails[:] = [status(404), status(404)]
        with pytest.raises(MaskdError, match=r"no such path \(404\)"):
            camera(server.url).open()
        still.close()


def test_a_single_picture_keeps_its_camera_connected(caplog: pytest.LogCaptureFixture) -> None:
    with HttpCamera(picture) as server:
        capture = CaptureThread("door", lambda: camera(server.url), LatestFrame(), lambda error: None)
        capture.start()
        wait_until(lambda: capture.frames >= 8, "pictures come")
        assert capture.connected
        capture.stop()
    assert not capture.last_error
