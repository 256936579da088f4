"""A busy entrance, so that every second brings events: pictures of people who come and go, as a clip and as JPEGs."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import Image
from tools.demo_clip.portrait import FACE, FloatImage, Mask, Sprite, load_portrait, make_sprite

WIDTH, HEIGHT, FPS = 320, 240, 8.0
_SCALE = 0.5
"""Of the portrait, whose face is 91 pixels wide."""
_FACE_Y = 100
_PLACES = ((80, 0), (240, 23))
"""Where two people stand, and by how many pictures each one's schedule is put off."""
_SCHEDULE = (
    ("worn",) * 8 + (None,) * 6 + ("bare",) * 8 + (None,) * 6 + ("under the nose",) * 9 + ("worn",) * 9 + (None,) * 6
)
"""Who stands at a place in each picture of the loop: two short visits, and one with a mask that is pulled up."""


def pictures() -> list[Image]:
    """The pictures of one loop, (240, 320, 3) RGB."""
    room = np.linspace(0.8, 0.55, HEIGHT, dtype=np.float32)[:, None, None] * np.ones((HEIGHT, WIDTH, 3), np.float32)
    portrait = load_portrait()
    sprites = {
        "worn": make_sprite(portrait, mask=Mask((150, 195, 222))),
        "bare": make_sprite(portrait, mask=None, suit_hue=100),
        "under the nose": make_sprite(portrait, mask=Mask((150, 195, 222)), lift=0.0),
    }
    cut_out = functools.cache(lambda look, x: _placed(sprites[look], x))
    loop = []
    for number in range(len(_SCHEDULE)):
        picture = room.copy()
        for x, offset in _PLACES:
            look = _SCHEDULE[(number + offset) % len(_SCHEDULE)]
            if look is not None:
                person = cut_out(look, x)
                picture = picture * (1 - person[:, :, 3:]) + person[:, :, :3]
        loop.append(np.asarray(picture * 255 + 0.5, dtype=np.uint8))
    return loop


def as_jpegs(loop: list[Image]) -> list[bytes]:
    return [cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes() for picture in loop]


def write_clip(path: Path, loop: list[Image]) -> None:
    """As Motion JPEG, which OpenCV writes and reads without any other library."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (WIDTH, HEIGHT))
    for picture in loop:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()


def _placed(sprite: Sprite, x: float) -> FloatImage:
    """The cut-out on an empty picture, its face in the middle of the place: (240, 320, 4), red, green, blue, alpha."""
    shift = np.array([x, _FACE_Y]) - _SCALE * np.array(FACE.center)
    matrix: NDArray[np.float64] = np.column_stack([_SCALE * np.eye(2), shift])
    return np.asarray(cv2.warpAffine(sprite.pixels, matrix, (WIDTH, HEIGHT)), dtype=np.float32)
