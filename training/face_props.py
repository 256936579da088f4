"""Things in front of faces that are not masks: hands, cups, microphones, scarves."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import Image
from training.mask_shapes import CHIN_Y, MOUTH_Y, FaceCamera, on_face

Array = NDArray[np.float32]
_SHIFT = 4
"""OpenCV's fixed point: coordinates in sixteenths of a pixel."""


def random_prop(image: Image, camera: FaceCamera, rng: np.random.Generator) -> Image:
    """The picture with one of these things at the face that the camera describes."""
    make: Callable[[Array, FaceCamera, np.random.Generator], Array] = (_hand, _cup, _microphone, _scarf)[
        rng.choice(4, p=(0.4, 0.2, 0.2, 0.2))
    ]
    return np.asarray(np.clip(make(image.astype(np.float32), camera, rng) + 0.5, 0, 255), np.uint8)


def _hand(picture: Array, camera: FaceCamera, rng: np.random.Generator) -> Array:
    """Fingers in the skin's own colour, from below or from a side, over the mouth or the chin."""
    skin = _skin(picture, camera) * float(rng.uniform(0.88, 1.08))
    side = float(rng.choice([-1.0, 1.0]))
    tip = np.array([rng.uniform(-0.3, 0.3), rng.uniform(MOUTH_Y - 0.25, MOUTH_Y + 0.3)])
    root = np.array([side * rng.uniform(0.2, 1.0), CHIN_Y + rng.uniform(0.4, 0.8)])
    along = (tip - root) / np.linalg.norm(tip - root)
    beside = np.array([-along[1], along[0]])
    width = float(rng.uniform(0.17, 0.22))
    for finger in range(4):
        start = root + beside * (finger - 1.5) * width * 1.05
        reach = start + (tip - root) * (1 - 0.12 * abs(finger - 1.3)) + along * rng.normal(0, 0.03)
        tone = skin * float(rng.uniform(0.92, 1.05))
        picture = _stroke(picture, camera, start, reach, width * 1.12, tone * 0.8)
        picture = _stroke(picture, camera, start, reach, width * 0.92, tone)
    palm = root - along * 0.35
    return _stroke(picture, camera, palm - along * 0.4, root, width * 4.3, skin * 0.95)


def _cup(picture: Array, camera: FaceCamera, rng: np.random.Generator) -> Array:
    colour = np.asarray(rng.uniform(20, 245, 3), np.float32)
    if rng.random() < 0.5:
        colour = np.full(3, float(rng.uniform(150, 245)), np.float32)
    top = MOUTH_Y + float(rng.uniform(-0.12, 0.1))
    middle, half = float(rng.normal(0, 0.12)), float(rng.uniform(0.28, 0.42))
    for step in np.linspace(-1, 1, 15):
        # Narrower below, and darker towards its sides.
        shade = 0.7 + 0.35 * np.cos(1.2 * (step + 0.3))
        start = np.array([middle + step * half, top])
        end = np.array([middle + step * half * 0.75, top + 1.1])
        picture = _stroke(picture, camera, start, end, half / 5, colour * shade)
    return _stroke(picture, camera, np.array([middle - half, top]), np.array([middle + half, top]), 0.08, colour * 0.85)


def _microphone(picture: Array, camera: FaceCamera, rng: np.random.Generator) -> Array:
    dark = np.full(3, float(rng.uniform(15, 90)), np.float32)
    side = float(rng.choice([-1.0, 1.0]))
    head = np.array([side * rng.uniform(0.0, 0.35), MOUTH_Y + rng.uniform(0.05, 0.4)])
    foot = head + np.array([side * rng.uniform(0.1, 0.9), 1.3])
    size = float(rng.uniform(0.3, 0.5))
    picture = _stroke(picture, camera, head, foot, size * 0.55, dark * 0.7)
    picture = _stroke(picture, camera, head, head + 0.05, size, dark)
    return _stroke(picture, camera, head - 0.06 * size, head - 0.05 * size, size * 0.5, dark * 1.35)


def _scarf(picture: Array, camera: FaceCamera, rng: np.random.Generator) -> Array:
    """Folds around the neck, wider than a mask could be."""
    grey = float(rng.uniform(20, 220))
    colour = np.asarray(np.clip(grey * rng.normal(1, 0.2, 3), 10, 240), np.float32)
    top = CHIN_Y + float(rng.uniform(0.02, 0.2))
    for fold in range(int(rng.integers(4, 7))):
        y = top + 0.14 + fold * 0.2
        tone = colour * float(rng.uniform(0.75, 1.1))
        sag = float(rng.uniform(0.05, 0.25))
        x = np.linspace(-1.25, 1.25, 12)
        line = np.stack([x, y - 0.25 + sag * (1 - (x / 1.25) ** 2) + 0.15 * (1 - np.abs(x) / 1.25)], axis=1)
        picture = _polyline(picture, camera, line, 0.3, tone * 0.75)
        picture = _polyline(picture, camera, line, 0.24, tone)
    return picture


def _skin(picture: Array, camera: FaceCamera) -> Array:
    angles = np.radians(np.array([-30, 30, 0, -25, 25], np.float32))
    places = camera.project(on_face(angles, np.array([0.45, 0.45, -0.35, 0.7, 0.7], np.float32)))
    height, width = picture.shape[:2]
    x = np.clip(places[:, 0].round().astype(int), 0, width - 1)
    y = np.clip(places[:, 1].round().astype(int), 0, height - 1)
    return np.asarray(np.median(picture[y, x], axis=0), np.float32)


def _stroke(
    picture: Array,
    camera: FaceCamera,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    width: float,
    colour: Array,
) -> Array:
    return _polyline(picture, camera, np.stack([start, end]), width, colour)


def _polyline(
    picture: Array, camera: FaceCamera, line: NDArray[np.float64], width: float, colour: NDArray[np.floating]
) -> Array:
    """A thick line with round ends before the face, in the face's coordinates; `width` in distances of the eyes."""
    before = np.concatenate([line, np.full((len(line), 1), 0.35)], axis=1).astype(np.float32)
    places = np.round(camera.project(before) * 2**_SHIFT).astype(np.int32)
    cover = np.zeros(picture.shape[:2], np.uint8)
    thick = max(1, round(width * camera.eye_distance))
    cv2.polylines(cover, [places.reshape(-1, 1, 2)], False, 255, thick, cv2.LINE_AA, _SHIFT)
    soft = cv2.GaussianBlur(cover, (0, 0), max(0.5, 0.02 * camera.eye_distance)).astype(np.float32)[..., None] / 255
    return np.asarray(picture + (colour.astype(np.float32) - picture) * soft, np.float32)
