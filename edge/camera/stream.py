"""Network cameras: RTSP, HTTP and what else FFmpeg reads."""

from __future__ import annotations

import time
from dataclasses import dataclass

import av.error

from edge.camera.av_errors import (
    LOGIN_OR_PATH,
    OF_THE_FORMAT,
    OF_THE_TRANSPORT,
    Cause,
    SourceError,
    opening_error,
    sentence,
)
from edge.camera.frame import Frame
from edge.camera.pictures import Picture, Pictures, open_container
from edge.camera.source_masking import mask_source
from edge.camera.timeline import Timeline
from edge.config import CameraSettings
from edge.errors import MaskdError

OPEN_TIMEOUT_MS = 10_000
READ_TIMEOUT_MS = 5_000
STILLS_PER_SECOND = (1.0, 5.0)
"""The slowest and the fastest that a single picture is fetched again: few enough requests for a cheap camera, and often
enough for its people to be tracked."""

_LONGEST_GAP_S = 5.0
"""A longer jump in the time stamps of a recording is not waited for."""

_LIVE = {"fpsprobesize": "0"}
"""Measuring the rate would hold the first picture back for a second or more."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a stream is asked for: FFmpeg's RTSP transport, and its format where the camera's own word misleads."""

    transport: str | None = None
    format: str | None = None


_RTSP = (Way("tcp"), Way("udp"))  # over UDP, lost packets smear pictures
_HTTP = (Way(), Way(format="mjpeg"))  # for cameras whose parts say neither their type nor their length
_OTHER = (Way(),)


class StreamCamera:
    """A network camera. What worked is remembered: the transport, and whether the address is of a single picture,
    which is then fetched again and again."""

    live = True

    def __init__(
        self,
        url: str,
        settings: CameraSettings,
        *,
        open_timeout_ms: int = OPEN_TIMEOUT_MS,
        read_timeout_ms: int = READ_TIMEOUT_MS,
    ) -> None:
        self._url = url
        self._rotate = settings.rotate
        slowest, fastest = STILLS_PER_SECOND
        self._still_interval = 1 / min(max(settings.fps, slowest), fastest)
        self._open_s = open_timeout_ms / 1000
        self._read_s = read_timeout_ms / 1000
        self._ways = list(_ways(url))
        self._connection: Connection | None = None
        self.is_still = False
        """Known once it is open: the address is of a single picture."""
        self._last_at = 0.0
        self._count = 0

    def open(self) -> None:
        self.close()
        problem = SourceError(Cause.NOT_VIDEO)
        for way in tuple(self._ways):
            try:
                self._connection = Connection(self._url, way, self._rotate, self._open_s, self._read_s)
            except SourceError as error:
                problem = error
                if error.cause not in (OF_THE_TRANSPORT if way.transport else OF_THE_FORMAT):
                    break
            else:
                self.is_still = self._connection.is_still
                self._prefer(way)
                return
        if problem.cause is Cause.TIMED_OUT:
            # It may wait for a transport that it does not offer; one more attempt now would double the silence.
            self._ways.append(self._ways.pop(0))
        raise MaskdError(sentence(problem, self._url, self._open_s))

    def read(self) -> Frame:
        """The next picture; raises MaskdError where there is none."""
        assert self._connection is not None, "open() comes first"
        picture = self._connection.next()
        if picture is None and self.is_still:
            picture = self._fetch_again()
        if picture is None:
            raise MaskdError(
                f"the stream {mask_source(self._url)} sends no more pictures; check the camera and the network"
            )
        self._last_at = time.monotonic()
        self._count += 1
        return Frame(picture.pixels, self._connection.captured_at(picture), self._count - 1)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def describe(self) -> str:
        return mask_source(self._url) + (" (a single picture, fetched repeatedly)" if self.is_still else "")

    def _prefer(self, way: Way) -> None:
        self._ways.sort(key=lambda other: other != way)

    def _fetch_again(self) -> Picture | None:
        """The next one of a single picture, when it is due; None: none came for as long as a stream may be silent."""
        give_up_at = time.monotonic() + self._read_s
        due = self._last_at + self._still_interval
        while True:
            time.sleep(max(0.0, due - time.monotonic()))
            due = time.monotonic() + self._still_interval
            self.close()
            try:
                self._connection = Connection(
                    self._url, self._ways[0], self._rotate, self._read_s, self._read_s, is_still=True
                )
                return self._connection.next()
            except SourceError as error:
                if error.cause in LOGIN_OR_PATH or time.monotonic() >= give_up_at:
                    raise MaskdError(sentence(error, self._url, self._read_s)) from None


