"""Training crops of a face for the classifier: its box jittered, the crop turned, relit and made coarse."""

from __future__ import annotations

import cv2
import numpy as np

from edge.geometry import Box
from edge.vision.preprocess import Image, crop_face, resize
from training.augment import degraded, relit
from training.dataset import FaceSample


def random_crop(sample: FaceSample, *, margin: float, size: int, rng: np.random.Generator) -> Image:
    """One view of the face, (size, size, 3) RGB uint8, cropped by the daemon's own function around a jittered box: as
    often the detector's, where there is one, as the one that a person drew."""
    crop = crop_face(sample.image, _jittered(sample, rng), margin=margin, size=size)
    if rng.random() < 0.6:
        crop = _warped(crop, rng)
    if rng.random() < 0.5:
        crop = np.ascontiguousarray(crop[:, ::-1])
    crop = relit(crop, rng)
    if rng.random() < 0.4:
        low = int(np.exp(rng.uniform(np.log(12), np.log(size))))
        crop = _coarse(crop, low, size)
    return degraded(crop, rng)


def _jittered(sample: FaceSample, rng: np.random.Generator) -> Box:
    box = sample.box if sample.found is None or rng.random() < 0.5 else sample.found
    side = max(box.width, box.height)
    width, height = box.width * float(np.exp(rng.normal(0, 0.08))), box.height * float(np.exp(rng.normal(0, 0.08)))
    x = box.center[0] + side * float(rng.normal(0, 0.05))
    y = box.center[1] + side * float(rng.normal(0, 0.05))
    jittered = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    image_height, image_width = sample.image.shape[:2]
    return jittered if jittered.clipped(image_width, image_height).area > 0 else box


def _warped(crop: Image, rng: np.random.Generator) -> Image:
    size = crop.shape[0]
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), float(rng.normal(0, 9)), float(np.exp(rng.normal(0, 0.06))))
    shear = float(rng.normal(0, 0.06))
    turn[0, 1] += shear
    turn[0, 2] -= shear * size / 2
    warped = cv2.warpAffine(crop, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.uint8)


def _coarse(crop: Image, low: int, size: int) -> Image:
    """As it looks when the camera had only `low` pixels for the face: most real faces are far away."""
    return resize(resize(crop, low, low), size, size)
