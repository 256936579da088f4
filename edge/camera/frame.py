"""A picture that a camera took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edge.errors import MaskdError
from edge.vision.pixels import Pixels, RgbPixels
from edge.vision.preprocess import Image


class DamagedPictureError(MaskdError):
    """What the camera sent cannot be decoded."""


@dataclass(frozen=True)
class Frame:
    """One picture, and when it was taken.

    `picture` is its pixels, an RGB array, or makes such an array when it is first asked for, so that a frame that is
    never looked at is neither decoded from JPEG nor converted. `captured_at` is in seconds of time.monotonic(), so that
    a step of the wall clock bends no track; `number` counts from 0 for each camera.
    """

    picture: Image | Callable[[], Image] | Pixels
    captured_at: float
    number: int

    @cached_property
    def pixels(self) -> Pixels:
        """Using them first raises DamagedPictureError where they cannot be decoded; the camera's next read then fails
        too."""
        if isinstance(self.picture, np.ndarray) or callable(self.picture):
            return RgbPixels(self.picture)
        return self.picture

    @property
    def image(self) -> Image:
        """(height, width, 3) RGB, uint8. Raises DamagedPictureError."""
        return self.pixels.rgb
