"""Which parts of a picture show a face, or may."""

from __future__ import annotations

from edge.geometry import Box
from edge.people.scene import Scene

HELD_MARGIN = 0.5
"""Of its size, on each side of a face that this look missed: the person may have moved on since."""


def boxes_to_hide(scene: Scene) -> list[Box]:
    """In pixels of the scene's picture: all that the detector found, faint faces too, and everyone who is followed,
    seen at this moment or not."""
    people = [person.box if person.seen else person.box.grown(HELD_MARGIN) for person in scene.people]
    return people + [face.box for face in scene.faces]
