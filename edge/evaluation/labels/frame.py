"""From the picture that was labelled to the photo as maskd reads it: turned upright, perhaps scaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.camera.photos import read_photo
from edge.errors import MaskdError
from edge.evaluation.labels.exif import orientation
from edge.evaluation.labels.photo_set import UnusableError
from edge.geometry import Box

_TURNED: dict[int, Callable[[float, float, float, float], tuple[float, float]]] = {
    5: lambda x, y, w, h: (y, x),  # noqa: ARG005
    6: lambda x, y, w, h: (h - y, x),  # noqa: ARG005
    7: lambda x, y, w, h: (h - y, w - x),
    8: lambda x, y, w, h: (y, w - x),  # noqa: ARG005
}
"""A point of the pixels as stored, w by h, on the upright picture, for those EXIF orientations that swap its sides."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A photo's upright size in pixels, and how boxes come onto it from the `labelled` size."""

    path: Path
    width: int
    height: int
    labelled: tuple[float, float] | None = None
    turn: int = 1
    """The EXIF orientation that the labels do not follow; 1: none."""

    def place(self, box: Box) -> Box:
        """A box in pixels of the labelled picture, in pixels of the photo, not clipped."""
        if self.labelled is None:
            return box
        width, height = self.labelled
        if self.turn != 1:
            corners = [_TURNED[self.turn](x, y, width, height) for x, y in ((box.x1, box.y1), (box.x2, box.y2))]
            box = bounding_box(corners)
            width, height = height, width
        return box.scaled(self.width / width, self.height / height)

    def from_fractions(self, box: Box) -> Box:
        """A box in fractions of the labelled picture's sides, in pixels of the photo."""
        return self.place(box.scaled(*(self.labelled or (self.width, self.height))))


def frame_of(path: Path, stated: tuple[float, float] | None) -> Frame:
    """The frame of a photo whose label file states this width and height; None: it states none.

    Raises UnusableError where the photo cannot be read, or the stated size is that of another picture: neither the
    photo's, nor the photo's before it was turned by its EXIF note, nor either one scaled.
    """
    try:
        height, width = read_photo(path).shape[:2]
    except MaskdError as error:
        raise UnusableError(str(error)) from None
    if stated is None or stated == (width, height):
        return Frame(path, width, height)
    if _same_shape(stated, (width, height)):
        return Frame(path, width, height, stated)
    turn = orientation(path.read_bytes())
    if turn in _TURNED and _same_shape(stated, (height, width)):
        return Frame(path, width, height, stated, turn)
    shown = "x".join(f"{side:g}" for side in stated)
    raise UnusableError(f"{path}: is {width}x{height}, but its labels are for a picture of {shown}; label it again")


def bounding_box(points: Sequence[tuple[float, float]]) -> Box:
    """The smallest box around some points."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Box(min(xs), min(ys), max(xs), max(ys))


def _same_shape(stated: tuple[float, float], size: tuple[int, int]) -> bool:
    """Whether one is the other scaled, its sides rounded to whole pixels."""
    (w1, h1), (w2, h2) = stated, size
    larger, smaller = ((w1, h1), (w2, h2)) if w1 * h1 >= w2 * h2 else ((w2, h2), (w1, h1))
    scale = max(smaller) / max(larger)
    return all(abs(a * scale - b) <= 1 for a, b in zip(larger, smaller, strict=True))
