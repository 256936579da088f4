"""A photo as a camera would show it for some seconds: people who stand still before a picture that is never quite the
same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edge.camera.frame import Frame
from edge.geometry import Box
from edge.vision.preprocess import Image, resize

LONGER_SIDE = 640
"""Pixels of the camera's picture; a photo is never enlarged."""
FRAMES = 15
FPS = 5.0
_DRIFT = 0.02
"""How far the picture moves to each side over the clip, as a share of its size: two faces of 20 px apart stay apart."""
_ZOOM = 0.03
_NOISE = 3.0
"""Standard deviation of the camera's noise, in steps of 255."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame, and where things of the photo are on it: `scale` times their pixels, then moved by `shift`."""

    frame: Frame
    scale: float
    shift: tuple[float, float]

    def place(self, box: Box) -> Box:
        """In pixels of the frame, for a box in pixels of the photo."""
        return box.scaled(self.scale, self.scale).moved(*self.shift)


def scale_of(image: Image) -> float:
    """Pixels of the camera's picture for one of the photo."""
    return min(1.0, LONGER_SIDE / max(int(side) for side in image.shape[:2]))


def photo_clip(image: Image, seed: int) -> Iterator[Shown]:
    """FRAMES frames at FPS; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    scale = scale_of(image)
    width, height = (max(32, round(side * scale)) for side in (image.shape[1], image.shape[0]))
    small = resize(image, width, height)
    direction = rng.uniform(0, 2 * np.pi)
    phase = rng.uniform(0, 2 * np.pi)
    for number in range(FRAMES):
        way = 2 * number / (FRAMES - 1) - 1
        zoom = 1 + _ZOOM * float(np.sin(phase + way))
        # Around the middle, so that a zoom moves nothing out of the picture that a drift does not.
        dx = width / 2 * (1 - zoom) + width * _DRIFT * way * float(np.cos(direction))
        dy = height / 2 * (1 - zoom) + height * _DRIFT * way * float(np.sin(direction))
        moved = cv2.warpAffine(
            small, np.array([[zoom, 0, dx], [0, zoom, dy]]), (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        noisy = moved + rng.normal(0, _NOISE, moved.shape) + rng.normal(0, 1)
        picture = np.clip(noisy, 0, 255).astype(np.uint8)
        yield Shown(Frame(picture, number / FPS, number), scale * zoom, (dx, dy))
