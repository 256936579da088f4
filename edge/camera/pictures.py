"""The pictures of a container that PyAV has opened, one after another."""

from __future__ import annotations

import errno
import time
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge import MAX_PIXELS
from edge.camera.av_errors import Cause, SourceError
from edge.camera.decoded import FrameConverter
from edge.vision.pixels import Pixels

_ONE_THREAD_PIXELS = 1920 * 1088
"""Up to this size one thread decodes in time, and its pictures come without delay."""
_BEHIND_S = 1.0
"""A stream of which no packet had to be waited for this long comes faster than it is decoded."""
_ANY_METADATA: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
"""A title that is not UTF-8 does not hinder opening; PyAV 19 has no such parameter, and does so by itself."""
_WAIT_S = 0.01
"""A packet that took longer to come was waited for."""
_TRIAL_STEP = 64
_INTRA_INTERVAL_S = 0.2
"""Where every picture is a key frame, as in MJPEG, so often one is decoded while it is behind."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture."""

    stamp: float | None
    """Seconds on the stream's own clock; None: it has no usable time stamp."""
    pixels: Pixels


class Pictures:
    """Decodes the first video stream of a container, and closes it in the end."""

    def __init__(self, container: InputContainer, rotate: int, *, hurry: bool = False) -> None:
        """`hurry`: where decoding falls behind, pictures between key frames are left out until it has caught up.

        Raises SourceError where nothing can be decoded.
        """
        self._container = container
        self._stream = _video_stream(container)
        self._converter = FrameConverter(rotate)
        self._packets = container.demux(self._stream)
        self._decoded: deque[VideoFrame] = deque()
        self._format: tuple[int, int, str] | None = None
        self._hurry = hurry
        self._caught_up_at = time.monotonic()
        self._decoded_at = 0.0
        self.damaged = 0
        """Packets that could not be decoded."""

    @property
    def rate(self) -> float:
        """Pictures per second as the header claims; 0 where it does not."""
        return float(self._stream.average_rate or self._stream.guessed_rate or 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as they are stored; 0 until they are known."""
        return self._stream.codec_context.width, self._stream.codec_context.height

    def next(self, within_s: float | None = None) -> Picture | None:
        """The next picture; None: the source has ended.

        Raises SourceError where nothing can be decoded, or with NO_PICTURE where no picture comes within that many
        seconds though data does; av.error.FFmpegError where reading fails.
        """
        deadline = None if within_s is None else time.monotonic() + within_s
        while not self._decoded:
            packet = self._next_packet()
            if packet is None:
                return None
            self._decode(packet)
            if deadline is not None and not self._decoded and time.monotonic() > deadline and not self._is_skipping:
                raise SourceError(Cause.NO_PICTURE)
        frame = self._decoded.popleft()
        pixels = self._converter.pixels(frame, self._pixel_aspect())
        shape = (frame.width, frame.height, frame.format.name)
        if shape != self._format:
            self._check(frame)
            # At once, so that a format that cannot be converted fails here and not in the thread that looks at it.
            pixels.sampled(_TRIAL_STEP)
            self._format = shape
        return Picture(frame.time, pixels)

    def close(self) -> None:
        self._decoded.clear()
        self._container.close()

    def _next_packet(self) -> Packet[VideoStream] | None:
        before = time.monotonic()
        packet = next(self._packets, None)
        if self._hurry and packet is not None:
            self._keep_up(packet, before)
        return packet

    def _keep_up(self, packet: Packet[VideoStream], asked_at: float) -> None:
        now = time.monotonic()
        if now - asked_at >= _WAIT_S:
            self._caught_up_at = now
        if self._is_skipping and packet.is_keyframe and now - self._caught_up_at < _BEHIND_S:
            self._stream.codec_context.skip_frame = "DEFAULT"
        elif now - self._caught_up_at >= _BEHIND_S:
            self._stream.codec_context.skip_frame = "NONKEY"

    @property
    def _is_skipping(self) -> bool:
        return self._stream.codec_context.skip_frame == "NONKEY"

    def _decode(self, packet: Packet[VideoStream]) -> None:
        """Raises SourceError where no other packet can be decoded either."""
        if self._is_skipping and self._stream.codec_context.codec.intra_only:
            if time.monotonic() - self._decoded_at < _INTRA_INTERVAL_S:
                return
            self._decoded_at = time.monotonic()
        try:
            self._decoded.extend(packet.decode())
        except av.error.EOFError:
            pass
        except av.error.FFmpegError as error:
            self._check(self._stream.codec_context)
            if error.errno == errno.ENOSYS:  # the decoder is there only for hardware that is not
                raise SourceError(Cause.NO_CODEC, f" ({self._stream.codec_context.name})") from None
            self.damaged += 1
        except ValueError:  # PyAV 19, of a stream whose header names no codec that there is
            raise SourceError(Cause.NO_CODEC) from None

    def _check(self, picture: VideoFrame | av.VideoCodecContext) -> None:
        if picture.width * picture.height > MAX_PIXELS:
            raise SourceError(Cause.TOO_LARGE, f"{picture.width} x {picture.height}")

    def _pixel_aspect(self) -> Fraction | None:
        """The container's word goes first, as players have it."""
        return self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio


def open_container(
    address: str,
    *,
    format: str | None = None,  # noqa: A002 - as av.open calls it
    options: dict[str, str] | None = None,
    timeout: tuple[float, float] | None = None,
) -> InputContainer:
    """`timeout`: seconds for each step of opening, and for each packet. Raises av.error.FFmpegError."""
    bounded = {"max_pixels": str(MAX_PIXELS), **(options or {})}
    container: InputContainer = av.open(address, "r", format=format, options=bounded, timeout=timeout, **_ANY_METADATA)
    return container


def _video_stream(container: InputContainer) -> VideoStream:
    """The first that can be decoded; a cover picture of a song is not one."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise SourceError(Cause.NO_VIDEO if container.streams.audio else Cause.NOT_VIDEO)
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise SourceError(Cause.NO_CODEC)
    stream = decodable[0]
    context = stream.codec_context
    if context.width * context.height > MAX_PIXELS:
        raise SourceError(Cause.TOO_LARGE, f"{context.width} x {context.height}")
    context.options = {"max_pixels": str(MAX_PIXELS)}
    # Each camera has its own thread already, and threads that decode frame by frame hold pictures back.
    is_large = context.width * context.height > _ONE_THREAD_PIXELS
    context.thread_count, context.thread_type = (2, "FRAME") if is_large else (1, "NONE")
    return stream
