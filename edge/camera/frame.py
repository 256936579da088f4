"""A picture that a camera took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from edge.errors import MaskdError
from edge.vision.preprocess import Image


class DamagedPictureError(MaskdError):
    """What the camera sent cannot be decoded."""


@dataclass(frozen=True)
class Frame:
    """One picture, and when it was taken.

    `picture` is the picture itself, or makes it when it is first asked for, so that a frame that is never looked at
    is neither decoded from JPEG nor converted. `captured_at` is in seconds of time.monotonic(), so that a step of the
    wall clock bends no track; `number` counts from 0 for each camera. `lores` is the same picture smaller, for the
    detector, where the camera's hardware makes one.
    """

    picture: Image | Callable[[], Image]
    captured_at: float
    number: int
    lores: Image | None = None

    @cached_property
    def image(self) -> Image:
        """(height, width, 3) RGB, uint8. Raises DamagedPictureError; the camera's next read then fails too."""
        return self.picture() if callable(self.picture) else self.picture
