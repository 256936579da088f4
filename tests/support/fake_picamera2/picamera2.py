"""A Picamera2 without a camera. `world` is what is plugged in and how it behaves; tests set it."""

from __future__ import annotations

import atexit
import copy
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

import cv2
import libcamera
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.uint8]


class World:
    """What is plugged in; one camera at a time can be held."""

    def __init__(self) -> None:
        self.plugged_in = 1
        """Cameras on ribbon cables."""
        self.busy = False
        """Another process holds the camera."""
        self.usb = False
        """It is no Raspberry Pi camera but a USB one, which libcamera lists as well."""
        self.autofocus = False
        self.hangs = threading.Event()
        """The sensor sends nothing: its cable is loose."""
        self.close_hangs = threading.Event()
        """The driver waits for ever for its last pictures, as it may after a hang."""
        self.alignment = 64
        """Bytes that the length of a row is a multiple of: 32 on the Pi 4's chip, 64 on the Pi 5's."""
        self.scene: Array = np.zeros((720, 1280, 3), np.uint8)
        """What the camera looks at, RGB, in any size."""
        self.broken_streams: set[str] = set()
        """Streams whose buffer cannot be mapped."""
        self.held_by: Picamera2 | None = None
        self.configured: dict[str, Any] = {}
        self.controls_set: dict[str, Any] = {}


world = World()


class Job:
    """0.3.12 and 0.3.14 have no `timeout` here, and `wait=5` means for ever there; 0.3.18 has it."""

    def __init__(self) -> None:
        self._future: Future[CompletedRequest] = Future()

    def get_result(self, timeout: float | None = None) -> CompletedRequest:
        return self._future.result(timeout=timeout)


class CompletedRequest:
    def __init__(self, picam2: Picamera2, arrays: dict[str, Array]) -> None:
        self.picam2 = picam2
        self.ref_count = 1
        self._arrays = arrays

    def release(self) -> None:
        with self.picam2.lock:
            self.ref_count -= 1
            if self.ref_count < 0:
                raise RuntimeError("CompletedRequest: lock now has negative ref_count")
            self._arrays = {}
            self.picam2.buffers_free += 1

    def make_array(self, name: str) -> Array:
        """Trap: nothing is left of a request that was released."""
        if name not in self._arrays:
            raise RuntimeError(f"Stream {name!r} is not defined")
        if name in world.broken_streams:
            raise RuntimeError("failed to find buffer in DmaSync")
        return np.array(self._arrays[name])


