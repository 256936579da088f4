"""The Raspberry Pi camera, through libcamera. Picamera2 is imported only here, and only when asked for."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edge.camera.frame import Frame
from edge.camera.images import rotated
from edge.config import CameraSettings
from edge.errors import MaskdError

_READ_TIMEOUT_S = 5.0


def picamera_present() -> bool:
    """Picamera2 imports and sees a camera."""
    try:
        from picamera2 import Picamera2

        return bool(Picamera2.global_camera_info())
    except Exception:  # noqa: BLE001 - a broken libcamera fails in many ways, and each means: not usable
        return False


class PiCamera:
    """The first camera that libcamera lists."""

    live = True

    def __init__(self, name: str, settings: CameraSettings) -> None:
        self._name = name
        self._settings = settings
        self._camera: Any = None
        self._count = 0

    def open(self) -> None:
        try:
            from picamera2 import Picamera2
        except ImportError:
            raise MaskdError(
                "the Python package picamera2 is not installed; `sudo apt install python3-picamera2` and make maskd's "
                "virtual environment with --system-site-packages"
            ) from None
        try:
            self._camera = Picamera2()
            self._camera.configure(
                self._camera.create_video_configuration(
                    # libcamera names formats by significance, not by order in memory: BGR888 is R, G, B in the array.
                    main={"size": (self._settings.width, self._settings.height), "format": "BGR888"},
                    controls={"FrameRate": self._settings.fps},
                )
            )
            self._camera.start()
        except Exception as error:  # noqa: BLE001 - libcamera's errors have no common type
            self.close()
            raise MaskdError(
                f"the Raspberry Pi camera does not open ({error}); check its ribbon cable, and that "
                "`rpicam-hello --list-cameras` lists it"
            ) from None

    def read(self) -> Frame:
        assert self._camera is not None, "open() comes first"
        try:
            picture = self._camera.wait(self._camera.capture_array("main", wait=False), timeout=_READ_TIMEOUT_S)
        except Exception as error:  # noqa: BLE001 - as above
            raise MaskdError(
                f"the Raspberry Pi camera gives no more pictures ({str(error) or type(error).__name__}); check its "
                "ribbon cable"
            ) from None
        image = rotated(np.ascontiguousarray(picture[:, :, :3], dtype=np.uint8), self._settings.rotate)
        self._count += 1
        return Frame(image, time.monotonic(), self._count - 1, self._name)

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()  # stops it as well

    def describe(self) -> str:
        return "the Raspberry Pi camera"
