"""Video files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from edge.camera.frame import Frame
from edge.camera.opencv import Capture
from edge.camera.timeline import Timeline
from edge.config import CameraSettings
from edge.errors import MaskdError
from edge.vision.preprocess import Image

_FALLBACK_FPS = 25.0
_LONGEST_GAP_S = 60.0
"""A longer jump in a file's time stamps is taken for a fault of the file."""


class VideoCamera:
    """A video file, played at its own speed; `loop` starts it again at its end, without a break in its timeline."""

    live = False

    def __init__(self, name: str, path: Path, settings: CameraSettings) -> None:
        self._name = name
        self._path = path
        self._settings = settings
        self._pictures: _Pictures | None = None
        self._timeline = Timeline()
        self._offset = 0.0
        self._count = 0

    def open(self) -> None:
        self._pictures = _Pictures(self._path, self._settings.rotate)
        self._timeline = Timeline()
        self._offset = 0.0

    def read(self) -> Frame | None:
        assert self._pictures is not None, "open() comes first"
        following = self._pictures.next()
        if following is None and self._settings.loop:
            self._offset += self._pictures.duration
            self._pictures.close()
            # Opened again rather than wound back: not every format can seek.
            self._pictures = _Pictures(self._path, self._settings.rotate)
            following = self._pictures.next()
        if following is None:
            return None
        position, image = following
        self._count += 1
        return Frame(image, self._timeline.wait_for(self._offset + position), self._count - 1, self._name)

    def close(self) -> None:
        if self._pictures is not None:
            self._pictures.close()
            self._pictures = None

    def describe(self) -> str:
        return str(self._path)


def frames(path: Path, rotate: int = 0) -> Iterator[Frame]:
    """Every frame of a video file as fast as it can be read; `captured_at` is its position in the file, in seconds.

    Raises MaskdError, at the first frame, for what is no video or has no frames.
    """
    pictures = _Pictures(path, rotate)
    try:
        number = 0
        while (following := pictures.next()) is not None:
            position, image = following
            yield Frame(image, position, number, path.name)
            number += 1
    finally:
        pictures.close()


class _Pictures:
    """A file's pictures, each with its position in seconds from the first one."""

    def __init__(self, path: Path, rotate: int) -> None:
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "missing"
            raise MaskdError(f"the video file {path} is {kind}; check the path of `source`")
        # Whole: FFmpeg takes 10:30.mp4 for an address.
        self._capture = Capture(str(path.absolute()), cv2.CAP_ANY, rotate)
        fps = self._capture.get(cv2.CAP_PROP_FPS) if self._capture.opened else 0.0
        # Broken headers claim 0, nan or the 1000 ticks of a time base.
        self._interval = 1 / fps if 0.01 <= fps <= 240 else 1 / _FALLBACK_FPS
        self._first_stamp = 0.0
        self._position = 0.0
        self._waiting = self._capture.read() if self._capture.opened else None
        if self._waiting is None:
            self._capture.close()
            raise MaskdError(f"no picture can be read from the video file {path}; it is empty, damaged or no video")
        self._first_stamp = self._stamp()

    @property
    def duration(self) -> float:
        """Seconds up to the end of the last picture read."""
        return self._position + self._interval

    def next(self) -> tuple[float, Image] | None:
        if self._waiting is not None:
            image, self._waiting = self._waiting, None
            return 0.0, image
        following = self._capture.read()
        if following is None:
            return None
        position = self._stamp() - self._first_stamp
        if not self._position < position <= self._position + _LONGEST_GAP_S:
            position = self._position + self._interval
        self._position = position
        return position, following

    def close(self) -> None:
        self._capture.close()

    def _stamp(self) -> float:
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
