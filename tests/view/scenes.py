"""Pictures of the demo's clip and of drawn rooms, and what light, noise and hands make of them."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from edge.demo_clip import CLIP
from edge.vision.preprocess import Image


def _frames() -> list[Image]:
    capture, frames = cv2.VideoCapture(str(CLIP)), []
    while (read := capture.read())[0]:
        frames.append(np.ascontiguousarray(read[1][:, :, ::-1]).astype(np.uint8))
    return frames[::12]


FRAMES = _frames()
"""Of the demo's clip: a room in which people come and go; 640x480, one a second."""


@cache
def room() -> Image:
    """An empty corridor with three doors: clear walls, and little else."""
    picture = np.full((480, 640, 3), (170, 165, 150), np.uint8)
    cv2.fillPoly(picture, [np.array([(0, 480), (200, 300), (440, 300), (640, 480)])], (110, 100, 90))
    for left, top, right, bottom in ((270, 170, 370, 300), (40, 90, 130, 430), (520, 110, 590, 420)):
        cv2.rectangle(picture, (left, top), (right, bottom), (90, 60, 40), -1)
        cv2.rectangle(picture, (left, top), (right, bottom), (220, 220, 210), 3)
    cv2.line(picture, (0, 40), (640, 40), (120, 120, 110), 4)
    return picture


@cache
def another_room() -> Image:
    picture = np.full((480, 640, 3), (120, 135, 150), np.uint8)
    for number in range(7):
        cv2.rectangle(picture, (20 + 90 * number, 60 + 31 * number % 97), (80 + 90 * number, 250), (60, 30, 110), -1)
        cv2.circle(picture, (55 + 88 * number, 380), 24 + 3 * number, (200, 190, 90), 6)
    return picture


def noisy(picture: Image, sigma: float, seed: int = 1) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def brightened(picture: Image, factor: float) -> Image:
    brighter: Image = np.clip(picture * float(factor), 0, 255).astype(np.uint8)
    return brighter


def blurred(picture: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def infrared(picture: Image) -> Image:
    """Without colour, and with light from the camera alone: cloth that is dark by day is bright."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    grey = (40 + 0.8 * (255 - picture[:, :, 0])) * (1.1 - 0.3 * np.hypot(x, y))
    return np.repeat(np.clip(grey, 0, 255)[:, :, None], 3, axis=2).astype(np.uint8)


def covered(picture: Image) -> Image:
    """By a cloth, through which some light comes."""
    height, width = picture.shape[:2]
    light = cv2.resize(brightened(picture, 0.5), (3, 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(light, (width, height)), np.uint8)


def small(picture: Image) -> Image:
    """Half as large, which is quicker to look at."""
    return np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def shifted(picture: Image, share: float) -> Image:
    """By a share of its width, as if the camera had been turned."""
    height, width = picture.shape[:2]
    move = np.array([[1, 0, share * width], [0, 1, 0]], np.float32)
    return np.asarray(cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)
