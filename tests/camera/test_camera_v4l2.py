"""USB cameras through the kernel's interface, against a camera that a preloaded library plays (fake_v4l2.c)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pictures import numbered, red_left_blue_right, write_photo
from tests.support.shared_library import library_of
from tests.support.waiting import wait_until

READ = """
import json, sys, time
from edge.camera.v4l2 import V4l2Camera
from edge.config import CameraSettings
from edge.errors import MaskdError
camera = V4l2Camera(sys.argv[1], CameraSettings(source=sys.argv[1]))
camera.open()
image = camera.read().image
print(json.dumps([image.shape, image[50, 50].tolist(), image[50, -50].tolist()]), flush=True)
started = time.monotonic()
try:
    while True:
        camera.read()
        started = time.monotonic()
except MaskdError as error:
    print(json.dumps([str(error), time.monotonic() - started]), flush=True)
"""
LOOK_LATER = """
import json, sys
import cv2
from edge.camera.v4l2 import V4l2Camera
from edge.config import CameraSettings
from edge.errors import MaskdError
decoded = []
decode = cv2.imdecode
cv2.imdecode = lambda *arguments: decoded.append(None) or decode(*arguments)
camera = V4l2Camera(sys.argv[1], CameraSettings(source=sys.argv[1], rotate=90))
camera.open()
frame = camera.read()
print(json.dumps(len(decoded)), flush=True)
sys.stdin.readline()
for _ in range(30):
    later = camera.read()
image = frame.image
print(json.dumps([len(decoded), image.shape, image[50, 50].tolist(), image[-50, 50].tolist()]), flush=True)
for use in (lambda: later.image, camera.read):
    try:
        use()
        print(json.dumps("went well"), flush=True)
    except MaskdError as error:
        print(json.dumps(str(error)), flush=True)
"""
OPEN = """
import json, sys
from edge.camera.v4l2 import V4l2Camera
from edge.config import CameraSettings
from edge.errors import MaskdError
try:
    V4l2Camera(sys.argv[1], CameraSettings(source=sys.argv[1])).open()
    print(json.dumps("opened"), flush=True)
except MaskdError as error:
    print(json.dumps(str(error)), flush=True)
"""
WATCH = """
import json, logging, sys, time
from edge.camera.capture import CaptureThread
from edge.camera.latest import LatestFrame
from edge.camera.v4l2 import V4l2Camera
from edge.config import CameraSettings
settings = CameraSettings(source=sys.argv[1])
capture = CaptureThread(
    "door", lambda: V4l2Camera(sys.argv[1], settings), LatestFrame(), lambda error: None, longest_delay_s=0.2
)
capture.start()
while True:
    print(json.dumps([capture.connected, capture.frames, capture.last_error]), flush=True)
    time.sleep(0.05)
