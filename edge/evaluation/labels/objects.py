"""From what a label file says of a photo to its faces: all of them, or none where one cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.evaluation.labels.frame import Frame
from edge.evaluation.labels.names import NO_FACE, LabelNames
from edge.evaluation.labels.photo_set import PhotoSet, UnusableError
from edge.geometry import Box

_LEAST_INSIDE = 0.5
"""Share of a box that must lie on the photo: people draw over the edge, but not with most of a face."""


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One entry of a label file: `place` for messages, the box in pixels of the labelled picture or in fractions of it.

    `is_crowd`: a region of faces without a box each, neither a face nor background.
    """

    place: str
    name: str
    box: Box
    in_fractions: bool = False
    is_crowd: bool = False


def photo_with_faces(
    photo_set: PhotoSet, frame: Frame, objects: Sequence[FoundObject], names: LabelNames, unlabelled: Sequence[Box]
) -> LabelledPhoto:
    """The photo with the faces of these objects. Raises UnusableError where one of them cannot be used: a photo with a
    face that is neither labelled nor known would teach and measure that face as background."""
    unusable: list[str] = []
    faces: list[tuple[Box, str]] = []
    ignored = [box.clipped(frame.width, frame.height) for box in unlabelled]
    for found in objects:
        if names.meaning(found.name) == NO_FACE:
            continue
        try:
            box = _usable(found, frame, names)
        except UnusableError as error:
            unusable.append(str(error))
            continue
        if found.is_crowd:
            ignored.append(box)
        else:
            faces.append((box, found.name))
    if unusable:
        others = f" (and {len(unusable) - 1} more of its objects cannot be used)" if len(unusable) > 1 else ""
        raise UnusableError(unusable[0] + others)
    labelled = tuple(LabelledFace(box, names.take(name) or name) for box, name in faces)
    ignored = [box for box in ignored if box.area > 0]
    return LabelledPhoto(frame.path, labelled, tuple(ignored), photo_set.name, photo_set.split_of(frame.path))


def are_fractions(boxes: Sequence[Box]) -> bool:
    """Whether boxes are surely in fractions of the picture: faces are never drawn within its first pixel."""
    values = [value for box in boxes for value in (box.x1, box.y1, box.x2, box.y2)]
    return all(0 <= value <= 1 for value in values) and any(0 < value < 1 for value in values)


def _usable(found: FoundObject, frame: Frame, names: LabelNames) -> Box:
    """An object's box, clipped to the photo. Raises UnusableError."""
    if not found.name:
        raise UnusableError(f"{found.place}: has no name")
    if names.meaning(found.name) is None:
        raise UnusableError(
            f"{found.place}: {found.name!r} is not one of the labels {names.choices()}; give its meaning: --map "
            f"'{found.name}=LABEL'"
        )
    if not found.in_fractions and max(found.box.x2, found.box.y2) <= 1 and min(found.box.x1, found.box.y1) >= 0:
        raise UnusableError(f"{found.place}: its box could be the whole photo or its first pixel")
    box = frame.from_fractions(found.box) if found.in_fractions else frame.place(found.box)
    shown = f"({box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g})"
    if box.x2 < box.x1 or box.y2 < box.y1:
        raise UnusableError(f"{found.place}: its corners {shown} are swapped")
    clipped = box.clipped(frame.width, frame.height)
    if min(clipped.width, clipped.height) < 1:
        raise UnusableError(f"{found.place}: its box {shown} is empty on a photo of {frame.width}x{frame.height}")
    if clipped.area < _LEAST_INSIDE * box.area:
        raise UnusableError(
            f"{found.place}: its box {shown} is mostly outside the photo, which is {frame.width}x{frame.height}"
        )
    return clipped
