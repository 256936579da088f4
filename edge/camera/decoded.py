"""Decoded video frames -> our pixels: in their true proportions, upright, RGB as far as it is asked for."""

from __future__ import annotations

import threading
from fractions import Fraction
from functools import partial

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from edge import MAX_PIXELS
from edge.camera.images import rotated
from edge.camera.yuv import YuvPixels, keeps_planes
from edge.vision.pixels import Pixels, RgbPixels
from edge.vision.preprocess import Image

_SQUARE = Fraction(1)
_STRANGEST = Fraction(4)
"""A pixel more than this many times as wide as high, or as high as wide, is a fault of the header."""
_HALF_WIDTHS = frozenset({(640, 720), (960, 1080), (1280, 1440), (1920, 2160)})
"""720N, 1080N and so on: recorders for analogue cameras halve the width to save space, and seldom say so."""


class FrameConverter:
    """Converts the frames of one stream. Any thread may call it, and the pixels that it makes."""

    def __init__(self, rotate: int) -> None:
        """`rotate`: degrees clockwise, on top of what the stream itself asks for."""
        self._rotate = rotate
        # FFmpeg prepares each for one conversion, and anew when another is asked for.
        self._to_rgb, self._to_smaller = _Reformatter(), _Reformatter()

    def pixels(self, frame: VideoFrame, pixel_aspect: Fraction | None) -> Pixels:
        """`pixel_aspect`: width of a pixel by its height; None: the stream does not say. Using them raises what FFmpeg
        raises for a format that it cannot convert (av.FFmpegError)."""
        size = true_size(frame.width, frame.height, pixel_aspect)
        degrees = (self._rotate + clockwise(frame.rotation)) % 360
        to_rgb = partial(self._rgb, frame, size, degrees)
        if keeps_planes(frame, size):
            return YuvPixels(frame, degrees, to_rgb=to_rgb, shrink=self._shrunk)
        return RgbPixels(to_rgb)

    def _rgb(self, frame: VideoFrame, size: tuple[int, int], degrees: int) -> Image:
        rgb = self._to_rgb(frame, size, "rgb24", Interpolation.BILINEAR)
        return rotated(np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8), degrees)

    def _shrunk(self, frame: VideoFrame, width: int, height: int) -> VideoFrame:
        wanted = "yuvj444p" if frame.format.name.startswith("yuvj") else "yuv444p"
        return self._to_smaller(frame, (width, height), wanted, Interpolation.AREA, frame.color_range)


class _Reformatter:
    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._lock = threading.Lock()

    def __call__(
        self,
        frame: VideoFrame,
        size: tuple[int, int],
        wanted: str,
        interpolation: Interpolation,
        color_range: int | None = None,
    ) -> VideoFrame:
        """`wanted`: a format; `color_range`: FFmpeg's number, to be kept as it is."""
        # One thread: for pictures of this size more of them cost time, and each camera would start its own.
        with self._lock:
            return self._reformatter.reformat(
                frame,
                *size,
                wanted,
                interpolation=interpolation,
                src_color_range=color_range,
                dst_color_range=color_range,
                threads=1,
            )


def true_size(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Width and height with square pixels: the short side is stretched, so that no detail is lost."""
    aspect = pixel_aspect or _SQUARE
    if aspect == _SQUARE and (width, height) in _HALF_WIDTHS:
        aspect = Fraction(2)
    if not 1 / _STRANGEST <= aspect <= _STRANGEST:
        aspect = _SQUARE
    stretched = (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))
    return stretched if stretched[0] * stretched[1] <= MAX_PIXELS else (width, height)


def clockwise(counterclockwise: float) -> int:
    """The quarter turns, in degrees, that undo a display matrix of this many degrees; 0 for one askew."""
    quarters = round(-counterclockwise / 90)
    return quarters * 90 % 360 if abs(-counterclockwise - quarters * 90) < 1 else 0
