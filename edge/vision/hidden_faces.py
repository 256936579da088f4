"""Pictures for people to look at: small, and with every face made unrecognisable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from edge.geometry import Box
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
GROUND_BLOCKS = 24
"""Blocks across a picture of silhouettes: a face that the detector missed has a few of them, too."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""
SILHOUETTE: Colour = (96, 104, 112)


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
        box = face.grown(MARGIN).clipped(width, height)
        left, top, right, bottom = int(box.x1), int(box.y1), int(np.ceil(box.x2)), int(np.ceil(box.y2))
        if right <= left or bottom <= top:
            continue
        part = picture[top:bottom, left:right]
        part[:] = _coarse(part, (min(FACE_BLOCKS, right - left), min(FACE_BLOCKS, bottom - top)))
    return picture


def silhouettes(picture: Image, faces: Iterable[tuple[Box, Colour]]) -> Image:
    """A coarse copy, on which each face and its shoulders are a flat shape. It shows where people are, not who, even
    where the detector missed a face."""
    height, width = picture.shape[:2]
    ground = _coarse(picture, (min(GROUND_BLOCKS, width), min(max(1, GROUND_BLOCKS * height // width), height)))
    for face, colour in faces:
        (x, y), w, h = face.center, face.width, face.height
        head = (round(w * (0.5 + MARGIN)), round(h * (0.5 + MARGIN)))
        shoulders = (round(1.4 * w), round(1.1 * h))
        below = (round(x), round(y + 1.9 * h))
        cv2.ellipse(ground, below, shoulders, 0, 180, 360, colour, cv2.FILLED)
        cv2.ellipse(ground, (round(x), round(y)), head, 0, 0, 360, colour, cv2.FILLED)
    return ground


def framed(picture: Image, face: Box, colour: Colour) -> Image:
    """A copy with a frame around one face."""
    picture = picture.copy()
    box = face.grown(MARGIN)
    corners = (round(box.x1), round(box.y1)), (round(box.x2), round(box.y2))
    cv2.rectangle(picture, *corners, colour, thickness=2)
    return picture


def as_jpeg(picture: Image) -> bytes:
    """`picture`: RGB."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()


def _coarse(picture: Image, blocks: Sequence[int]) -> Image:
    """`blocks`: how many across and down."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, tuple(blocks), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
