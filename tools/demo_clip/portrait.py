"""The actor of the demo clip: NASA's portrait of Eileen Collins, cut out, with a surgical mask painted on.

The portrait is in the public domain and ships inside the scikit-image package as `skimage.data.astronaut()`. All
coordinates are pixels of that 512x512 picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.preprocess import Image

FACE = Box(178, 65, 269.5, 176.5)
"""The face in the portrait, hairline to chin, as a face detector frames it."""
SPRITE_HEIGHT = 420
"""Below this row the portrait shows her helmet, which would need the rest of the picture."""

Points = Sequence[tuple[float, float]]
FloatImage = NDArray[np.float32]

# fmt: off
_OUTLINE: Points = (
    (251, 19), (227, 16), (214, 21), (205, 21), (198, 25), (186, 37), (173, 44), (157, 57), (153, 68), (155, 98),
    (158, 105), (170, 118), (172, 125), (181, 134), (183, 145), (180, 148), (157, 150), (139, 159), (131, 167),
    (125, 177), (125, 202), (121, 206), (114, 202), (91, 226), (79, 233), (69, 242), (60, 253), (45, 280), (40, 294),
    (39, 304), (26, 342), (26, 366), (23, 378), (22, 420), (284, 420), (288, 408), (300, 388), (320, 370), (340, 358),
    (359, 346), (361, 329), (357, 323), (356, 302), (352, 289), (347, 282), (345, 275), (321, 251), (319, 245),
    (303, 232), (299, 219), (289, 203), (262, 179), (255, 171), (258, 157), (263, 147), (265, 141), (280, 128),
    (294, 111), (300, 92), (300, 81), (295, 56), (286, 40), (274, 30),
)
# The mask's outline, clockwise from its upper left corner, as it is meant to be worn and under the nose. Both lists
# have the same points of the mask, so that every position between them is a mask as well.
_WORN: Points = (
    (183.5, 121), (194, 117), (207, 113.5), (216, 109), (224, 107), (232, 109.5), (241, 114.5), (255, 119), (269, 125),
    (268, 141), (261, 158), (250, 172), (237, 181), (222, 184), (208, 181), (196, 173), (187, 158), (184, 140),
)
_UNDER_NOSE: Points = (
    (184, 137), (195, 137), (207, 136.5), (216, 136), (223.5, 136), (231, 136.5), (240, 138), (254, 140), (267, 141.5),
    (263.5, 153), (257, 167), (247, 180), (235, 189), (222, 192), (209, 189), (198, 181), (189, 168), (185.5, 152),
)
# fmt: on
_UPPER_LEFT, _UPPER_RIGHT, _LOWER_RIGHT, _LOWER_LEFT = 0, 8, 10, 16
"""Places in those lists where the straps are sewn on."""
_LEFT_EAR, _RIGHT_EAR = ((176.0, 121.0), (177.0, 133.0)), ((274.0, 124.0), (272.0, 137.0))
"""Where the straps disappear behind each ear: the upper and the lower one."""

_OVERSAMPLING = 4
"""The mask is painted this much larger and averaged down, so that its edges are as soft as the photo's."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A painted mask: its colour (red, green, blue) in full light."""

    colour: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Sprite:
    """A cut-out: colours multiplied by alpha, (height, width, 4), red, green, blue, alpha, 0 to 1."""

    pixels: FloatImage


def load_portrait() -> Image:
    """The whole portrait, (512, 512, 3) RGB. Raises MaskdError where scikit-image is not installed."""
    try:
        from skimage import data
    except ImportError as error:
        raise MaskdError(
            "the demo clip is drawn from a portrait inside scikit-image, which is not installed: "
            "pip install scikit-image"
        ) from error
    return np.asarray(data.astronaut(), dtype=np.uint8)


def make_sprite(
    portrait: Image, *, mask: Mask | None, lift: float = 1.0, suit_hue: int = 0, brightness: float = 1.0
) -> Sprite:
    """The person, cut out of the portrait.

    `lift` is how far the mask is pulled up: 0 under the nose, 1 as it is meant to be worn. `suit_hue` turns the colour
    of the suit, in OpenCV's half degrees (0 to 179), so that three appearances look like three people.
    """
    picture: FloatImage = _with_suit_hue(portrait, suit_hue).astype(np.float32) / np.float32(255)
    if mask is not None:
        picture = _with_mask(picture, mask, lift)
    alpha = _fill(_OUTLINE, picture.shape[:2], soften=0.9)[:SPRITE_HEIGHT, :, None]
    colours = np.clip(picture[:SPRITE_HEIGHT] * brightness, 0, 1)
    return Sprite(np.concatenate([colours * alpha, alpha], axis=2))


def _with_suit_hue(portrait: Image, turn: int) -> Image:
    if turn == 0:
        return portrait
    hsv = cv2.cvtColor(portrait, cv2.COLOR_RGB2HSV)
    hue, saturation = hsv[:, :, 0].astype(np.int32), hsv[:, :, 1]
    suit = ((hue < 18) | (hue > 170)) & (saturation > 120)
    # Skin and hair have the suit's hue as well; they end above the collar.
    suit[:190] = False
    hsv[:, :, 0] = np.where(suit, (hue + turn) % 180, hue)
    # Nothing but a spacesuit is as bright as this one.
    hsv[:, :, 1:] = np.where(suit[:, :, None], hsv[:, :, 1:] * 0.75, hsv[:, :, 1:])
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.uint8)


