"""OpenCV's video input, with its environment, its noise and its colour order dealt with."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera.frame import DamagedPictureError
from edge.camera.images import as_rgb, rotated
from edge.vision.preprocess import Image

# OpenCV reads these once, when it first opens a source. What the owner set in the environment stays.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: we report failures ourselves, in words
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "5")  # seconds without a picture until a read fails

MJPEG = cv2.VideoWriter.fourcc(*"MJPG")
_SILENT = 0


def _set_log_level(level: int) -> None:
    """The function moved: OpenCV 4.9 has cv2.setLogLevel, and 5.0 only cv2.utils.logging.setLogLevel."""
    namespace = getattr(cv2.utils, "logging", cv2)
    namespace.setLogLevel(level)


if "OPENCV_LOG_LEVEL" not in os.environ:
    _set_log_level(_SILENT)


def gstreamer_timeout(milliseconds: int, version: str = cv2.__version__) -> list[int]:
    """Parameters by which a read of a GStreamer pipeline is given up. OpenCV before 4.7, such as Bookworm's own, has
    none (github.com/opencv/opencv/pull/22919), and opens nothing with parameters that it does not know."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return [cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds] if (major, minor) >= (4, 7) else []


class Capture:
    """An opened cv2.VideoCapture; pictures come out as RGB, turned clockwise by `rotate` degrees."""

    def __init__(self, source: str, backend: int, rotate: int, parameters: Sequence[int] = ()) -> None:
        self._source = source
        self._rotate = rotate
        self._is_damaged = False
        self._gives_jpeg = False
        self._capture = cv2.VideoCapture()
        try:
            self._capture.open(source, backend, list(parameters))
        except cv2.error:
            # Some versions raise where others only fail to open.
            self._capture.release()

    @property
    def opened(self) -> bool:
        return self._capture.isOpened()

    def get(self, setting: int) -> float:
        return float(self._capture.get(setting))

    def set(self, setting: int, value: float) -> bool:
        """Whether the device took it."""
        return bool(self._capture.set(setting, value))

    def keep_jpeg(self) -> None:
        """Where a V4L2 device sends JPEG, read() hands it out as it came, and looking at the picture decodes it.

        OpenCV's own way to leave a picture undecoded, grab() without retrieve(), would keep the next grab() waiting for
        the decoder, as the device has one current picture only.
        """
        sends_jpeg = int(self.get(cv2.CAP_PROP_FOURCC)) == MJPEG
        self._gives_jpeg = sends_jpeg and self.set(cv2.CAP_PROP_CONVERT_RGB, 0)

    def read(self) -> Callable[[], Image] | None:
        """The next picture; None: there is none. Calling it, in any thread, makes it (height, width, 3) RGB.

        That raises DamagedPictureError where the device sent something else than a picture, and read() gives None then.
        """
        try:
            succeeded, picture = self._capture.read()
        except cv2.error:
            return None
        if not succeeded or picture is None or picture.size == 0 or self._is_damaged:
            return None
        return partial(self._decoded if self._gives_jpeg else self._converted, np.asarray(picture))

    def close(self) -> None:
        self._capture.release()

    def _decoded(self, jpeg: NDArray[Any]) -> Image:
        try:
            picture = cv2.imdecode(jpeg.ravel(), cv2.IMREAD_COLOR)
        except cv2.error:  # its header claims more pixels than are decoded
            picture = None
        if picture is None or picture.size == 0:
            self._is_damaged = True
            raise DamagedPictureError(f"{self._source} sent a damaged picture; check its cable and its power supply")
        return self._converted(np.asarray(picture))

    def _converted(self, picture: NDArray[Any]) -> Image:
        return rotated(as_rgb(picture), self._rotate)