"""


class Usb:
    """The fake camera: a folder, and programs that see it as a device."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder = folder
        self._library = library
        (folder / "device").touch()
        for width, height in ((640, 480), (1280, 720)):
            write_photo(folder / f"{width}x{height}.jpg", red_left_blue_right(width, height))
        self._running: list[subprocess.Popen[str]] = []

    def start(self, program: str, node: str = "device", **environment: str) -> subprocess.Popen[str]:
        variables = {**os.environ, "LD_PRELOAD": str(self._library), "FAKE_V4L2": str(self.folder), **environment}
        command = [sys.executable, "-c", program, str(self.folder / node)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables)
        self._running.append(process)
        return process

    def stop(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.stdout.close()

    @property
    def agreed(self) -> list[str]:
        """Formats, in their order."""
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture
def usb(tmp_path: Path) -> Iterator[Usb]:
    compiled = library_of("fake_v4l2.c")
    if compiled is None:
        pytest.skip("there is no C compiler (sudo apt install gcc libc6-dev)")
    library = tmp_path / "fake_v4l2.so"
    library.write_bytes(compiled)
    (tmp_path / "camera").mkdir()
    camera = Usb(tmp_path / "camera", library)
    yield camera
    camera.stop()


def line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    text = process.stdout.readline()
    assert text, f"the program has ended with {process.wait()}"
    return json.loads(text)


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_compressed_pictures_are_asked_for_before_their_size(usb: Usb) -> None:
    shape, left, right = line(usb.start(READ))
    assert shape == [720, 1280, 3]
    assert left[0] > 200 > 50 > left[2]
    assert right[2] > 200 > 50 > right[0]
    assert usb.agreed[-1] == "MJPG 1280x720"
    # The other way round this size would be asked of uncompressed pictures, which do not have it.
    assert "YUYV 1280x720" not in usb.agreed
    assert usb.agreed.index("MJPG 640x480") < usb.agreed.index("MJPG 1280x720")


def test_only_a_picture_that_is_looked_at_is_decoded_and_it_is_the_one_of_its_time(usb: Usb) -> None:
    process = usb.start(LOOK_LATER)
    assert line(process) == 0
    write_photo(usb.folder / "1280x720.jpg", numbered(3, 1280, 720))
    go_on(process)
    decoded, shape, top, bottom = line(process)
    assert decoded == 1
    assert shape == [1280, 720, 3]  # turned by a quarter
    assert top[0] > 200 > 50 > top[2]
    assert bottom[2] > 200 > 50 > bottom[0]
    assert [line(process), line(process)] == ["went well", "went well"]


def test_a_damaged_picture_is_an_error_for_the_one_who_looks_and_for_the_next_read(usb: Usb) -> None:
    process = usb.start(LOOK_LATER)
    line(process)
    (usb.folder / "1280x720.jpg").write_bytes(b"no picture at all")
    go_on(process)
    line(process)
    assert line(process) == f"{usb.folder / 'device'} sent a damaged picture; check its cable and its power supply"
    assert "gives no more pictures" in line(process)


def test_a_camera_without_compression_gives_what_it_has(usb: Usb) -> None:
    (usb.folder / "yuyv-only").touch()
    shape, left, _ = line(usb.start(READ))
    assert shape == [480, 640, 3]
    assert max(left) - min(left) < 10  # grey


def test_a_camera_that_falls_silent_is_an_error_after_five_seconds(usb: Usb) -> None:
    process = usb.start(READ)
    line(process)
    (usb.folder / "silent").touch()
    error, seconds = line(process)
    assert error.endswith("gives no more pictures; check its cable and its power supply")
    assert 4 < seconds < 9  # OpenCV alone waits 10


def test_a_metadata_node_is_named_with_the_node_that_gives_pictures(usb: Usb) -> None:
    (usb.folder / "video0").touch()
    (usb.folder / "video1").touch()
    error = line(usb.start(OPEN, "video1"))
    node = usb.folder / "video1"
    assert error == (
        f"{node} is the metadata node of the camera Fake Camera, which delivers no pictures; "
        f"write {usb.folder / 'video0'}"
    )
    assert line(usb.start(OPEN, "video0")) == "opened"


def test_the_owners_time_out_stays(usb: Usb) -> None:
    process = usb.start(READ, OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT="1")
    line(process)
    (usb.folder / "silent").touch()
    _, seconds = line(process)
    assert seconds < 4


def test_a_camera_that_is_pulled_out_comes_back_when_plugged_in(usb: Usb) -> None:
    process = usb.start(WATCH)
    seen: list[Any] = [[False, 0, None]]

    def until(connected: bool, more_than: int) -> bool:
        seen.append(line(process))
        return bool(seen[-1][0] is connected and seen[-1][1] > more_than)

    wait_until(lambda: until(True, 5), "the camera is connected")
    (usb.folder / "gone").touch()
    wait_until(lambda: until(False, 5), "the loss is noticed", timeout=8)
    assert "check its cable" in seen[-1][2] or "does not open as a camera" in seen[-1][2]
    frames = seen[-1][1]
    wait_until(lambda: until(False, 5) and "does not open as a camera" in seen[-1][2], "it is tried again")
    (usb.folder / "gone").unlink()
    wait_until(lambda: until(True, frames + 5), "the camera is back")
