"""`source: auto`: the first real camera that delivers a picture."""

from __future__ import annotations

import dataclasses
import logging

from edge.camera.base import Camera
from edge.camera.frame import Frame
from edge.camera.picamera import PiCamera, picamera_present
from edge.camera.v4l2 import V4l2Camera, capture_devices
from edge.config import CameraSettings
from edge.errors import MaskdError

_log = logging.getLogger(__name__)


class AutoCamera:
    """Looks for a camera each time it is opened, since one that is replugged may come back under another number."""

    live = True

    def __init__(self, name: str, settings: CameraSettings) -> None:
        self._name = name
        self._settings = settings
        self._found: Camera | None = None
        self._first: Frame | None = None
        self._count = 0

    def open(self) -> None:
        candidates: list[Camera] = [V4l2Camera(d.path, self._settings) for d in capture_devices()]
        if picamera_present():
            candidates.append(PiCamera(self._name, self._settings))
        failures = []
        for candidate in candidates:
            try:
                candidate.open()
                self._first = candidate.read()
            except MaskdError as error:
                candidate.close()
                failures.append(str(error))
                continue
            self._found = candidate
            return
        if failures:
            raise MaskdError(f"no camera works: {'; '.join(failures)}")
        raise MaskdError(
            "no camera was found on this device; plug one in, or name a device, an address, a video file or a folder "
            f"of photos in cameras.{self._name}.source (`demo` plays the built-in clip)"
        )

    def read(self) -> Frame | None:
        assert self._found is not None, "open() comes first"
        frame, self._first = self._first or self._found.read(), None
        if frame is None:
            return None
        self._count += 1
        return dataclasses.replace(frame, number=self._count - 1)

    def close(self) -> None:
        if self._found is not None:
            self._found.close()
        self._found = self._first = None

    def describe(self) -> str:
        return "auto" if self._found is None else f"{self._found.describe()} (found by auto)"
