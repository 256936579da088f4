"""The Raspberry Pi camera, through libcamera. Picamera2 is imported only here, and only when asked for."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Collection
from concurrent.futures import TimeoutError as JobTimeoutError
from typing import Any

import numpy as np

from edge.camera.frame import Frame
from edge.camera.images import rgb_from_yuv420, rotated
from edge.config import CameraSettings
from edge.errors import MaskdError
from edge.vision.pixels import RgbPixels
from edge.vision.preprocess import Image

READ_TIMEOUT_S = 5.0
LORES_SIDE = 704
"""Longer side of the detector's picture, in pixels: twice what face-detector sees of 16:9, for halving is quickest, and
no less than face-detector-far sees."""
_FORMAT = "BGR888"
"""libcamera names formats by significance, not by order in memory: these are R, G, B in the array."""

_log = logging.getLogger(__name__)


def picamera_present() -> bool:
    """Picamera2 imports and sees a camera."""
    try:
        from picamera2 import Picamera2

        return bool(Picamera2.global_camera_info())
    except Exception:  # noqa: BLE001 - a broken libcamera fails in many ways, and each means: not usable
        return False


class PiCamera:
    """A camera that libcamera lists: full pictures, and the same ones smaller for the detector."""

    live = True

    def __init__(
        self, name: str, settings: CameraSettings, *, number: int = 0, read_timeout_s: float = READ_TIMEOUT_S
    ) -> None:
        """`number`: its place in libcamera's list, from 0."""
        self._name = name
        self._number = number
        self._settings = settings
        self._read_timeout_s = read_timeout_s
        self._camera: Any = None
        self._lores_size: tuple[int, int] | None = None
        self._turn = 0
        self._count = 0

    def open(self) -> None:
        picamera2_class, libcamera = _import_picamera2()
        try:
            self._camera = _construct(picamera2_class, self._number)
            self._configure(libcamera)
            self._camera.start()
        except MaskdError:
            self.close()
            raise
        except Exception as error:  # noqa: BLE001 - libcamera's errors have no common type
            self.close()
            raise MaskdError(f"{self.describe()} does not open {_cause_and_remedy(error)}") from None

    def _configure(self, libcamera: Any) -> None:
        size = (self._settings.width, self._settings.height)
        lores_size = size_for_detector(*size)
        # The hardware flips, which is half a turn; a quarter it cannot.
        flips = libcamera.Transform(hflip=1, vflip=1) if self._settings.rotate == 180 else libcamera.Transform()
        self._camera.configure(
            self._camera.create_video_configuration(
                main={"size": size, "format": _FORMAT},
                lores=None if lores_size is None else {"size": lores_size, "format": "YUV420"},
                transform=flips,
                # The matrix of OpenCV's conversion; from 720 lines on the default is another one.
                colour_space=libcamera.ColorSpace.Smpte170m(),
                controls=self._controls(libcamera, self._camera.camera_controls),
            )
        )
        # libcamera adjusts what a camera cannot do.
        configured = self._camera.camera_configuration()
        if (got := configured["main"]["format"]) != _FORMAT:
            raise MaskdError(
                f"camera {self._number} of libcamera's list gives {got} pictures, so it is a USB camera; set its "
                f"device, for example /dev/video0, in cameras.{self._name}.source"
            )
        self._lores_size = None if lores_size is None else configured["lores"]["size"]
        hardware_turns = self._settings.rotate == 180 and configured["transform"] == flips
        self._turn = 0 if hardware_turns else self._settings.rotate

    def _controls(self, libcamera: Any, offered: Collection[str]) -> dict[str, Any]:
        """What this camera can be told; an unknown control would fail the whole configuration."""
        controls: dict[str, Any] = {}
        if "FrameDurationLimits" in offered:
            microseconds = round(1e6 / self._settings.fps)
            controls["FrameDurationLimits"] = (microseconds, microseconds)
        else:
            _log.info("camera %s: its frame rate cannot be set", self._name)
        if "AfMode" in offered:
            controls["AfMode"] = libcamera.controls.AfModeEnum.Continuous
        return controls

    def read(self) -> Frame:
        assert self._camera is not None, "open() comes first"
        try:
            image, lores = self._capture()
        except JobTimeoutError:
            # The job would take the next picture and its buffer without a receiver.
            with contextlib.suppress(Exception):
                self._camera.cancel_all_and_flush()
            raise MaskdError(self._gives_no_more(f"none for {self._read_timeout_s:g} s")) from None
        except Exception as error:  # noqa: BLE001 - as above
            raise MaskdError(self._gives_no_more(str(error) or type(error).__name__)) from None
        self._count += 1
        return Frame(RgbPixels(image, lores=lores), time.monotonic(), self._count - 1)

    def _capture(self) -> tuple[Image, Image | None]:
        """The full picture and the one for the detector, of one moment."""
        request = self._camera.capture_request(wait=False).get_result(timeout=self._read_timeout_s)
        try:
            full = request.make_array("main")
            planes = request.make_array("lores") if self._lores_size is not None else None
        finally:
            # At once: libcamera has few buffers, and stops when all are out.
            request.release()
        image = rotated(np.ascontiguousarray(full, dtype=np.uint8), self._turn)
        if planes is None or self._lores_size is None:
            return image, None
        return image, rotated(rgb_from_yuv420(planes, *self._lores_size), self._turn)

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is None:
            return
        try:
            camera.close()  # stops it as well
        except Exception as error:  # noqa: BLE001 - as above; what opens it next says whether it is free
            _log.warning("camera %s: %s does not close (%s)", self._name, self.describe(), error)

    def describe(self) -> str:
        return f"the Raspberry Pi camera{f' {self._number}' if self._number else ''}"

    def _gives_no_more(self, reason: str) -> str:
        return f"{self.describe()} gives no more pictures ({reason}); check its ribbon cable"