def _with_mask(picture: FloatImage, mask: Mask, lift: float) -> FloatImage:
    outline = [
        (low[0] + (high[0] - low[0]) * lift, low[1] + (high[1] - low[1]) * lift)
        for low, high in zip(_UNDER_NOSE, _WORN, strict=True)
    ]
    size = picture.shape[:2]
    shape = _fill(outline, size, soften=0.5)

    # A mask that stands off the skin a little throws a soft shadow around itself.
    shadow = np.roll(cv2.GaussianBlur(_fill(outline, size, soften=0.5), (0, 0), 2.5), 1, axis=0)
    shaded = picture * (1 - 0.35 * shadow)[:, :, None]

    straps = np.zeros(size, dtype=np.float32)
    for corner, ear in (
        (_UPPER_LEFT, _LEFT_EAR[0]),
        (_LOWER_LEFT, _LEFT_EAR[1]),
        (_UPPER_RIGHT, _RIGHT_EAR[0]),
        (_LOWER_RIGHT, _RIGHT_EAR[1]),
    ):
        straps = np.maximum(straps, _line([outline[corner], ear], size, width=1.3))
    strap_colour = np.array((0.88, 0.88, 0.86), dtype=np.float32)
    painted = shaded * (1 - straps[:, :, None]) + strap_colour * straps[:, :, None]

    cloth = np.array(mask.colour, dtype=np.float32) / 255 * _cloth_light(picture, outline)[:, :, None]
    result = painted * (1 - shape[:, :, None]) + cloth * shape[:, :, None]
    return np.asarray(np.clip(result, 0, 1), dtype=np.float32)


def _cloth_light(picture: FloatImage, outline: Points) -> FloatImage:
    """How bright each spot of the cloth is: the light on the face, the bulge of the cloth, its pleats and hems."""
    height, width = picture.shape[:2]
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    corners = np.array(outline, dtype=np.float32)
    left, right = corners[:, 0].min(), corners[:, 0].max()
    top, bottom = corners[:, 1].min(), corners[:, 1].max()
    across = (xs - (left + right) / 2) / ((right - left) / 2)
    down = (ys - top) / (bottom - top)

    # The portrait's light comes from the upper left; towards the jaw the cloth turns away from it.
    bulge = 1.02 - 0.24 * np.abs(across) ** 2.5 - 0.07 * across - 0.26 * np.clip(down - 0.55, 0, 1) ** 1.5
    ridge = 0.05 * np.exp(-(((xs - (left + right) / 2 + 2) / 9) ** 2)) * np.clip(1.2 - 2 * down, 0, 1)

    pleats = np.zeros_like(down)
    for place in (0.34, 0.52, 0.70):
        # The folds sag in the middle, and each shows a lit edge above a dark one.
        offset = (down - place - 0.045 * (1 - across**2)) * (bottom - top)
        pleats += 0.07 * np.exp(-(((offset + 1.2) / 1.0) ** 2)) - 0.15 * np.exp(-(((offset - 0.6) / 1.1) ** 2))
    pleats *= np.clip(1.15 - np.abs(across) ** 3, 0, 1)

    inner = _fill(outline, (height, width), soften=0.5)
    hem = cv2.GaussianBlur(inner, (0, 0), 1.6)
    hems = -0.22 * np.clip(1 - hem, 0, 1)

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    face_light = cv2.GaussianBlur(grey, (0, 0), 12)
    face_light = 1 + 0.25 * (face_light - float(face_light[140, 222]))

    weave = cv2.GaussianBlur(np.random.default_rng(7).normal(0, 1, (height, width)).astype(np.float32), (0, 0), 0.8)
    return np.asarray((bulge + ridge + pleats + hems) * face_light + 0.02 * weave, dtype=np.float32)


def _smooth(points: Points, rounds: int = 3) -> NDArray[np.float32]:
    """The closed outline with its corners cut, again and again (Chaikin 1974)."""
    curve = np.array(points, dtype=np.float32)
    for _ in range(rounds):
        following = np.roll(curve, -1, axis=0)
        curve = np.stack([0.75 * curve + 0.25 * following, 0.25 * curve + 0.75 * following], axis=1).reshape(-1, 2)
    return curve


def _fill(points: Points, size: tuple[int, ...], *, soften: float) -> FloatImage:
    """1 inside the rounded outline, 0 outside, with a soft edge of `soften` pixels."""
    canvas = np.zeros((size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING), dtype=np.uint8)
    cv2.fillPoly(canvas, [np.round(_smooth(points) * _OVERSAMPLING).astype(np.int32)], 255)
    return _reduced(canvas, size, soften)


def _line(points: Points, size: tuple[int, ...], *, width: float) -> FloatImage:
    canvas = np.zeros((size[0] * _OVERSAMPLING, size[1] * _OVERSAMPLING), dtype=np.uint8)
    corners = np.round(np.array(points, dtype=np.float32) * _OVERSAMPLING).astype(np.int32)
    cv2.polylines(canvas, [corners], False, 255, thickness=round(width * _OVERSAMPLING), lineType=cv2.LINE_AA)
    return _reduced(canvas, size, 0.4)


def _reduced(canvas: NDArray[np.uint8], size: tuple[int, ...], soften: float) -> FloatImage:
    small = cv2.resize(canvas, (size[1], size[0]), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.asarray(cv2.GaussianBlur(small, (0, 0), soften), dtype=np.float32)