class Picamera2:
    @staticmethod
    def global_camera_info() -> list[dict[str, Any]]:
        camera = {"Model": "imx708", "Location": 2, "Rotation": 180}
        return [{**camera, "Id": f"/base/i2c@{number}", "Num": number} for number in range(world.plugged_in)]

    def __init__(
        self, camera_num: int = 0, verbose_console: object = None, tuning: object = None, allocator: object = None
    ) -> None:
        # Trap: this pipe is made first, and nobody closes it where the rest fails.
        self.notifyme_r, self.notifyme_w = os.pipe2(os.O_NONBLOCK)
        self.notifymeread = os.fdopen(self.notifyme_r, "rb")
        self.is_open = False
        if camera_num >= len(self.global_camera_info()):
            raise RuntimeError(
                f'No camera number {camera_num} found - use "rpicam-hello --list-cameras" to check connected cameras'
            )
        self.camera_idx = camera_num
        try:
            _acquire(self)
        except RuntimeError as error:
            # Trap: the reason is not in the message, but in its cause.
            raise RuntimeError("Camera __init__ sequence did not complete.") from error
        self.is_open = True
        self.lock = threading.RLock()
        self.buffers_free = 0
        self.started = False
        self.camera_config: dict[str, Any] = {}
        self._jobs: list[Job] = []
        self._completed: list[CompletedRequest] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-libcamera", daemon=True)
        atexit.register(self.close)

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        offered: dict[str, tuple[Any, Any, Any]] = {"Brightness": (-1.0, 1.0, 0.0)}
        if not world.usb:
            offered["FrameDurationLimits"] = (8333, 120_000_000, 33_333)
        if world.autofocus:
            offered["AfMode"] = (0, 2, 0)
        return offered

    def create_video_configuration(
        self,
        main: dict[str, Any] = {},  # noqa: B006 - the real one's signature
        lores: dict[str, Any] | None = None,
        raw: dict[str, Any] | None = {},  # noqa: B006
        transform: libcamera.Transform = libcamera.Transform(),  # noqa: B008
        colour_space: libcamera.ColorSpace | None = None,
        buffer_count: int = 6,
        controls: dict[str, Any] = {},  # noqa: B006
        display: str | None = "main",
        encode: str | None = "main",
        queue: bool = True,
        sensor: dict[str, Any] = {},  # noqa: B006
        use_case: str = "video",
    ) -> dict[str, Any]:
        main = _stream({"format": "XBGR8888", "size": (1280, 720), "preserve_ar": True}, main)
        if lores is not None:
            lores = _stream({"format": "YUV420", "size": main["size"], "preserve_ar": False}, lores)
        if colour_space is None:
            # Trap: the matrix depends on the size, and OpenCV's conversion knows only that of small pictures.
            small = main["size"][0] < 1280 or main["size"][1] < 720
            colour_space = libcamera.ColorSpace.Smpte170m() if small else libcamera.ColorSpace.Rec709()
        if "FrameDurationLimits" in self.camera_controls:
            controls = {"FrameDurationLimits": (33333, 33333)} | controls
        return {
            "use_case": use_case,
            "transform": transform,
            "colour_space": colour_space,
            "buffer_count": buffer_count,
            "queue": queue,
            "main": main,
            "lores": lores,
            "raw": None if world.usb else raw,
            "controls": controls,
            "sensor": sensor,
            "display": display,
            "encode": encode,
        }

    def configure(self, camera_config: dict[str, Any]) -> None:
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        config = copy.deepcopy(camera_config)
        main, lores = config["main"], config["lores"]
        for name, stream in (("main", main), ("lores", lores)):
            if stream is not None:
                _check(name, stream)
        # Traps: the smaller stream may not be larger in either direction, and on the Pi 4 must be YUV.
        if lores is not None and (lores["size"][0] > main["size"][0] or lores["size"][1] > main["size"][1]):
            raise RuntimeError("lores stream dimensions may not exceed main stream")
        if lores is not None and lores["format"] != "YUV420":
            raise RuntimeError("lores stream must be YUV")
        # Trap: libcamera refuses no quarter turn and no foreign format, it "adjusts" them.
        if config["transform"].transpose or world.usb:
            config["transform"] = libcamera.Transform()
        if world.usb:
            main["format"] = "YUYV"
        for stream in filter(None, (main, lores)):
            stream["stride"] = _aligned(stream, world.alignment)
        # Trap: one control that this camera lacks, and the whole configuration fails.
        for name in config["controls"]:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.camera_config = world.configured = config
        world.controls_set = config["controls"]

    def camera_configuration(self) -> dict[str, Any]:
        return self.camera_config

    def start(self, config: dict[str, Any] | None = None, show_preview: object = False) -> None:
        if config is not None:
            self.configure(config)
        if not self.camera_config:
            raise RuntimeError("Camera has not been configured")
        self.buffers_free = self.camera_config["buffer_count"]
        self.started = True
        self._thread.start()

    def capture_request(
        self,
        wait: bool | float | None = None,
        signal_function: Callable[[Job], None] | None = None,
        flush: float | None = None,
    ) -> CompletedRequest | Job:
        """Trap: it waits for ever, unless told otherwise."""
        job = Job()
        with self.lock:
            self._jobs.append(job)
            self._serve_jobs()
        if wait is False or (wait is None and signal_function is not None):
            return job
        return job.get_result(timeout=None if wait in (None, True) else wait)

    def cancel_all_and_flush(self) -> None:
        with self.lock:
            for job in self._jobs:
                job._future.set_exception(CancelledError())
            self._jobs = []

    def stop(self) -> None:
        if self.started:
            self.started = False
            self._stopping.set()
            self._thread.join()
            while world.close_hangs.is_set():
                time.sleep(0.01)

    def close(self) -> None:
        """Trap: a camera that failed in its constructor is not open, and so closes nothing."""
        atexit.unregister(self.close)
        if not self.is_open:
            return
        self.stop()
        world.held_by = None
        self.is_open = False
        self.notifymeread.close()
        os.close(self.notifyme_w)

    def _run(self) -> None:
        """The sensor: a picture every 5 ms, as long as there is a buffer for it."""
        while not self._stopping.wait(0.005):
            with self.lock:
                # Trap: who does not release what he captured gets `buffer_count` pictures, and then none.
                if world.hangs.is_set() or self.buffers_free == 0:
                    continue
                self.buffers_free -= 1
            request = CompletedRequest(self, self._expose())
            with self.lock:
                # Trap: a job that nobody waits for any more takes this picture as well.
                self._completed.append(request)
                self._serve_jobs()
                while len(self._completed) > int(self.camera_config["queue"]):
                    self._completed.pop(0).release()

    def _serve_jobs(self) -> None:
        while self._jobs and self._completed:
            self._jobs.pop(0)._future.set_result(self._completed.pop(0))

    def _expose(self) -> dict[str, Array]:
        transform = self.camera_config["transform"]
        scene = world.scene[:: -1 if transform.vflip else 1, :: -1 if transform.hflip else 1]
        return {
            name: _encoded(np.ascontiguousarray(scene), stream, self.camera_config["colour_space"])
            for name in ("main", "lores")
            if (stream := self.camera_config[name]) is not None
        }