def size_for_detector(width: int, height: int) -> tuple[int, int] | None:
    """Even width and height for a picture of this size; None: it is not larger than what the detectors use anyway."""
    scale = LORES_SIDE / max(width, height)
    if scale >= 1:
        return None
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _import_picamera2() -> tuple[Any, Any]:
    """The class Picamera2 and the module libcamera."""
    try:
        import libcamera
        from picamera2 import Picamera2
    except Exception as error:  # noqa: BLE001 - a module that was built for another numpy raises a ValueError
        raise MaskdError(
            f"picamera2 cannot be imported ({error}); `sudo apt install python3-picamera2`, make maskd's virtual "
            f"environment with --system-site-packages, and on Bookworm keep numpy (now {np.__version__}) below 2"
        ) from None
    return Picamera2, libcamera


def _construct(picamera2_class: Any, number: int) -> Any:
    """Raises MaskdError where libcamera lists no such camera, and whatever Picamera2 raises."""
    listed = len(picamera2_class.global_camera_info())
    if number >= listed:
        raise MaskdError(_not_listed(number, listed))
    camera = picamera2_class.__new__(picamera2_class)
    try:
        camera.__init__(number)
    except Exception:
        # Picamera2 leaves a pipe open where the camera is busy, and it is tried every half minute.
        if not getattr(camera, "is_open", False):
            with contextlib.suppress(AttributeError, OSError):
                camera.notifymeread.close()
                os.close(camera.notifyme_w)
        raise
    return camera


def _not_listed(number: int, listed: int) -> str:
    if listed == 0:
        return "libcamera finds no camera; check the ribbon cable, and that `rpicam-hello --list-cameras` lists it"
    there = "picamera" if listed == 1 else f"picamera:0 to picamera:{listed - 1}"
    return f"libcamera lists {listed} camera(s), so there is no picamera:{number}; choose {there}, or check its cable"


def _cause_and_remedy(error: Exception) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if "busy" in str(cause):
        remedy = "another program uses it: `sudo fuser -v /dev/media*` names it"
    else:
        remedy = "check its ribbon cable, and that `rpicam-hello --list-cameras` lists it"
    return f"({cause}); {remedy}"
