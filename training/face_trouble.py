"""What makes faces hard to find, put into training views: things before a face, light behind it, too little light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import Image

Boxes = NDArray[np.float32]

_LEAST_SIDE_PX = 12
"""A smaller face has too few pixels left once half of it is covered."""


def troubled(image: Image, boxes: Boxes, rng: np.random.Generator) -> Image:
    """The view with at most one of the troubles, most often with none. `boxes` (n, 4) are its faces, in pixels."""
    chance = rng.random()
    if chance < 0.16:
        return covered(image, boxes, rng)
    if chance < 0.28:
        return backlit(image, boxes, rng)
    if chance < 0.36:
        return dimmed(image, rng)
    return image


def covered(image: Image, boxes: Boxes, rng: np.random.Generator) -> Image:
    """Half of the faces with a thing before their mouth or one side: a piece of the same picture, or of one colour."""
    picture: Image = image.copy()
    for x1, y1, x2, y2 in boxes.tolist():
        width, height = x2 - x1, y2 - y1
        if min(width, height) < _LEAST_SIDE_PX or rng.random() < 0.5:
            continue
        low = rng.random() < 0.7
        x = (x1 + x2) / 2 + (rng.uniform(-0.3, 0.3) if low else rng.choice([-0.5, 0.5])) * width
        y = y1 + (rng.uniform(0.7, 1.0) if low else rng.uniform(0.3, 0.8)) * height
        axes = (rng.uniform(0.2, 0.55) * width, rng.uniform(0.15, 0.3 if low else 0.5) * height)
        cover = np.zeros(picture.shape[:2], np.uint8)
        angle = float(rng.uniform(-40, 40))
        if rng.random() < 0.5:
            cv2.ellipse(cover, ((x, y), (2 * axes[0], 2 * axes[1]), angle), 255, -1, cv2.LINE_AA)
        else:
            corners = cv2.boxPoints(((x, y), (2 * axes[0], 2 * axes[1]), angle))
            cv2.fillConvexPoly(cover, np.round(corners).astype(np.int32), 255, cv2.LINE_AA)
        share = cover[..., None].astype(np.float32) / 255
        picture = np.asarray(picture + (_thing(image, rng) - picture) * share + 0.5, dtype=np.uint8)
    return picture


def backlit(image: Image, boxes: Boxes, rng: np.random.Generator) -> Image:
    """People dark before a bright background: faces and what is below them in shade, the rest brighter."""
    shade = np.zeros(image.shape[:2], np.uint8)
    for x1, y1, x2, y2 in boxes.tolist():
        width, height = x2 - x1, y2 - y1
        center = (round((x1 + x2) / 2), round((y1 + y2) / 2))
        cv2.ellipse(shade, center, (round(0.75 * width) + 1, round(0.8 * height) + 1), 0, 0, 360, 255, -1)
        shoulders = (round(x1 - 0.9 * width), round(y2 + 0.1 * height)), (round(x2 + 0.9 * width), image.shape[0])
        cv2.rectangle(shade, *shoulders, 255, -1)
    blur = max(1.0, 0.02 * image.shape[1])
    share = cv2.GaussianBlur(shade, (0, 0), blur).astype(np.float32)[..., None] / 255
    dark, bright = float(rng.uniform(0.25, 0.6)), float(rng.uniform(1.1, 1.9))
    light = bright + (dark - bright) * share
    return np.clip(image * light + float(rng.uniform(0, 25)), 0, 255).astype(np.uint8)


def dimmed(image: Image, rng: np.random.Generator) -> Image:
    """Taken with too little light: dark, its noise with it."""
    noise = rng.normal(0, float(rng.uniform(2, 8)), image.shape)
    return np.clip(image * float(rng.uniform(0.15, 0.5)) + noise, 0, 255).astype(np.uint8)


def _thing(image: Image, rng: np.random.Generator) -> NDArray[np.float32]:
    """What a cover shows, the size of the picture."""
    if rng.random() < 0.5:
        rows, columns = (int(rng.integers(length)) for length in image.shape[:2])
        return np.roll(image, (rows, columns), (0, 1)).astype(np.float32)
    colour = rng.uniform(20, 235, 3) if rng.random() < 0.5 else np.array([200, 150, 125]) * rng.uniform(0.3, 1.2)
    ramp = np.linspace(rng.uniform(0.7, 1), rng.uniform(1, 1.3), image.shape[1])[None, :, None]
    return np.clip(colour * ramp * np.ones(image.shape), 0, 255).astype(np.float32)
