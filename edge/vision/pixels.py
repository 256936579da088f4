"""The pixels of one picture, converted to RGB only as far as someone asks for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import Image

Grey = NDArray[np.uint8]
"""(height, width), 0 to 255."""


class Pixels(Protocol):
    """One picture. Coordinates are those of `rgb`; any thread may ask. The first use of pixels that have to be decoded
    raises DamagedPictureError if they cannot be."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        ...

    @property
    def rgb(self) -> Image:
        """All of it: (height, width, 3) RGB, uint8. Not to be written to."""
        ...

    def shrunk(self, width: int, height: int) -> Image:
        """All of it in RGB, at about this size: larger if that costs less than shrinking it."""
        ...

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Callable[[], Image]:
        """Keeps a copy of what makes rgb[y1:y2, x1:x2]."""
        ...

    def brightness(self, step: int) -> Grey:
        """Of rgb[::step, ::step], or nearly. Not to be written to."""
        ...

    def sampled(self, step: int) -> Image:
        """rgb[::step, ::step]. Not to be written to."""
        ...


class RgbPixels:
    """Pixels that are RGB already, or become so all at once."""

    def __init__(self, image: Image | Callable[[], Image], *, lores: Image | None = None) -> None:
        """`image`: shape (height, width, 3); or makes it when it is first asked for. `lores`: the same picture smaller,
        if there is one."""
        self._image = image
        self._lores = lores

    @cached_property
    def rgb(self) -> Image:
        return self._image() if callable(self._image) else self._image

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.rgb.shape[:2]
        return width, height

    def shrunk(self, width: int, height: int) -> Image:  # noqa: ARG002 - whoever looks at it shrinks it
        return self.rgb if self._lores is None else self._lores

    def part(self, x1: int, y1: int, x2: int, y2: int) -> Callable[[], Image]:
        copy = self.rgb[y1:y2, x1:x2].copy()
        return lambda: copy

    def brightness(self, step: int) -> Grey:
        return self.rgb[::step, ::step, 1]  # green is most of it

    def sampled(self, step: int) -> Image:
        return self.rgb[::step, ::step]


def pixels_of(picture: Image | Pixels) -> Pixels:
    """Those of an array of shape (height, width, 3), RGB, or `picture` itself."""
    return RgbPixels(picture) if isinstance(picture, np.ndarray) else picture
