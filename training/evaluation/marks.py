"""What is seen on labelled faces but in no label, told by looking at each: `marks.json`.

Every face of 32 px and more on the test and validation photos of the default seed was looked at. A face without a mark
may be smaller or a training photo's, so it counts as not told rather than as one without the trait.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from edge.evaluation.labelled import LabelledPhoto
from edge.geometry import Box

FILE = Path(__file__).with_name("marks.json")
SAME_BOX_IOU = 0.5
"""Overlap from which a mark's box, in whole pixels, is the label's."""

BEFORE_MOUTH, BEARD, DARK_MASK = "something before the mouth", "beard", "dark mask"


def marks_of(photo: LabelledPhoto) -> list[frozenset[str]]:
    """The marks of each of the photo's faces, in their order."""
    marked = _marks().get(photo.set_name, {}).get(photo.path.name, [])
    return [
        frozenset(mark for box, marks in marked if box.iou(face.box) >= SAME_BOX_IOU for mark in marks)
        for face in photo.faces
    ]


@cache
def _marks() -> dict[str, dict[str, list[tuple[Box, list[str]]]]]:
    """By set and photo: boxes, in pixels of the photo, with their marks."""
    sets = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        name: {
            photo: [(Box(*map(float, face["box"])), face["marks"]) for face in faces] for photo, faces in photos.items()
        }
        for name, photos in sets.items()
    }
