"""A picture as the page shows it: small, and with every face made unrecognisable."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from edge.geometry import Box
from edge.people.scene import Scene
from edge.vision.preprocess import Image

WIDTH = 640
HEIGHT = 360
"""The picture fits into this; one that is smaller already stays as it is."""
QUALITY = 75
"""Of the JPEG, 0 to 100: some 30 kB a picture."""
FACE_BLOCKS = 6
"""A face is this many blocks wide, whatever its size: too few for a person or a program to know it again."""
MARGIN = 0.25
"""Of a face's size, on each side: hair, ears and neck help to recognise a person, and a tracked face may have moved."""


def encoded(scene: Scene, *, show_faces: bool) -> bytes:
    """The scene's picture as a JPEG. The scene's own is not touched. Raises DamagedPictureError."""
    assert scene.frame is not None
    picture = shrunk(scene.frame.image)
    if not show_faces:
        scale = picture.shape[1] / scene.frame.image.shape[1]
        boxes = [person.box for person in scene.people] + [face.box for face in scene.faces]
        picture = pixelated(picture, [box.scaled(scale, scale) for box in boxes])
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()


def shrunk(image: Image) -> Image:
    """(height, width, 3), at most HEIGHT and WIDTH."""
    height, width = image.shape[:2]
    scale = min(1.0, WIDTH / width, HEIGHT / height)
    if scale == 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def pixelated(picture: Image, faces: Iterable[Box]) -> Image:
    """A copy in which each face, and some room around it, is made of a few blocks."""
    picture = picture.copy()
    height, width = picture.shape[:2]
    for face in faces:
        x, y = MARGIN * face.width, MARGIN * face.height
        box = Box(face.x1 - x, face.y1 - y, face.x2 + x, face.y2 + y).clipped(width, height)
        left, top, right, bottom = int(box.x1), int(box.y1), int(np.ceil(box.x2)), int(np.ceil(box.y2))
        if right <= left or bottom <= top:
            continue
        part = picture[top:bottom, left:right]
        blocks = (min(FACE_BLOCKS, right - left), min(FACE_BLOCKS, bottom - top))
        small = cv2.resize(part, blocks, interpolation=cv2.INTER_AREA)
        part[:] = cv2.resize(small, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)
    return picture
