"""Streams, devices, and which camera a `source` means."""

from __future__ import annotations

import collections
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from edge.camera.auto import AutoCamera
from edge.camera.build import open_camera
from edge.camera.photos import PhotosCamera
from edge.camera.picamera import PiCamera, picamera_present
from edge.camera.stream import StreamCamera
from edge.camera.v4l2 import V4l2Camera, V4l2Device, capture_devices, parse_capability
from edge.camera.video import VideoCamera
from edge.config import CameraSettings
from edge.errors import MaskdError
from tests.support.mjpeg_server import MjpegServer
from tests.support.pictures import BLUE, RED, is_colour


def settings(source: str = "auto", **values: object) -> CameraSettings:
    return CameraSettings.model_validate({"source": source, **values})


# --- which kind ---


@pytest.mark.parametrize(
    ("source", "kind", "described"),
    [
        ("auto", AutoCamera, "auto"),
        ("picamera", PiCamera, "the Raspberry Pi camera"),
        ("picamera:1", PiCamera, "the Raspberry Pi camera 1"),
        ("0", V4l2Camera, "/dev/video0"),
        ("/dev/video2", V4l2Camera, "/dev/video2"),
        ("/dev/v4l/by-id/usb-cam", V4l2Camera, "/dev/v4l/by-id/usb-cam"),
        ("rtsp://me:secret@host/x", StreamCamera, "rtsp://me:***@host/x"),
        ("http://host/video?pwd=secret", StreamCamera, "http://host/video?pwd=***"),
        ("visit.mp4", VideoCamera, "visit.mp4"),
        ("file:///a%20b/visit.mp4", VideoCamera, "/a b/visit.mp4"),
        ("face.JPG", PhotosCamera, "face.JPG"),
        ("/", PhotosCamera, "/"),
    ],
)
def test_a_source_means_a_kind_of_camera(source: str, kind: type, described: str) -> None:
    camera = open_camera("door", settings(source))
    assert type(camera) is kind
    assert camera.describe() == described
    camera.close()  # harmless before open


# --- streams ---


def test_a_stream_gives_rgb_pictures_and_its_silence_is_an_error() -> None:
    with MjpegServer() as server:
        camera = StreamCamera(server.url, settings(rotate=90), open_timeout_ms=3000, read_timeout_ms=500)
        camera.open()
        found = [camera.read() for _ in range(3)]
        assert [frame.number for frame in found] == [0, 1, 2]
        assert found[0].captured_at < found[2].captured_at <= time.monotonic()
        image = found[0].image
        assert image.shape == (64, 48, 3)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert is_colour(image, 0.5, 0.2, RED)
        assert is_colour(image, 0.5, 0.8, BLUE)
        server.silent.set()
        with pytest.raises(MaskdError, match="sends no more pictures"):
            collections.deque((camera.read() for _ in range(100)), maxlen=0)
        camera.close()
        camera = StreamCamera(server.url, settings(), open_timeout_ms=500, read_timeout_ms=500)
        with pytest.raises(MaskdError, match="cannot be opened"):
            camera.open()


def test_a_stream_that_is_not_there_is_refused_without_its_password(capfd: pytest.CaptureFixture[str]) -> None:
    for url in ("rtsp://me:hunter2@127.0.0.1:1/x", "http://me:hunter2@127.0.0.1:1/x"):
        with pytest.raises(MaskdError, match="cannot be opened") as caught:
            StreamCamera(url, settings()).open()
        assert "hunter2" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


# --- V4L2 ---


def capability(driver: str, whole: int, node: int) -> bytes:
    return struct.pack("16s32s32sIII12x", driver.encode(), b"Some Camera", b"usb-1", 0x60000, whole, node)


def test_only_nodes_that_take_pictures_are_cameras() -> None:
    capture, metadata, output, streaming, per_node = 0x1, 0x00800000, 0x2, 0x04000000, 0x80000000
    whole = capture | metadata | streaming | per_node
    found = parse_capability("/dev/video0", capability("uvcvideo", whole, capture | streaming))
    assert found == V4l2Device("/dev/video0", "uvcvideo", "Some Camera", "usb-1", capture | streaming)
    assert found.takes_pictures
    assert not parse_capability("/dev/video1", capability("uvcvideo", whole, metadata | streaming)).takes_pictures
    assert not parse_capability("/dev/video2", capability("v4l2loopback", output, 0)).takes_pictures
    assert parse_capability("/dev/video3", capability("old", capture | streaming, 0)).takes_pictures
    assert not parse_capability("/dev/video10", capability("bcm2835-codec", capture | output, 0)).takes_pictures


def test_devices_that_are_no_cameras_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MaskdError, match="there is no camera at /dev/video987"):
        open_camera("door", settings("987")).open()
    with pytest.raises(MaskdError, match="/dev/null does not open as a camera"):
        open_camera("door", settings("/dev/null")).open()
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(bool(capture_devices()) or picamera_present(), reason="this machine has a camera")
def test_auto_without_a_camera_names_the_remedy() -> None:
    with pytest.raises(MaskdError, match=r"no camera was found .* cameras\.door\.source"):
        AutoCamera("door", settings()).open()


def test_demo_is_the_built_in_clip() -> None:
    camera = open_camera("door", settings("demo"))
    assert isinstance(camera, VideoCamera)
    assert Path(camera.describe()).is_file()
