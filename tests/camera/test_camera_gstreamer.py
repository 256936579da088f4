"""Jetson cameras and other GStreamer pipelines. Half of it skips, as OpenCV has GStreamer or, as from pip, has not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import cv2
import pytest

from edge.camera.build import open_camera
from edge.camera.capture import CaptureThread
from edge.camera.gstreamer import GstCamera, complete, csi_pipeline, require_gstreamer
from edge.camera.latest import LatestFrame
from edge.camera.opencv import gstreamer_timeout
from edge.commands.sources import Source, expand_sources
from edge.config import CameraSettings
from edge.errors import MaskdError
from tests.support.mjpeg_server import MjpegServer, two_halves
from tests.support.pictures import RED, is_colour
from tests.support.waiting import wait_until


def has_gstreamer() -> bool:
    try:
        require_gstreamer("csi", cv2.getBuildInformation())
    except MaskdError:
        return False
    return True


with_gstreamer = pytest.mark.skipif(not has_gstreamer(), reason="this OpenCV has no GStreamer")
without_gstreamer = pytest.mark.skipif(has_gstreamer(), reason="this OpenCV has GStreamer")


def settings(source: str, **values: object) -> CameraSettings:
    return CameraSettings.model_validate({"source": source, **values})


# --- text ---


def test_the_pipeline_of_a_jetsons_camera() -> None:
    assert csi_pipeline(0, settings("csi")) == (
        "nvarguscamerasrc sensor-id=0 ! video/x-raw(memory:NVMM), width=1280, height=720, framerate=15/1 ! "
        "nvvidconv ! video/x-raw, format=BGRx ! videoconvert ! video/x-raw, format=BGR ! "
        "appsink drop=true max-buffers=1 sync=false"
    )
    other = csi_pipeline(1, settings("csi:1", width=1920, height=1080, fps=29.97))
    assert other.startswith("nvarguscamerasrc sensor-id=1 ! ")
    assert "width=1920, height=1080, framerate=2997/100 !" in other


def test_a_pipeline_ends_where_opencv_takes_its_pictures() -> None:
    assert complete("videotestsrc") == (
        "videotestsrc ! videoconvert ! video/x-raw, format=BGR ! appsink drop=true max-buffers=1 sync=false"
    )
    assert complete("videotestsrc ! appsink drop=1") == "videotestsrc ! appsink drop=1"
    assert complete("filesrc location=appsink.avi").endswith("sync=false")


@pytest.mark.parametrize(
    ("source", "expected"),
    [("csi", True), ("csi:1", True), ("gst: a ! b", True), ("csi.mp4", False), ("csi:", False), ("csi:front", False)],
)
def test_which_sources_are_gstreamers(source: str, expected: bool) -> None:
    found = next(iter(expand_sources([source])))
    assert (isinstance(found, Source) and found.kind == "camera") is expected


@pytest.mark.parametrize(
    ("built", "fits"),
    [
        ("  Video I/O:\n    GStreamer:                   YES (1.20.3)\n", True),
        ("  Video I/O:\n    FFMPEG:  YES\n    GStreamer:                   NO\n", False),
        ("  Video I/O:\n    FFMPEG:                      YES\n", False),
        ("    GStreamer:                   NO\n    FFMPEG:  YES\n", False),
    ],
)
def test_opencv_says_whether_it_has_gstreamer(built: str, fits: bool) -> None:
    if fits:
        require_gstreamer("csi", built)
    else:
        with pytest.raises(MaskdError, match="the camera source csi needs an OpenCV with GStreamer"):
            require_gstreamer("csi", built)


@pytest.mark.parametrize(
    ("version", "known"), [("4.6.0", False), ("4.7.0-dev", True), ("4.10.0", True), ("5.0.0", True)]
)
def test_an_old_opencv_is_given_no_parameter_that_it_does_not_know(version: str, known: bool) -> None:
    assert gstreamer_timeout(5000, version) == ([cv2.CAP_PROP_READ_TIMEOUT_MSEC, 5000] if known else [])


# --- without GStreamer ---


@without_gstreamer
@pytest.mark.parametrize("source", ["csi", "csi:1", "gst: rtspsrc location=rtsp://me:hunter2@host/x"])
def test_an_opencv_without_gstreamer_is_told_at_the_start(source: str) -> None:
    with pytest.raises(
        MaskdError, match=r"which pip's .* lacks; .*install\.sh --system-opencv.*--system-site-packages"
    ) as refused:
        open_camera("door", settings(source))
    assert cv2.__version__ in str(refused.value)
    assert "hunter2" not in str(refused.value)
    failures: list[Exception] = []
    capture = CaptureThread("door", lambda: open_camera("door", settings(source)), LatestFrame(), failures.append)
    capture.start()
    wait_until(lambda: bool(failures), "the daemon hears of it")  # no waiting brings it back
    assert isinstance(failures[0], MaskdError)
    capture.stop()


@without_gstreamer
def test_the_command_line_gives_the_advice_without_a_traceback() -> None:
    command = [sys.executable, "-c", "from edge.cli import main; raise SystemExit(main())", "detect", "csi"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 1
    everything = told.stdout + told.stderr
    assert "needs an OpenCV with GStreamer" in everything
    assert "--system-site-packages" in everything
    assert "Traceback" not in everything


# --- with GStreamer ---


@with_gstreamer
def test_a_pipeline_gives_rgb_pictures_and_its_end_is_an_error() -> None:
    red = "videotestsrc num-buffers=30 pattern=solid-color foreground-color=0xffff0000"
    source = f"gst: {red} ! video/x-raw, width=64, height=48"
    camera = open_camera("door", settings(source, rotate=90))
    assert camera.describe() == "the GStreamer pipeline videotestsrc …"
    camera.open()
    frame = camera.read()
    assert frame is not None
    assert frame.image.shape == (64, 48, 3)
    assert is_colour(frame.image, 0.5, 0.5, RED)
    with pytest.raises(MaskdError, match=r"the GStreamer pipeline videotestsrc … gives no more pictures; try it with"):
        read_until_it_fails(camera)
    camera.close()


def read_until_it_fails(camera: object) -> None:
    while True:
        camera.read()  # type: ignore[attr-defined]


@with_gstreamer
def test_a_pipeline_that_falls_silent_is_an_error_in_time() -> None:
    reading, writing = os.pipe()
    jpeg = two_halves()
    threading.Thread(target=lambda: [os.write(writing, jpeg) for _ in range(20)], daemon=True).start()
    camera = GstCamera(
        settings("gst:"),
        pipeline=complete(f"fdsrc fd={reading} do-timestamp=true ! jpegparse ! jpegdec"),
        described="it",
        remedy="try it",
        read_timeout_ms=1500,
    )
    camera.open()
    assert is_colour(camera.read().image, 0.2, 0.5, RED)
    with pytest.raises(MaskdError, match="it gives no more pictures; try it"):
        read_until_it_fails(camera)
    camera.close()
    os.close(reading)
    os.close(writing)


@with_gstreamer
@pytest.mark.parametrize(
    "source", ["csi", "gst: videotestsrc is-live=true ! valve drop=true", "gst: v4l2src device=/x"]
)
def test_a_pipeline_without_a_picture_does_not_open(source: str) -> None:
    with pytest.raises(MaskdError, match="does not open"):
        open_camera("door", settings(source)).open()


@with_gstreamer
def test_a_pipeline_reads_a_network_camera() -> None:
    with MjpegServer() as server:
        source = f"gst: souphttpsrc location={server.url} is-live=true do-timestamp=true ! multipartdemux ! jpegdec"
        camera = open_camera("door", settings(source))
        camera.open()
        frame = camera.read()
        camera.close()
    assert frame is not None
    assert is_colour(frame.image, 0.2, 0.5, RED)


@with_gstreamer
def test_an_empty_pipeline_is_refused() -> None:
    with pytest.raises(MaskdError, match="has no pipeline"):
        open_camera("door", settings("gst: "))
