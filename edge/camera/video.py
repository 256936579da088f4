"""Video files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import av.error

from edge import MAX_PIXELS
from edge.camera.av_errors import Cause, SourceError
from edge.camera.frame import Frame
from edge.camera.pictures import Picture, Pictures, open_container
from edge.camera.timeline import Timeline
from edge.config import CameraSettings
from edge.errors import MaskdError
from edge.system.printable import one_line

_FALLBACK_FPS = 25.0
_LONGEST_GAP_S = 60.0
"""A longer jump in a file's time stamps is taken for a fault of the file."""

_log = logging.getLogger(__name__)


class VideoCamera:
    """A video file, played at its own speed; `loop` starts it again at its end, without a break in its timeline."""

    live = False

    def __init__(self, path: Path, settings: CameraSettings) -> None:
        self._path = path
        self._settings = settings
        self._file: VideoFile | None = None
        self._timeline = Timeline()
        self._offset = 0.0
        self._count = 0

    def open(self) -> None:
        self._file = VideoFile(self._path, self._settings.rotate)
        self._timeline = Timeline()
        self._offset = 0.0

    def read(self) -> Frame | None:
        assert self._file is not None, "open() comes first"
        following = self._file.next()
        if following is None and self._settings.loop:
            self._offset += self._file.duration
            self._file.close()
            # Opened again rather than wound back: not every format can seek.
            self._file = VideoFile(self._path, self._settings.rotate)
            following = self._file.next()
        if following is None:
            return None
        position, picture = following
        self._count += 1
        return Frame(picture.pixels, self._timeline.wait_for(self._offset + position), self._count - 1)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def describe(self) -> str:
        return str(self._path)


def frames(path: Path, rotate: int = 0) -> Iterator[Frame]:
    """Every frame of a video file as fast as it can be read; `captured_at` is its position in the file, in seconds.

    Raises MaskdError, at the first frame, for what is not a video or has no frames.
    """
    file = VideoFile(path, rotate)
    try:
        number = 0
        while (following := file.next()) is not None:
            position, picture = following
            yield Frame(picture.pixels, position, number)
            number += 1
    finally:
        file.close()


class VideoFile:
    """A file's pictures, each with its position in seconds from the first one."""

    def __init__(self, path: Path, rotate: int = 0) -> None:
        """Raises MaskdError where it has no picture that can be read."""
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "missing"
            raise MaskdError(f"the video file {one_line(path)} is {kind}; check the path of `source`")
        self._path = path
        self._pictures: Pictures | None = None
        try:
            # `file:`, or FFmpeg would take the start of `10:30:00.mp4` for a protocol.
            self._pictures = Pictures(open_container(f"file:{path}"), rotate)
            self._waiting = self._pictures.next()
        except SourceError as error:
            self.close()
            raise MaskdError(_sentence(path, error)) from None
        except (av.error.FFmpegError, OSError) as error:
            self.close()
            raise MaskdError(_no_picture(path, error)) from None
        if self._waiting is None:
            self.close()
            raise MaskdError(_undecodable(path) if self._pictures.damaged else _no_picture(path))
        rate = self._pictures.rate
        # Broken headers claim 0, nan or the 1000 ticks of a time base.
        self.fps = rate if 0.01 <= rate <= 240 else _FALLBACK_FPS
        self._first_stamp = self._waiting.stamp
        self._position = 0.0

    @property
    def duration(self) -> float:
        """Seconds up to the end of the last picture read."""
        return self._position + 1 / self.fps

    def next(self) -> tuple[float, Picture] | None:
        """Raises MaskdError where the file turns into something that cannot be decoded."""
        if self._waiting is not None:
            picture, self._waiting = self._waiting, None
            return 0.0, picture
        following = self._following()
        if following is None:
            return None
        position = None
        if following.stamp is not None and self._first_stamp is not None:
            position = following.stamp - self._first_stamp
        if position is None or not self._position < position <= self._position + _LONGEST_GAP_S:
            position = self._position + 1 / self.fps
        self._position = position
        return position, following

    def close(self) -> None:
        if self._pictures is not None:
            self._pictures.close()

    def _following(self) -> Picture | None:
        assert self._pictures is not None, "it was opened"
        try:
            return self._pictures.next()
        except SourceError as error:
            raise MaskdError(_sentence(self._path, error)) from None
        except av.error.FFmpegError as error:
            reason = error.strerror or type(error).__name__
            _log.warning("%s cannot be read past %.1f s (%s); copy it again", self._path, self._position, reason)
            return None


def _sentence(path: Path, error: SourceError) -> str:
    match error.cause:
        case Cause.NO_VIDEO:
            return f"the video file {one_line(path)} has only sound; choose a file with pictures"
        case Cause.NO_CODEC:
            return f"the codec of the video file {one_line(path)} is not supported{error.detail}; convert it to H.264"
        case Cause.TOO_LARGE:
            return (
                f"the pictures of the video file {one_line(path)} are too large, {error.detail} pixels; scale it down"
            )
    return _no_picture(path)


def _undecodable(path: Path) -> str:
    return (
        f"no picture of the video file {one_line(path)} can be decoded; it is damaged, or larger than the "
        f"{MAX_PIXELS // 1_000_000} megapixels that maskd decodes"
    )


def _no_picture(path: Path, error: Exception | None = None) -> str:
    if isinstance(error, PermissionError):
        return f"the video file {one_line(path)} cannot be read by this user; check its permissions"
    return f"no picture can be read from the video file {one_line(path)}; it is empty, damaged or not a video"
