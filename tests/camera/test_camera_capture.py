"""The capture thread: reconnecting, pacing, dropping, failing and stopping."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.camera.base import Camera
from edge.camera.build import open_camera
from edge.camera.capture import CaptureThread
from edge.camera.frame import Frame
from edge.camera.latest import LatestFrame, wait_for_any
from edge.camera.rate import FrameRate
from edge.camera.stream import StreamCamera
from edge.config import CameraSettings
from edge.errors import MaskdError
from tests.support.mjpeg_server import MjpegServer
from tests.support.pictures import number_of, numbered, write_photo, write_video
from tests.support.threads import runs
from tests.support.waiting import wait_until


def settings(source: str, **values: object) -> CameraSettings:
    return CameraSettings.model_validate({"source": source, **values})


def frame(number: int) -> Frame:
    return Frame(numbered(number), float(number), number)


def capture_of(
    make: Callable[[], Camera], failures: list[Exception] | None = None, longest_delay_s: float = 0.1
) -> tuple[CaptureThread, LatestFrame]:
    latest = LatestFrame()
    reported = failures if failures is not None else []
    return CaptureThread("door", make, latest, reported.append, longest_delay_s=longest_delay_s), latest


# --- LatestFrame ---


def test_a_newer_frame_replaces_an_older_one_and_the_drop_is_counted() -> None:
    latest = LatestFrame()
    assert latest.take(0) is None
    for number in range(3):
        latest.put(frame(number))
    assert latest.waiting
    taken = latest.take(0)
    assert taken is not None
    assert taken.number == 2
    assert latest.dropped == 2
    assert latest.take(0) is None
    latest.put(frame(3))
    assert latest.dropped == 2


def test_take_waits_for_a_frame_and_wakes_at_the_end() -> None:
    latest = LatestFrame()
    started = time.monotonic()
    assert latest.take(0.1) is None
    assert time.monotonic() - started >= 0.09
    putting = threading.Timer(0.05, latest.put, [frame(7)])
    putting.start()
    taken = latest.take(600)  # longer than a test may take
    assert taken is not None
    assert taken.number == 7
    closing = threading.Timer(0.05, latest.close)
    closing.start()
    assert latest.take(600) is None
    assert latest.closed


def test_the_last_frame_can_be_taken_after_the_end() -> None:
    latest = LatestFrame()
    latest.put(frame(1))
    latest.close()
    latest.put(frame(2))
    assert not latest.closed
    taken = latest.take(0)
    assert taken is not None
    assert taken.number == 1
    assert latest.closed
    assert latest.take(0) is None


def test_one_thread_waits_for_several_cameras() -> None:
    changed = threading.Condition()
    slots = [LatestFrame(changed), LatestFrame(changed)]
    assert not wait_for_any(slots, 0.01)
    putting = threading.Timer(0.05, slots[1].put, [frame(1)])
    putting.start()
    assert wait_for_any(slots, 600)  # longer than a test may take
    assert slots[1].take(0) is not None
    for slot in slots:
        slot.close()
    assert not wait_for_any(slots, 600)
    assert not wait_for_any([], 0.01)
    with pytest.raises(ValueError, match="share one condition"):
        wait_for_any([LatestFrame(), LatestFrame()], 0)


# --- logic ---


def test_the_rate_is_of_the_last_seconds() -> None:
    rate = FrameRate()
    assert rate.per_second(0.0) == 0
    for i in range(200):
        rate.count(i / 20)
    assert rate.per_second(10.0) == pytest.approx(20, rel=0.02)
    assert rate.per_second(12.0) < 15  # a stall shows
    assert rate.per_second(20.0) == 0


# --- files ---


def test_a_video_is_played_to_its_end(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(10)], fps=25)
    failures: list[Exception] = []
    capture, latest = capture_of(lambda: open_camera("door", settings(str(path))), failures)
    capture.start()
    numbers = []
    while not latest.closed:
        if (taken := latest.take(5)) is not None:
            numbers.append(number_of(taken.image))
    wait_until(lambda: capture.ended, "the capture says that it has ended")
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 9
    assert len(numbers) + capture.dropped == capture.frames == 10
    assert failures == []
    assert not capture.connected
    capture.stop()


def test_a_slow_reader_of_a_video_skips_frames_and_counts_them(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(20)], fps=50)
    capture, latest = capture_of(lambda: open_camera("door", settings(str(path))))
    capture.start()
    wait_until(lambda: capture.ended, "the clip has ended")
    taken = latest.take(0)
    assert taken is not None
    assert taken.number == 19
    assert capture.dropped == 19
    capture.stop()


@pytest.mark.parametrize("source", ["missing.mp4", "missing.jpg", "empty.mp4", "text.avi"])
def test_a_file_that_cannot_be_played_is_a_failure(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.avi").write_text("hello")
    failures: list[Exception] = []
    capture, latest = capture_of(lambda: open_camera("door", settings(str(tmp_path / source))), failures)
    capture.start()
    wait_until(lambda: bool(failures), "the failure is reported")
    assert isinstance(failures[0], MaskdError)
    assert source in str(failures[0])
    assert capture.last_error == str(failures[0])
    assert (capture.failed, capture.ended, latest.closed) == (True, False, False)
    capture.stop()
    assert latest.closed


def test_stopping_in_the_middle_of_photos_is_quick(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", numbered(1))
    capture, latest = capture_of(lambda: open_camera("door", settings(str(tmp_path), photo_seconds=600)))
    capture.start()
    assert latest.take(10) is not None
    assert runs("capture-door")
    capture.stop()
    assert latest.closed
    assert not capture.ended
    assert not runs("capture-door")


# --- live cameras ---


def test_a_stream_that_is_late_falls_silent_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "edge.camera.capture")
    with MjpegServer() as reserved:
        port = reserved.port
    url = f"http://me:hunter2@127.0.0.1:{port}/stream.mjpg"
    failures: list[Exception] = []
    capture, latest = capture_of(
        lambda: StreamCamera(url, settings(url), open_timeout_ms=1500, read_timeout_ms=400), failures
    )
    capture.start()
    wait_until(lambda: len(caplog.records) >= 4, "the missing camera is noticed and tried again")
    assert not capture.connected

    with MjpegServer(port) as server:
        wait_until(lambda: capture.frames > 10, "the camera is connected")
        assert capture.connected
        assert latest.take(5) is not None
        assert capture.dropped > 0
        server.silent.set()
        wait_until(lambda: not capture.connected, "the silence is noticed")
        silent_at = capture.frames
        server.silent.clear()
        wait_until(lambda: capture.connected and capture.frames > silent_at + 5, "the camera is back")
    wait_until(lambda: not capture.connected, "the camera is gone")
    capture.stop()
    assert failures == []
    assert latest.take(0) is None or latest.closed

    loud = [record.levelname for record in caplog.records if record.levelno > logging.DEBUG]
    assert loud == ["WARNING", "INFO", "WARNING", "INFO", "WARNING"]
    assert "hunter2" not in caplog.text


class HangingCamera:
    """A device whose driver never answers a read."""

    live = True

    def __init__(self) -> None:
        self.reading = threading.Event()
        self.released = threading.Event()
        self.closed = threading.Event()

    def open(self) -> None:
        pass

    def read(self) -> Frame:
        self.reading.set()
        self.released.wait(30)
        return frame(1)

    def close(self) -> None:
        self.closed.set()

    def describe(self) -> str:
        return "a hanging camera"


def test_stop_does_not_wait_for_a_read_that_hangs() -> None:
    camera = HangingCamera()
    capture, latest = capture_of(lambda: camera)
    capture.start()
    assert camera.reading.wait(10)
    capture.stop()
    assert runs("capture-door")
    camera.released.set()
    assert camera.closed.wait(10)
    wait_until(lambda: not runs("capture-door"), "the thread has ended")
    assert capture.frames == 0
    assert latest.take(0) is None


class FaultyCamera(HangingCamera):
    """A camera with a bug in it."""

    def read(self) -> Frame:
        raise ZeroDivisionError("a bug")


def test_an_error_that_nobody_expected_reaches_the_daemon() -> None:
    failures: list[Exception] = []
    capture, latest = capture_of(FaultyCamera, failures)
    capture.start()
    wait_until(lambda: bool(failures), "the failure is reported")
    assert isinstance(failures[0], ZeroDivisionError)
    capture.stop()
    assert latest.closed


def test_stop_before_start_is_harmless() -> None:
    capture, latest = capture_of(HangingCamera)
    capture.stop()
    assert latest.closed
