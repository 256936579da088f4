"""Pixels as a video decoder leaves them: one plane of brightness, and two smaller ones of colour.

Converting a whole picture to RGB and shrinking that costs more than the detector's network does. So the planes are
shrunk first, and of the full picture only the faces are converted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from edge.camera.images import rotated
from edge.vision.pixels import Grey
from edge.vision.preprocess import Image, halved_size, halved_to

_SUBSAMPLED = {
    "yuv420p": (2, 2),
    "yuvj420p": (2, 2),
    "yuv422p": (2, 1),
    "yuvj422p": (2, 1),
    "yuv444p": (1, 1),
    "yuvj444p": (1, 1),
}
"""Pixels that share a value of colour: side by side, and one above the other."""
_RED_AND_BLUE = {1: (0.2126, 0.0722), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""Their shares of brightness by FFmpeg's number of the colour space: BT.709, SMPTE 240M, BT.2020; see ITU-T H.273."""
_BT601 = (0.299, 0.114)
"""For all others, and for streams that do not say, as FFmpeg assumes."""
_FULL_RANGE = 2
"""FFmpeg's number for brightness from 0 to 255 instead of 16 to 235."""
_STRETCHED = np.clip((np.arange(256) - 16) * 255 / 219 + 0.5, 0, 255).astype(np.uint8)
"""The brightness that each value of limited range means."""


class YuvPixels:
    """One decoded frame."""

    def __init__(
        self,
        frame: VideoFrame,
        degrees: int,
        *,
        to_rgb: Callable[[], Image],
        shrink: Callable[[VideoFrame, int, int], VideoFrame],
    ) -> None:
        """`degrees`: by which it is to be turned clockwise, in quarters. `to_rgb` converts all of it, turned; `shrink`
        scales a frame to a width and a height, with a value of colour for each pixel."""
        self._frame = frame
        self._degrees = degrees
        self._to_rgb = to_rgb
        self._shrink = shrink
        shared = _SUBSAMPLED[frame.format.name]
        self._is_full_range = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
        self._colours = _Colours(
            shared[::-1] if degrees in (90, 270) else shared, int(frame.colorspace), self._is_full_range
        )

    @cached_property
    def rgb(self) -> Image:
        return self._to_rgb()

    @property
    def size(self) -> tuple[int, int]:
        width, height = self._frame.width, self._frame.height
        return (height, width) if self._degrees in (90, 270) else (width, height)

    def shrunk(self, width: int, height: int) -> Image:
        if width >= self.size[0] or height >= self.size[1]:
            return self.part(0, 0, *self.size)()
        if self._degrees in (90, 270):
            width, height = height, width
        # Halved first, as `letterbox` does it for RGB: FFmpeg's own scaling leaves more detail, which the detector was
        # not trained on; it cost 0.01 of AP on photos of 1000 pixels and more.
        size = halved_size(self._frame.width, self._frame.height, width, height)
        if size == (width, height):
            planes = self._halved(*size)
        else:
            planes = _planes(self._shrink(self._halved_frame(*size), width, height))
        return rotated(self._colours.rgb(planes), self._degrees)

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Callable[[], Image]:
        light, *colours = self._turned
        across, down = self._colours.shared
        left, top = x1 // across, y1 // down
        right, bottom = -(-x2 // across), -(-y2 // down)
        copies = [light[y1:y2, x1:x2].copy(), *(colour[top:bottom, left:right].copy() for colour in colours)]
        # What is returned may be kept for a while, so it must not hold the frame, of which the decoder has few.
        return partial(self._colours.joined, copies, x1 - left * across, y1 - top * down)

    def brightness(self, step: int) -> Grey:
        sampled = self._turned[0][::step, ::step]
        return sampled if self._is_full_range else np.asarray(cv2.LUT(sampled, _STRETCHED), np.uint8)

    def sampled(self, step: int) -> Image:
        width, height = self.size
        light, *colours = self._turned
        across, down = self._colours.shared
        rows, columns = np.arange(0, height, step) // down, np.arange(0, width, step) // across
        return self._colours.rgb([light[::step, ::step], *(colour[rows[:, None], columns] for colour in colours)])

    def _halved(self, width: int, height: int) -> list[Grey]:
        """Its planes, all of this size, which is its own but for at least one halving."""
        return [halved_to(plane, width, height) for plane in _planes(self._frame)]

    def _halved_frame(self, width: int, height: int) -> VideoFrame:
        if (width, height) == (self._frame.width, self._frame.height):
            return self._frame
        kind = f"{self._frame.format.name[:-4]}444p"
        halved = VideoFrame.from_ndarray(np.stack(self._halved(width, height)), format=kind)
        halved.color_range, halved.colorspace = self._frame.color_range, self._frame.colorspace
        return halved

    @cached_property
    def _turned(self) -> list[Grey]:
        return [np.rot90(plane, -self._degrees // 90) if self._degrees else plane for plane in _planes(self._frame)]


@dataclass(frozen=True, slots=True)
class _Colours:
    """How the values of a frame's planes become RGB."""

    shared: tuple[int, int]
    """Pixels that share a value of colour: side by side, and one above the other."""
    space: int
    """FFmpeg's number."""
    is_full_range: bool

    def joined(self, planes: Sequence[Grey], x: int, y: int) -> Image:
        """RGB of the first plane, which begins at `x` and `y` of the others, once each of their values is repeated for
        the pixels that share it."""
        light, *colours = planes
        height, width = light.shape
        across, down = self.shared
        repeated = (
            cv2.resize(c, (c.shape[1] * across, c.shape[0] * down), interpolation=cv2.INTER_NEAREST) for c in colours
        )
        return self.rgb([light, *(np.asarray(c, np.uint8)[y : y + height, x : x + width] for c in repeated)])

    def rgb(self, planes: Sequence[Grey]) -> Image:
        """Of planes of one size."""
        matrix = _rgb_matrix(self.space, is_full=self.is_full_range)
        return np.asarray(cv2.transform(cv2.merge([np.ascontiguousarray(plane) for plane in planes]), matrix), np.uint8)


def keeps_planes(frame: VideoFrame, size: tuple[int, int]) -> bool:
    """Whether YuvPixels can hold it: its format is one of theirs, and it is not to be stretched to another `size`."""
    across, down = _SUBSAMPLED.get(frame.format.name, (0, 0))
    return across > 0 and size == (frame.width, frame.height) and frame.width % across == frame.height % down == 0


def _planes(frame: VideoFrame) -> list[Grey]:
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]


@lru_cache(maxsize=8)
def _rgb_matrix(colorspace: int, *, is_full: bool) -> NDArray[np.float32]:
    """Of shape (3, 4): by it, (Y, U, V, 1) becomes (R, G, B)."""
    red, blue = _RED_AND_BLUE.get(colorspace, _BT601)
    green = 1 - red - blue
    light, colour, black = (1.0, 1.0, 0.0) if is_full else (255 / 219, 255 / 224, 16.0)
    matrix = np.array(
        [
            [light, 0, 2 * (1 - red) * colour],
            [light, -2 * blue * (1 - blue) / green * colour, -2 * red * (1 - red) / green * colour],
            [light, 2 * (1 - blue) * colour, 0],
        ]
    )
    offset = -matrix @ np.array([black, 128, 128])
    return np.hstack([matrix, offset[:, None]]).astype(np.float32)
