"""Changes of light and of picture quality, shared by the detector's and the classifier's training."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import Image


def relit(image: Image, rng: np.random.Generator) -> Image:
    """Another brightness, contrast, colour temperature and gamma."""
    gamma, contrast, brightness = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(0, 0.15)), rng.normal(0, 0.06)
    levels = np.linspace(0, 1, 256) ** gamma
    curve = (((levels - 0.5) * contrast + 0.5 + brightness) * 255).astype(np.float32)
    saturation = 0.0 if rng.random() < 0.06 else rng.uniform(0.6, 1.35)
    colours = rng.normal(1, 0.05, 3)[:, None] * (saturation * np.eye(3) + (1 - saturation) / 3)
    picture = cv2.transform(cv2.LUT(image, curve), colours.astype(np.float32))
    return np.asarray(np.clip(picture + 0.5, 0, 255), dtype=np.uint8)


def degraded(image: Image, rng: np.random.Generator) -> Image:
    """At times out of focus, smeared by motion, noisy, or squeezed by JPEG, as cheap cameras deliver it."""
    chance = rng.random()
    if chance < 0.08:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.6))), dtype=np.uint8)
    if chance < 0.14:
        return _smeared(image, int(rng.integers(3, 7)), float(rng.uniform(0, 180)))
    if chance < 0.22:
        noise = rng.normal(0, float(rng.uniform(3, 14)), image.shape)
        return np.asarray(np.clip(image + noise, 0, 255), dtype=np.uint8)
    if chance < 0.34:
        return jpeg(image, int(rng.integers(25, 70)))
    return image


def jpeg(image: Image, quality: int) -> Image:
    """The picture after JPEG compression at this quality, 1 to 100."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def _smeared(image: Image, length: int, angle: float) -> Image:
    kernel: NDArray[np.float32] = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), angle, 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), dtype=np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel / max(float(kernel.sum()), 1e-6)), dtype=np.uint8)
