"""Training views of a labelled photo for the face detector: scaled, cropped, flipped, relit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import PADDING_GREY, Image, resize
from training.augment import degraded, relit
from training.face_trouble import troubled

_SMALLEST_FACE = 5.0
_SMALLEST_DRAWN_FACE = 9.0
_LEAST_VISIBLE = 0.5


@dataclass(frozen=True, slots=True)
class View:
    """A training picture (size, size, 3) with its face boxes (n, 4) and the boxes (m, 4) that count neither way."""

    image: Image
    boxes: NDArray[np.float32]
    ignored: NDArray[np.float32]


def random_view(
    image: Image,
    boxes: NDArray[np.float32],
    ignored: NDArray[np.float32],
    size: int,
    device_side: int,
    rng: np.random.Generator,
) -> View:
    """One view of a photo, all of whose faces are in `boxes` or `ignored`, both (n, 4) in pixels.

    `device_side` is the number of pixels of a photo's longer side at which the detector runs on a device; scales are
    drawn around it.
    """
    face = boxes[rng.integers(len(boxes))] if len(boxes) else None
    scale = _random_scale(image, face, size, device_side, rng)
    image, boxes, ignored = _cropped(image, boxes, ignored, size, scale, _corner(image, face, size / scale, rng))
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        boxes, ignored = _flipped(boxes, size), _flipped(ignored, size)
    return View(degraded(relit(troubled(image, boxes, rng), rng), rng), boxes, ignored)


def tiled_view(views: list[View], size: int) -> View:
    """Four views of half the size in one picture: more faces and more backgrounds per step."""
    half = size // 2
    canvas = np.empty((size, size, 3), np.uint8)
    boxes, ignored = [], []
    for index, view in enumerate(views):
        x, y = (index % 2) * half, (index // 2) * half
        canvas[y : y + half, x : x + half] = view.image
        shift = np.array([x, y, x, y], np.float32)
        boxes.append(view.boxes + shift)
        ignored.append(view.ignored + shift)
    return View(canvas, np.concatenate(boxes), np.concatenate(ignored))


def _random_scale(
    image: Image, face: NDArray[np.float32] | None, size: int, device_side: int, rng: np.random.Generator
) -> float:
    """Most often about the scale at which a device sees the photo, else one that gives `face` any size at all."""
    reference: float = device_side / max(image.shape[:2])
    scale = reference * float(np.exp(rng.uniform(np.log(0.6), np.log(1.9))))
    if face is None:
        return scale
    side = max(float(face[2] - face[0]), float(face[3] - face[1]), 1.0)
    if rng.random() < 0.35:
        scale = float(
            np.clip(
                np.exp(rng.uniform(np.log(_SMALLEST_DRAWN_FACE), np.log(0.75 * size))) / side,
                0.15 * reference,
                4 * reference,
            )
        )
    return min(scale, float(rng.uniform(0.6, 1.0)) * size / side)


def _cropped(
    image: Image,
    boxes: NDArray[np.float32],
    ignored: NDArray[np.float32],
    size: int,
    scale: float,
    corner: tuple[float, float],
) -> tuple[Image, NDArray[np.float32], NDArray[np.float32]]:
    height, width = image.shape[:2]
    window = size / scale
    x, y = corner
    left, top = max(0, int(x)), max(0, int(y))
    right, bottom = min(width, int(np.ceil(x + window))), min(height, int(np.ceil(y + window)))
    part = image[top:bottom, left:right]
    part = resize(part, max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    canvas = np.full((size, size, 3), PADDING_GREY, np.uint8)
    dx, dy = round((left - x) * scale), round((top - y) * scale)
    offset = np.array([left * scale - dx, top * scale - dy] * 2, np.float32)
    part = part[max(0, -dy) :, max(0, -dx) :]
    dx, dy = max(0, dx), max(0, dy)
    part = part[: size - dy, : size - dx]
    canvas[dy : dy + part.shape[0], dx : dx + part.shape[1]] = part
    kept, cut = _visible(boxes * scale - offset, size)
    # Cut to the picture, because another one may be placed next to it.
    uncounted = np.clip(ignored * scale - offset, 0, size)
    uncounted = uncounted[np.all(uncounted[:, 2:] > uncounted[:, :2], axis=1)]
    return canvas, kept, np.concatenate([cut, uncounted]).astype(np.float32)


def _corner(
    image: Image, face: NDArray[np.float32] | None, window: float, rng: np.random.Generator
) -> tuple[float, float]:
    """The top left corner of a square window on the photo, mostly one that holds `face` whole."""
    height, width = image.shape[:2]
    if face is None or rng.random() < 0.15:
        return _start(0, 0, width, window, rng), _start(0, 0, height, window, rng)
    x1, y1, x2, y2 = (float(value) for value in face)
    return _start(x1, x2, width, window, rng), _start(y1, y2, height, window, rng)


def _start(first: float, last: float, length: int, window: float, rng: np.random.Generator) -> float:
    """Where a window starts along a side of this length: over `first` to `last` if these differ, and not past the
    side's ends further than it must."""
    free = length - window
    low, high = min(free, 0.0), max(free, 0.0)
    if free < 0 and rng.random() < 0.5:
        return 0.0
    if last > first and window >= last - first:
        low, high = max(low, last - window), min(high, first)
    return float(rng.uniform(low, high)) if low < high else low


def _visible(boxes: NDArray[np.float32], size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Faces to learn, cut to the picture, and those too small or cut too far, which are ignored."""
    clipped = np.clip(boxes, 0, size)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    seen = np.prod(clipped[:, 2:] - clipped[:, :2], axis=1) / np.maximum(area, 1e-6)
    learn = (seen >= _LEAST_VISIBLE) & (np.max(clipped[:, 2:] - clipped[:, :2], axis=1, initial=0) >= _SMALLEST_FACE)
    return clipped[learn], clipped[~learn & (seen > 0)]


def _flipped(boxes: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
