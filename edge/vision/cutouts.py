"""Faces cut out of a picture, with as much of it as the classifier needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.geometry import Box
from edge.vision.pixels import Pixels
from edge.vision.preprocess import Image, crop_square, require_area


@dataclass(frozen=True, slots=True)
class Cutout:
    """A face, and as much of its picture as the classifier needs."""

    image: Callable[[], Image]
    """Converts it to RGB."""
    box: Box
    """In pixels of `image`."""


def cut_out(pixels: Pixels, box: Box, *, margin: float) -> Cutout:
    """A copy of the face and its surroundings, of which `crop_face` makes the same as of the whole picture. Raises
    ValueError for a box off the picture."""
    width, height = pixels.size
    require_area(box, width, height)
    square = crop_square(box, margin)
    # One pixel more on each side for the rounding of crop_face, and moved by an even number, since it rounds halves to
    # the even neighbour.
    x1, y1 = (max(0, int(edge) - 1) // 2 * 2 for edge in (square.x1, square.y1))
    x2, y2 = min(width, int(square.x2) + 2), min(height, int(square.y2) + 2)
    return Cutout(pixels.part(x1, y1, x2, y2), box.moved(-x1, -y1))
