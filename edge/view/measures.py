"""What one picture is like, in numbers, from small grey copies: some two milliseconds, once a second."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.pixels import Pixels
from edge.vision.preprocess import Image

Grey = NDArray[np.uint8]
"""(height, width), 0 to 255."""
Floats = NDArray[np.float32]

_SAMPLE_SIDE = 640
"""Longer side of the sample, at most, in pixels; of the copy for sharpness; and of the one without noise."""
_GREY_SIDE = 320
_SMALL_SIDE = 80
_CELL = 5
"""Side of a cell of the smallest copy, in pixels: 16 cells are as wide as a picture."""
_PLAIN, _PLAIN_LEAST = 0.11, 5.0
"""A cell whose brightness differs by less than this share of the highlights, and than noise leaves at night, shows
nothing: a covered lens, or a clear wall."""
_WHITE, _BRIGHT, _SHADE = 250, 240, 50
_LEAST_CONTRAST = 4.0
"""Of coarse detail: below this nothing can be said about the sharpness of the fine one."""
_COLOURLESS = 6.0
"""Mean difference of the colours: an infrared picture has none."""


@dataclass(frozen=True, slots=True)
class Measures:
    sample: Grey
    """Pixels as the camera gave them, not averaged: with a sensor's noise, no two samples are the same."""
    small: Grey
    """The picture at _SMALL_SIDE."""
    highlight: float
    """The 95th percentile of brightness, 0 to 255."""
    white: float
    """Share of pixels that are burnt out, 0 to 1."""
    bright: float
    """Share of bright pixels, the white ones among them."""
    shade: float
    """Share of pixels too dark to show a face."""
    detailed: float
    """Share of cells with something in them, 0 to 1."""
    sharpness: float | None
    """Fine detail over coarse detail; None: there is too little of either."""
    is_colourless: bool


def measured(pixels: Pixels) -> Measures:
    step = -(-max(pixels.size) // _SAMPLE_SIDE)
    sample = np.ascontiguousarray(pixels.sampled(step)[:, :, 1])
    grey = _fitted(sample, _GREY_SIDE)
    small = _fitted(grey, _SMALL_SIDE)
    highlight = float(np.percentile(small, 95))
    return Measures(
        sample=sample,
        small=small,
        highlight=highlight,
        white=float((small >= _WHITE).mean()),
        bright=float((small >= _BRIGHT).mean()),
        shade=float((small < _SHADE).mean()),
        detailed=_detailed(small, max(_PLAIN_LEAST, _PLAIN * highlight)),
        sharpness=_sharpness(grey),
        is_colourless=_is_colourless(pixels.sampled(16 * step)),
    )


def _fitted(grey: Grey, side: int) -> Grey:
    """Its longer side is at most `side`."""
    scale = side / max(grey.shape)
    if scale >= 1:
        return grey
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _detailed(small: Grey, plain: float) -> float:
    cell = min(_CELL, *small.shape)
    rows, columns = small.shape[0] // cell, small.shape[1] // cell
    cells = small[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell)
    return float((cells.max(axis=(1, 3)).astype(int) - cells.min(axis=(1, 3)) >= plain).mean())


def _sharpness(grey: Grey) -> float | None:
    """The strongest edges decide, which a sharp picture has somewhere, however much of it is a clear wall."""
    picture = grey.astype(np.float32)
    fine = np.abs(picture - cv2.GaussianBlur(picture, (0, 0), 1))
    half = cv2.GaussianBlur(_fitted(grey, _GREY_SIDE // 2).astype(np.float32), (0, 0), 1)
    coarse = np.abs(half - cv2.GaussianBlur(half, (0, 0), 2))
    contrast = float(np.percentile(coarse[::2, ::2], 98))
    return float(np.percentile(fine[::3, ::3], 98)) / contrast if contrast >= _LEAST_CONTRAST else None


def _is_colourless(pixels: Image) -> bool:
    return float(pixels.max(axis=2).mean() - pixels.min(axis=2).mean()) < _COLOURLESS
