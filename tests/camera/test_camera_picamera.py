"""The Raspberry Pi camera, against a fake of picamera2 and libcamera that is as treacherous as they are."""

from __future__ import annotations

import concurrent.futures
import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.camera.auto import AutoCamera
from edge.camera.base import Camera
from edge.camera.capture import CaptureThread
from edge.camera.frame import Frame
from edge.camera.latest import LatestFrame
from edge.camera.picamera import PiCamera, picamera_present, size_for_detector
from edge.camera.v4l2 import capture_devices
from edge.config import CameraSettings
from edge.errors import MaskdError
from edge.vision.preprocess import Image
from tests.support.pictures import is_colour
from tests.support.places import ROOT
from tests.support.waiting import wait_until

FAKES = ROOT / "tests" / "support" / "fake_picamera2"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The fake's module; its `world` is a camera that works and looks at four colours."""
    monkeypatch.syspath_prepend(str(FAKES))
    forget_modules()
    module: Any = importlib.import_module("picamera2")
    module.world.scene = four_colours(1280, 720)
    yield module
    module.world.close_hangs.clear()
    forget_modules()


def forget_modules() -> None:
    for name in ("picamera2", "libcamera"):
        sys.modules.pop(name, None)


def four_colours(width: int, height: int) -> Image:
    """Red and green above, blue and yellow below: no turn and no exchange of channels leaves it as it is."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (200, 30, 40)
    image[: height // 2, width // 2 :] = (20, 150, 30)
    image[height // 2 :, : width // 2] = (40, 50, 180)
    image[height // 2 :, width // 2 :] = (190, 180, 20)
    return image


def settings(**values: object) -> CameraSettings:
    return CameraSettings.model_validate({"source": "picamera", **values})


def opened(**values: object) -> PiCamera:
    camera = PiCamera("door", settings(**values), read_timeout_s=10)
    camera.open()
    return camera


def taken(**values: object) -> Frame:
    camera = opened(**values)
    try:
        return camera.read()
    finally:
        camera.close()


def difference(image: Image, expected: Image) -> float:
    """Mean over the pixels of the largest difference of a channel, apart from the seams between the colours."""
    assert image.shape == expected.shape
    off = np.abs(image.astype(int) - expected.astype(int)).max(axis=2)
    height, width = off.shape
    return float(np.mean([off[y, x] for y in (height // 8, -height // 8) for x in (width // 8, -width // 8)]))


# --- pictures ---


def lores_of(frame: Frame) -> Image:
    """The smaller picture that the hardware made."""
    lores = frame.pixels.shrunk(352, 198)
    assert lores is not frame.image
    return lores


def test_both_streams_are_rgb_and_of_one_picture(fake: Any) -> None:
    frame = taken()
    assert frame.image.shape == (720, 1280, 3)
    assert difference(frame.image, four_colours(1280, 720)) == 0
    lores = lores_of(frame)
    assert lores.shape == (396, 704, 3)
    assert difference(lores, four_colours(704, 396)) < 3
    for image in (frame.image, lores):
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous


def test_the_fake_names_channels_backwards_as_libcamera_does(fake: Any) -> None:
    camera = fake.Picamera2()
    for name, expected in (("BGR888", (200, 30, 40)), ("RGB888", (40, 30, 200))):
        camera.configure(camera.create_video_configuration(main={"size": (64, 48), "format": name}))
        camera.start()
        request = camera.capture_request(wait=10)
        assert tuple(request.make_array("main")[5, 5]) == expected
        request.release()
        camera.close()
        camera = fake.Picamera2()
    camera.close()


@pytest.mark.parametrize("size", [(1000, 562), (1296, 972), (972, 1296), (1921, 1081)])
def test_padded_rows_leave_no_trace(fake: Any, size: tuple[int, int]) -> None:
    frame = taken(width=size[0], height=size[1])
    width, height = (length - length % 2 for length in size)  # the hardware has no odd sizes
    assert difference(frame.image, four_colours(width, height)) == 0
    lores, configured = lores_of(frame), fake.world.configured["lores"]
    assert lores.shape[1::-1] == configured["size"]
    assert configured["stride"] > configured["size"][0], "this case proves nothing"
    assert difference(lores, four_colours(*configured["size"])) < 3
    assert np.abs(lores[:, -1].astype(int) - lores[:, -9]).max() < 3


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1280, 720), (704, 396)),
        ((1920, 1080), (704, 396)),
        ((1280, 960), (704, 528)),
        ((720, 1280), (396, 704)),
        ((706, 16), (704, 16)),
        ((8192, 16), (704, 2)),
        ((704, 396), None),
        ((640, 480), None),
    ],
)
def test_the_detectors_picture_is_even_and_never_the_larger_one(
    size: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    assert size_for_detector(*size) == expected


def test_a_picture_that_is_small_anyway_comes_alone(fake: Any) -> None:
    frame = taken(width=640, height=480)
    assert frame.pixels.shrunk(320, 240) is frame.image
    assert fake.world.configured["lores"] is None
    assert difference(frame.image, four_colours(640, 480)) == 0


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("usb_like", [False, True])
def test_a_turned_camera_gives_upright_pictures(
    fake: Any, degrees: int, usb_like: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if usb_like:  # libcamera takes back a transformation that the hardware lacks
        original = fake.Picamera2.configure

        def without_flips(self: Any, config: dict[str, Any]) -> None:
            original(self, {**config, "transform": type(config["transform"])()})

        monkeypatch.setattr(fake.Picamera2, "configure", without_flips)
    upright = four_colours(960, 720) if degrees in (90, 270) else four_colours(1280, 720)
    if degrees:
        back = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}[degrees]
        fake.world.scene = np.asarray(cv2.rotate(upright, back), np.uint8)
    else:
        fake.world.scene = upright
    height, width = fake.world.scene.shape[:2]
    frame = taken(rotate=degrees, width=width, height=height)
    assert difference(frame.image, upright) == 0
    lores = lores_of(frame)
    assert difference(lores, four_colours(lores.shape[1], lores.shape[0])) < 3
    flips = fake.world.configured["transform"]
    assert (flips.hflip, flips.vflip) == ((1, 1) if degrees == 180 and not usb_like else (0, 0))


# --- controls ---


def test_frame_rate_and_autofocus_are_set_where_there_are_such(fake: Any, caplog: pytest.LogCaptureFixture) -> None:
    fake.world.autofocus = True
    taken(fps=10)
    assert fake.world.controls_set == {"FrameDurationLimits": (100_000, 100_000), "AfMode": 2}
    fake.world.autofocus = False
    taken(fps=30)
    assert fake.world.controls_set == {"FrameDurationLimits": (33_333, 33_333)}
    assert "frame rate" not in caplog.text


def test_a_control_that_the_camera_lacks_is_left_out_with_a_word(
    fake: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(fake.Picamera2, "camera_controls", {})
    taken()
    assert fake.world.controls_set == {}
    assert "camera door: its frame rate cannot be set" in caplog.text


# --- buffers ---


def test_requests_are_released_at_once(fake: Any) -> None:
    camera = opened(width=320, height=240)
    numbers = [camera.read().number for _ in range(25)]
    assert numbers == list(range(25))
    camera.close()
    with pytest.raises(concurrent.futures.TimeoutError):  # the fake runs dry where they are not
        exhaust(fake)


def exhaust(fake: Any) -> None:
    camera = fake.Picamera2()
    camera.configure(camera.create_video_configuration(main={"size": (64, 48), "format": "BGR888"}))
    camera.start()
    try:
        for _ in range(7):
            camera.capture_request(wait=False).get_result(timeout=1)
    finally:
        camera.close()


def read_until_it_fails(camera: PiCamera) -> None:
    while True:
        camera.read()


def test_a_request_whose_buffer_fails_is_released_as_well(fake: Any) -> None:
    camera = opened(width=1280, height=720)
    fake.world.broken_streams = {"lores"}
    for _ in range(10):
        with pytest.raises(MaskdError, match=r"gives no more pictures \(failed to find buffer in DmaSync\)"):
            camera.read()
    fake.world.broken_streams = set()
    assert camera.read().number == 0
    camera.close()


# --- hangs ---


def test_a_capture_that_hangs_is_given_up_and_takes_no_picture_later(fake: Any) -> None:
    camera = PiCamera("door", settings(width=64, height=48), read_timeout_s=0.2)
    camera.open()
    fake.world.hangs.set()
    with pytest.raises(MaskdError, match=r"gives no more pictures \(none for 0\.2 s\); check its ribbon cable"):
        read_until_it_fails(camera)  # some pictures were under way
    for _ in range(10):
        with pytest.raises(MaskdError, match=r"\(none"):
            camera.read()
    fake.world.hangs.clear()
    assert all(camera.read() for _ in range(10))  # ten left-over jobs would have kept all six buffers
    camera.close()


def capture_of(camera: Camera) -> tuple[CaptureThread, list[Exception]]:
    failures: list[Exception] = []
    return CaptureThread("door", lambda: camera, LatestFrame(), failures.append, longest_delay_s=0.1), failures


def test_a_camera_that_hangs_is_reconnected(fake: Any) -> None:
    capture, failures = capture_of(PiCamera("door", settings(width=64, height=48), read_timeout_s=0.2))
    capture.start()
    wait_until(lambda: capture.frames > 5, "the camera is connected")
    fake.world.hangs.set()
    wait_until(lambda: not capture.connected, "the hang is noticed")
    assert "none for 0.2 s" in str(capture.last_error)
    before = capture.frames
    fake.world.hangs.clear()
    wait_until(lambda: capture.frames > before + 5, "the camera is back")
    capture.stop()
    wait_until(lambda: fake.world.held_by is None, "the camera is let go of")
    assert not failures


def test_the_loss_is_told_even_where_the_camera_does_not_close(fake: Any) -> None:
    capture, failures = capture_of(PiCamera("door", settings(width=64, height=48), read_timeout_s=0.2))
    capture.start()
    wait_until(lambda: capture.frames > 5, "the camera is connected")
    fake.world.close_hangs.set()
    fake.world.hangs.set()
    wait_until(lambda: not capture.connected and capture.last_error is not None, "the loss is told")
    assert fake.world.held_by is not None
    fake.world.close_hangs.clear()
    fake.world.hangs.clear()
    wait_until(lambda: capture.connected, "the camera is back")
    capture.stop()
    assert not failures


def test_an_error_in_closing_is_not_fatal(
    fake: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    camera = opened(width=64, height=48)
    original = fake.Picamera2.close

    def failing(self: Any) -> None:
        original(self)
        raise RuntimeError("Unable to stop preview.")

    monkeypatch.setattr(fake.Picamera2, "close", failing)
    camera.close()
    assert "does not close (Unable to stop preview.)" in caplog.text
    camera.close()  # harmless


# --- not there ---


def test_without_a_camera_libcameras_list_is_empty(fake: Any) -> None:
    assert picamera_present()
    fake.world.plugged_in = 0
    assert not picamera_present()
    with pytest.raises(MaskdError, match="libcamera finds no camera; check the ribbon cable"):
        PiCamera("door", settings()).open()


def test_the_second_camera_is_chosen_by_its_number(fake: Any) -> None:
    fake.world.plugged_in = 2
    camera = PiCamera("gate", settings(width=64, height=48), number=1)
    camera.open()
    assert fake.world.held_by.camera_idx == 1
    camera.close()
    with pytest.raises(
        MaskdError, match=r"lists 2 camera\(s\), so there is no picamera:2; choose picamera:0 to picamera:1"
    ):
        PiCamera("gate", settings(), number=2).open()


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_camera_in_use_is_named_so_and_costs_nothing_to_try(fake: Any) -> None:
    fake.world.busy = True
    camera = PiCamera("door", settings())
    before = open_files()
    for _ in range(50):
        with pytest.raises(MaskdError, match=r"Device or resource busy\); another program uses it"):
            camera.open()
    assert open_files() <= before + 2
    fake.world.busy = False
    camera.open()
    assert camera.read().number == 0
    camera.close()


def test_a_second_camera_object_finds_it_in_use_and_the_first_goes_on(fake: Any) -> None:
    first = opened(width=64, height=48)
    with pytest.raises(MaskdError, match="another program uses it"):
        opened(width=64, height=48)
    first.read()
    first.close()
    taken(width=64, height=48)


def test_a_usb_camera_is_sent_to_its_device(fake: Any) -> None:
    fake.world.usb = True
    with pytest.raises(
        MaskdError, match=r"gives YUYV pictures, so it is a USB camera; set its device.*cameras\.door\."
    ):
        PiCamera("door", settings()).open()
    assert fake.world.held_by is None


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'picamera2'"),
        ImportError("libcamera.so.0.5: cannot open shared object file"),
        ValueError("numpy.dtype size changed, may indicate binary incompatibility"),
    ],
)
def test_a_picamera2_that_does_not_import_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, error: Exception, tmp_path: Path
) -> None:
    (tmp_path / "libcamera.py").touch()
    (tmp_path / "picamera2.py").write_text(f"raise {type(error).__name__}({str(error)!r})")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget_modules()
    assert not picamera_present()
    with pytest.raises(MaskdError, match=r"cannot be imported .*python3-picamera2.*--system-site-packages") as caught:
        PiCamera("door", settings()).open()
    assert str(error) in str(caught.value)
    forget_modules()


# --- auto ---


@pytest.mark.skipif(bool(capture_devices()), reason="this machine has a camera, which comes first")
def test_auto_finds_the_pi_camera(fake: Any) -> None:
    camera = AutoCamera("door", settings(width=1280, height=720))
    for first in (0, 3):
        camera.open()
        assert "Raspberry Pi" in camera.describe()
        frames = [frame for _ in range(3) if (frame := camera.read())]
        assert [frame.number for frame in frames] == [first, first + 1, first + 2]
        assert all(lores_of(frame).shape == (396, 704, 3) for frame in frames)
        assert is_colour(frames[0].image, 0.1, 0.1, (200, 30, 40))
        camera.close()
    fake.world.hangs.set()
    with pytest.raises(MaskdError, match=r"no camera works: the Raspberry Pi camera gives no more pictures"):
        camera.open()
    assert fake.world.held_by is None
