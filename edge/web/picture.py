"""A picture as the page's live view shows it."""

from __future__ import annotations

from edge.people.hiding import boxes_to_hide
from edge.people.scene import Scene
from edge.vision.hidden_faces import as_jpeg, pixelated, shrunk


def encoded(scene: Scene, *, show_faces: bool) -> bytes:
    """The scene's picture as a JPEG. The scene's own is not touched. Raises DamagedPictureError."""
    assert scene.frame is not None
    picture = shrunk(scene.frame.image)
    if not show_faces:
        scale = picture.shape[1] / scene.frame.pixels.size[0]
        picture = pixelated(picture, [box.scaled(scale, scale) for box in boxes_to_hide(scene)])
    return as_jpeg(picture)