class Connection:
    """An open stream whose first picture has come."""

    def __init__(
        self, url: str, way: Way, rotate: int, open_s: float, read_s: float, *, is_still: bool = False
    ) -> None:
        """`is_still`: it is known to be of a single picture. Raises SourceError."""
        self._read_s = read_s
        self._is_recording = False
        self._timeline = Timeline()
        self._last_stamp = 0.0
        self._next: list[Picture] = []
        self.is_still = is_still
        self._pictures = self._open(url, way, rotate, open_s)

    def next(self) -> Picture | None:
        """None: the stream has ended, failed or fallen silent."""
        if self._next:
            return self._next.pop(0)
        try:
            return self._pictures.next(self._read_s)
        except (SourceError, av.error.FFmpegError):
            return None

    def captured_at(self, picture: Picture) -> float:
        """In seconds of time.monotonic(); waits where a recording sends faster than life."""
        if not self._is_recording or picture.stamp is None:
            return time.monotonic()
        if not 0 <= picture.stamp - self._last_stamp <= _LONGEST_GAP_S:
            self._timeline = Timeline()
        self._last_stamp = picture.stamp
        return self._timeline.wait_for(picture.stamp)

    def close(self) -> None:
        self._pictures.close()

    def _open(self, url: str, way: Way, rotate: int, open_s: float) -> Pictures:
        started_at = time.monotonic()
        options = _LIVE | ({"rtsp_transport": way.transport} if way.transport else {})
        try:
            container = open_container(url, format=way.format, options=options, timeout=(open_s, self._read_s))
        except av.error.FFmpegError as error:
            raise opening_error(error, url, timed_out=time.monotonic() - started_at >= open_s) from None
        is_recording = (container.duration or 0) > 0 or container.format.name == "hls"
        try:
            pictures = Pictures(container, rotate, hurry=not is_recording)
            self._read_first(pictures, open_s, is_late=time.monotonic() - started_at >= open_s)
            if container.format.name.endswith("_pipe") and not self.is_still:
                self.is_still = not self._has_second(pictures)
        except av.error.FFmpegError as error:
            container.close()
            raise _reading_error(error) from None
        except SourceError:
            container.close()
            raise
        self._is_recording = is_recording and not self.is_still
        return pictures

    def _has_second(self, pictures: Pictures) -> bool:
        """Whether one picture follows another, or a single one is all that the address gives."""
        try:
            second = pictures.next(self._read_s)
        except (SourceError, av.error.FFmpegError):  # the server keeps the connection open and sends nothing more
            return False
        self._next += [second] if second else []
        return second is not None

    def _read_first(self, pictures: Pictures, open_s: float, *, is_late: bool) -> None:
        """`is_late`: looking for the size of the pictures was given up."""
        first = None if is_late and pictures.size == (0, 0) else pictures.next(open_s)
        if first is None:
            raise SourceError(Cause.NOT_VIDEO if pictures.damaged else Cause.NO_PICTURE)
        self._next.append(first)


def _reading_error(error: av.error.FFmpegError) -> SourceError:
    if isinstance(error, (av.error.ExitError, av.error.TimeoutError)):
        return SourceError(Cause.NO_PICTURE)
    return SourceError(Cause.NOT_VIDEO if isinstance(error, av.error.InvalidDataError) else Cause.CLOSED)


def _ways(url: str) -> tuple[Way, ...]:
    scheme = url.partition("://")[0].lower()
    if scheme in ("rtsp", "rtsps"):
        return _RTSP
    return _HTTP if scheme in ("http", "https") else _OTHER
