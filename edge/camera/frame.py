"""A picture that a camera took."""

from __future__ import annotations

from dataclasses import dataclass

from edge.vision.preprocess import Image


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: (height, width, 3) RGB, uint8.

    `captured_at` is in seconds of time.monotonic(), so that a step of the wall clock bends no track; `number` counts
    from 0 for each camera, and `camera` is the camera's key in config.yaml. `lores` is the same picture smaller, for
    the detector, where the camera's hardware makes one.
    """

    image: Image
    captured_at: float
    number: int
    camera: str
    lores: Image | None = None
