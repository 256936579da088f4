"""Decoded video frames -> our Image: RGB, in their true proportions, upright."""

from __future__ import annotations

import threading
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from edge import MAX_PIXELS
from edge.camera.images import rotated
from edge.vision.preprocess import Image

_SQUARE = Fraction(1)
_STRANGEST = Fraction(4)
"""A pixel more than this many times as wide as high, or as high as wide, is a fault of the header."""
_HALF_WIDTHS = frozenset({(640, 720), (960, 1080), (1280, 1440), (1920, 2160)})
"""720N, 1080N and so on: recorders for analogue cameras halve the width to save space, and seldom say so."""


class RgbConverter:
    """Converts the frames of one stream. Any thread may call it."""

    def __init__(self, rotate: int) -> None:
        """`rotate`: degrees clockwise, on top of what the stream itself asks for."""
        self._rotate = rotate
        self._reformatter = VideoReformatter()
        self._lock = threading.Lock()

    def convert(self, frame: VideoFrame, pixel_aspect: Fraction | None) -> Image:
        """`pixel_aspect`: width of a pixel by its height; None: the stream does not say. Raises what FFmpeg raises for
        a format that it cannot convert (av.FFmpegError)."""
        width, height = true_size(frame.width, frame.height, pixel_aspect)
        # One thread: for pictures of this size more of them cost time, and each camera would start its own.
        with self._lock:
            rgb = self._reformatter.reformat(frame, width, height, "rgb24", threads=1)
        image = np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8)
        return rotated(image, (self._rotate + clockwise(frame.rotation)) % 360)


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
