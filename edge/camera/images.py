"""Arrays from OpenCV -> our Image: (height, width, 3) RGB, uint8, contiguous."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import Image

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def as_rgb(picture: NDArray[Any]) -> Image:
    """RGB from OpenCV's grey, BGR or BGRA, of 8 or 16 bits."""
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    conversion = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}[channels]
    return np.ascontiguousarray(cv2.cvtColor(picture, conversion), dtype=np.uint8)


def rgb_from_yuv420(planes: NDArray[np.uint8], width: int, height: int) -> Image:
    """RGB, (height, width, 3), from the three planes of YUV420 below each other: BT.601, limited range.

    `planes` has the shape (height * 3 / 2, stride); what a row holds past `width` is padding.
    """
    return np.ascontiguousarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)[:height, :width], dtype=np.uint8)


def rotated(image: Image, degrees: int) -> Image:
    """Turned clockwise by 0, 90, 180 or 270 degrees."""
    if degrees == 0:
        return image
    return np.ascontiguousarray(cv2.rotate(image, _TURNS[degrees]), dtype=np.uint8)