def _acquire(camera: Picamera2) -> None:
    if world.busy or world.held_by is not None:
        raise RuntimeError("Failed to acquire camera: Device or resource busy")
    world.held_by = camera


def _stream(defaults: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
    valid = ("format", "size", "stride", "preserve_ar")
    for key in updates:
        if key not in valid:
            raise ValueError(f"Bad key {key!r}: valid stream configuration keys are {valid}")
    stream = {**defaults, **updates}
    width, height = stream["size"]
    return {**stream, "size": (width - width % 2, height - height % 2)}


def _check(name: str, stream: dict[str, Any]) -> None:
    if stream["format"] not in ("BGR888", "RGB888", "XBGR8888", "YUV420"):
        raise RuntimeError(f"Bad format {stream['format']} in stream {name}")
    if type(stream["size"]) is not tuple or len(stream["size"]) != 2:
        raise RuntimeError(f"size in {name} stream should be (width, height)")


def _aligned(stream: dict[str, Any], alignment: int) -> int:
    """Bytes from one row to the next. Those of the colour planes are half as long, and aligned themselves."""
    if stream["format"] == "YUV420":
        alignment *= 2
    length: int = stream["size"][0] * {"YUV420": 1, "YUYV": 2, "XBGR8888": 4}.get(stream["format"], 3)
    return -(-length // alignment) * alignment


def _encoded(scene: Array, stream: dict[str, Any], space: libcamera.ColorSpace) -> Array:
    """The scene in a stream's size and format, as `make_array` gives it."""
    width, height = stream["size"]
    picture = np.asarray(cv2.resize(scene, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    match stream["format"]:
        case "BGR888":
            # Trap: named by significance: what is called BGR is R, G, B in the array, and the other way round.
            return picture
        case "RGB888":
            return np.ascontiguousarray(picture[:, :, ::-1])
        case "YUV420":
            return _yuv420(picture, stream["stride"], space)
        case other:
            raise NotImplementedError(other)


def _yuv420(picture: Array, stride: int, space: libcamera.ColorSpace) -> Array:
    """Trap: unlike RGB, this keeps its padding: (height * 3 / 2, stride), with garbage at the end of each row."""
    height, width = picture.shape[:2]
    red, green, blue = np.moveaxis(picture.astype(np.float32), 2, 0)
    bright = space.red * red + (1 - space.red - space.blue) * green + space.blue * blue
    colours = [(blue - bright) / (2 - 2 * space.blue), (red - bright) / (2 - 2 * space.red)]
    if not space.full_range:
        bright, colours = 16 + bright * 219 / 255, [colour * 224 / 255 for colour in colours]
    planes = np.full((height * 3 // 2, stride), 255, np.uint8)
    planes[:height, :width] = np.rint(bright)
    halves = planes[height:].reshape(2, height // 2, stride // 2)
    for half, colour in zip(halves, colours, strict=True):
        small = colour.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
        half[:, : width // 2] = np.rint(np.clip(small + 128, 0, 255))
    return planes
