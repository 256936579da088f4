"""From a picture to a model's input. Training, calibration, verification and the daemon all call these functions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.geometry import Box

Image = NDArray[np.uint8]
"""A picture of shape (height, width, 3), RGB, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture was laid into a model's input: scaled by `scale`, at the top left corner, the rest grey."""

    image: Image
    scale: float
    source_size: tuple[int, int]
    """Width and height of the source picture."""


PADDING_GREY = 114
"""The value around a picture that does not fill the input: near the mean of natural photos, so no strong edge."""


def resize(image: Image, width: int, height: int) -> Image:
    """Resized to (height, width, 3); averages pixels when shrinking, since skipping them loses small faces."""
    shrinking = width < image.shape[1] or height < image.shape[0]
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), dtype=np.uint8)


def fitted(source_width: int, source_height: int, width: int, height: int) -> tuple[int, int]:
    """Width and height of a picture of the first two, scaled to fit into the others, its proportions kept."""
    scale = min(width / source_width, height / source_height)
    return min(width, max(1, round(source_width * scale))), min(height, max(1, round(source_height * scale)))


def letterbox(image: Image, width: int, height: int) -> Letterbox:
    """The whole picture in an input of (height, width, 3), its proportions kept."""
    source_height, source_width = image.shape[:2]
    inner_width, inner_height = fitted(source_width, source_height, width, height)
    scale = min(width / source_width, height / source_height)
    if (source_width, source_height) != (inner_width, inner_height):
        image = resize(_halved_towards(image, inner_width, inner_height), inner_width, inner_height)
    canvas = np.empty((height, width, 3), dtype=np.uint8)
    canvas[:inner_height, :inner_width] = image
    canvas[inner_height:] = PADDING_GREY
    canvas[:inner_height, inner_width:] = PADDING_GREY
    return Letterbox(canvas, scale, (source_width, source_height))


def _halved_towards(image: Image, width: int, height: int) -> Image:
    """Halved as long as it stays that large: averaging exact halves is many times faster than odd fractions."""
    return halved_to(image, *halved_size(image.shape[1], image.shape[0], width, height))


def halved_size(width: int, height: int, least_width: int, least_height: int) -> tuple[int, int]:
    """Width and height after as many exact halvings as leave them no smaller than the least."""

    def may_halve(length: int, least: int) -> bool:
        return length % 2 == 0 and length >= 2 * least

    while may_halve(width, least_width) and may_halve(height, least_height):
        width, height = width // 2, height // 2
    return width, height


def halved_to(image: Image, width: int, height: int) -> Image:
    """By as many halvings of each side as that takes."""
    while image.shape[:2] != (height, width):
        image = resize(image, max(width, image.shape[1] // 2), max(height, image.shape[0] // 2))
    return image


def crop_square(box: Box, margin: float) -> Box:
    """The square around a face that the classifier sees: its longer side plus `margin` of it on every side."""
    half = max(box.width, box.height) * (1 + 2 * margin) / 2
    x, y = box.center
    return Box(x - half, y - half, x + half, y + half)


def _rounded(pixels: float) -> int:
    """To the nearest whole number. What is a half but for the last digits of the arithmetic is taken for one, or the
    same face would be cut out otherwise on a part of the picture."""
    return round(round(pixels, 6))


def crop_face(image: Image, box: Box, *, margin: float, size: int) -> Image:
    """The classifier's input for one face, shape (size, size, 3), RGB uint8.

    The square may reach past the picture; the border is then replicated, so that a face at the edge keeps its
    proportions. Raises ValueError for a box without area or off the picture.
    """
    height, width = image.shape[:2]
    require_area(box, width, height)
    square = crop_square(box, margin)
    x1, y1 = _rounded(square.x1), _rounded(square.y1)
    side = max(1, _rounded(square.width))
    x2, y2 = x1 + side, y1 + side
    inner = image[max(0, y1) : min(height, y2), max(0, x1) : min(width, x2)]
    if inner.shape[:2] != (side, side):
        inner = cv2.copyMakeBorder(  # type: ignore[assignment]
            inner, max(0, -y1), max(0, y2 - height), max(0, -x1), max(0, x2 - width), cv2.BORDER_REPLICATE
        )
    return resize(inner, size, size)


def require_area(box: Box, width: int, height: int) -> None:
    """Raises ValueError for a box without area on a picture of this size."""
    if not box.clipped(width, height).area > 0:
        raise ValueError(f"the box {box} has no area on a picture of {width}x{height} pixels")
