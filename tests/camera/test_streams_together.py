"""Cameras that are silent or dead next to good ones: none delays another."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.camera.build import open_camera
from edge.camera.capture import CaptureThread
from edge.camera.latest import LatestFrame
from edge.camera.stream import OPEN_TIMEOUT_MS, StreamCamera
from edge.config import CameraSettings, Config
from edge.daemon.running_cameras import RunningCameras, camera_problems
from edge.vision.thresholds import Recommendations
from tests.support.check_config import rows_of, write_config
from tests.support.http_camera import HttpCamera, Request, stream
from tests.support.mjpeg_server import MjpegServer
from tests.support.mosquitto import free_port
from tests.support.pictures import numbered, write_video
from tests.support.rtsp_server import SilentServer
from tests.support.threads import runs
from tests.support.waiting import wait_until

SILENCE_S = OPEN_TIMEOUT_MS / 1000
"""How long a silent camera is waited for: what comes in less did not wait for one."""


def capture_of(source: str, **values: object) -> CaptureThread:
    settings = CameraSettings.model_validate({"source": source, **values})
    return CaptureThread(
        "a", lambda: open_camera("a", settings), LatestFrame(), lambda error: None, longest_delay_s=0.2
    )


@contextlib.contextmanager
def silent_cameras(count: int) -> Iterator[list[CaptureThread]]:
    """Being opened, and not answering."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(SilentServer()) for _ in range(count)]
        captures = [capture_of(f"rtsp://127.0.0.1:{server.port}/live") for server in servers]
        for capture in captures:
            capture.start()
        try:
            yield captures
        finally:
            stopping = [threading.Thread(target=capture.stop) for capture in captures]
            for thread in stopping:
                thread.start()
            for thread in stopping:
                thread.join()


def is_opening(captures: list[CaptureThread]) -> bool:
    """All of them still wait for their first answer."""
    return all(capture.last_error is None for capture in captures)


@pytest.mark.parametrize("silent", [3, 8])
def test_silent_cameras_delay_neither_a_first_picture_nor_a_reconnect_nor_a_looped_file(
    silent: int, tmp_path: Path
) -> None:
    clip = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(3)], fps=50)
    with MjpegServer() as server, silent_cameras(silent) as captures:
        good, looped = capture_of(server.url), capture_of(str(clip), loop=True)
        good.start()
        looped.start()
        wait_until(lambda: good.frames > 3 and looped.frames > 9, "the good ones show pictures")
        assert is_opening(captures), "the first picture waited for a silent camera"
        port = server.port
        server.__exit__(None, None, None)
        wait_until(lambda: not good.connected, "the loss is noticed")
        before = good.frames
        with MjpegServer(port):
            wait_until(lambda: good.connected and good.frames > before, "the good one is back")
            assert is_opening(captures), "connecting again waited for a silent camera"
            good.stop()
        looped.stop()


def test_a_capture_that_waits_for_an_answer_is_stopped_in_time_and_ends_by_itself() -> None:
    with SilentServer() as server:
        url = f"rtsp://127.0.0.1:{server.port}/live"
        settings = CameraSettings.model_validate({"source": url})
        capture = CaptureThread(
            "a", lambda: StreamCamera(url, settings, open_timeout_ms=8000), LatestFrame(), lambda error: None
        )
        capture.start()
        time.sleep(0.5)
        capture.stop()
        assert runs("capture-a"), "the stop waited for the whole answer"
        wait_until(lambda: not runs("capture-a"), "the thread has ended")


def slow(request: Request) -> None:
    time.sleep(3)
    stream("Content-Type: image/jpeg\r\n")(request)


def test_check_passes_four_slow_cameras_and_fails_only_a_silent_one(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        cameras = {f"slow{number}": {"source": stack.enter_context(HttpCamera(slow)).url} for number in range(4)}
        rows = rows_of(write_config(tmp_path, cameras=cameras))
        assert [rows[f"camera {name}"].result for name in cameras] != []
        assert all(rows[f"camera {name}"].result != "FAIL" for name in cameras)
        silent = stack.enter_context(SilentServer())
        cameras["silent"] = {"source": f"rtsp://127.0.0.1:{silent.port}/live"}
        rows = rows_of(write_config(tmp_path, cameras=cameras))
    failed = [what for what, row in rows.items() if row.result == "FAIL" and what.startswith("camera")]
    assert failed == ["camera silent"]
    assert "no answer within" in (rows["camera silent"].problem or "")


def test_the_live_one_of_sixteen_runs_at_its_full_rate_and_problems_name_the_others() -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(SilentServer()) for _ in range(8)]
        urls = [f"rtsp://127.0.0.1:{server.port}/live" for server in silent]
        urls += [f"http://127.0.0.1:{free_port()}/video" for _ in range(7)]
        sources = {f"dead{number}": {"source": url} for number, url in enumerate(urls)}
        server = stack.enter_context(MjpegServer(fps=20))
        sources["live"] = {"source": server.url}
        cameras = RunningCameras(Recommendations(min_score=0.5, min_confidence=0.5), on_failure=lambda error: None)
        cameras.start()
        cameras.apply(Config.model_validate({"cameras": sources}))
        stack.callback(cameras.stop)
        live = cameras.running["live"].capture
        wait_until(lambda: live.frames >= 80, "the live one shows pictures")
        assert server.sent - live.frames < 20, "pictures wait to be read"
        wait_until(lambda: len(list(camera_problems(cameras.running))) == 15, "each of the others says why")
        problems = list(camera_problems(cameras.running))
        assert [problem.split(":")[0] for problem in problems] == [f"camera dead{number}" for number in range(15)]
        assert server.sent - live.frames < 20, "pictures wait to be read"
