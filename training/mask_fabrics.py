"""Fabrics of masks: drawn ones, and those of masks in photos, unrolled from the faces that wear them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import Image
from training.landmarks import Landmarks
from training.mask_shapes import NOMINAL, face_camera

Array = NDArray[np.float32]

WIDTH, HEIGHT = 192, 128
OVERHANG = 0.12
"""A fabric reaches this far past the nominal outline on every side, so that a real mask's own outline fits in."""
_DONOR_MARGIN = 0.35
_LEAST_HALF = 0.6
"""What a half of the mask shows of the other's area, below which it is the other's mirror image that is taken."""
_LEAST_CONTRAST = 30.0
"""Between a mask and the skin above it, in levels of RGB."""


@dataclass(frozen=True, slots=True)
class Fabric:
    """A mask laid flat, `HEIGHT` x `WIDTH`, over u and v (see MaskShape) from -1 - OVERHANG and -OVERHANG on."""

    colour: Array
    """Shape (HEIGHT, WIDTH, 3), RGB, 0 to 1: the share of a white light that comes back."""
    cover: Array
    """Shape (HEIGHT, WIDTH), 0 (no mask) to 1."""
    lit: bool = False
    """Whether the colours hold a light of their own, as those from photos do."""
    loops: tuple[float, float, float] | None = None
    """Colour of the bands around the ears; None: none to be drawn."""


def grid(height: int = HEIGHT, width: int = WIDTH, overhang: float = OVERHANG) -> tuple[Array, Array]:
    """u and v of a fabric's pixels, each of shape (height, width)."""
    u = np.linspace(-1 - overhang, 1 + overhang, width, dtype=np.float32)
    v = np.linspace(-overhang, 1 + overhang, height, dtype=np.float32)
    across, down = np.meshgrid(u, v)
    return across, down


def drawn_fabric(rng: np.random.Generator) -> Fabric:
    """An invented surgical, cloth or respirator mask."""
    kind = rng.choice(3, p=(0.5, 0.35, 0.15))
    make: Callable[[np.random.Generator], Fabric] = (_surgical, _cloth, _respirator)[kind]
    return make(rng)


_SURGICAL_COLOURS = ((0.62, 0.82, 0.93), (0.72, 0.88, 0.95), (0.93, 0.94, 0.95), (0.6, 0.86, 0.82), (0.95, 0.76, 0.83),
                     (0.16, 0.17, 0.2), (0.35, 0.5, 0.75))  # fmt: skip
_SURGICAL_CHANCES = (0.32, 0.25, 0.22, 0.09, 0.04, 0.05, 0.03)


def _surgical(rng: np.random.Generator) -> Fabric:
    u, v = grid()
    colour = np.array(_SURGICAL_COLOURS[rng.choice(len(_SURGICAL_COLOURS), p=_SURGICAL_CHANCES)], np.float32)
    colour = np.clip(colour * rng.normal(1, 0.04, 3), 0.05, 0.98).astype(np.float32)
    shade = np.ones_like(u)
    depth, phase = float(rng.uniform(0.03, 0.1)), float(rng.uniform(-0.04, 0.04))
    for pleat in (0.28, 0.5, 0.72):
        # Pleats open in the middle, over the nose, and stay folded at the sides.
        at = pleat + phase + (pleat - 0.5) * 0.25 * (1 - u**2)
        below = v - at
        shade += depth * np.exp(-((below / 0.05) ** 2)) * (below < 0)
        shade -= 1.3 * depth * np.exp(-((below / 0.025) ** 2)) * (below >= 0)
    shade *= 1 + _wrinkles(rng, float(rng.uniform(0.0, 0.07)))
    cover = _rounded(u, v, 0.06)
    hem = ((v < 0.07) | (v > 0.94) | (np.abs(u) > 0.95)).astype(np.float32) * float(rng.uniform(0, 0.05))
    painted = colour * (shade - hem)[..., None]
    if rng.random() < 0.4:
        stitched = np.abs(v - 0.07) < 0.012
        painted[stitched] = painted[stitched] * 0.93
    return Fabric(np.clip(painted, 0, 1).astype(np.float32), cover, loops=(0.93, 0.93, 0.93))


def _cloth(rng: np.random.Generator) -> Fabric:
    u, v = grid()
    base = _cloth_colour(rng)
    painted = np.broadcast_to(base, (HEIGHT, WIDTH, 3)).astype(np.float32).copy()
    other = np.asarray(rng.uniform(0.05, 0.95, 3), np.float32)
    pattern = rng.random()
    if pattern < 0.12:
        turn = float(rng.uniform(0, np.pi))
        stripes = np.sin((u * np.cos(turn) + v * np.sin(turn)) * float(rng.uniform(15, 40))) > float(
            rng.uniform(0, 0.7)
        )
        painted[stripes] = other
    elif pattern < 0.22:
        pitch = float(rng.uniform(0.1, 0.3))
        dots = ((u / pitch) % 1 - 0.5) ** 2 + ((v * 0.62 / pitch * 2) % 1 - 0.5) ** 2 < float(rng.uniform(0.04, 0.12))
        painted[dots] = other
    elif pattern < 0.4:
        for _ in range(int(rng.integers(1, 4))):
            blotches = _noise(rng, int(rng.integers(6, 18))) > float(rng.uniform(0.2, 0.9))
            painted[blotches] = np.asarray(rng.uniform(0.05, 0.95, 3), np.float32)
    elif pattern < 0.5:
        x, y, size = float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.35, 0.65)), float(rng.uniform(0.06, 0.2))
        mark = (np.abs(u - x) < size) & (np.abs(v - y) < size * float(rng.uniform(0.3, 1.2)))
        painted[mark & (_noise(rng, 30) > 0)] = other
    shade = 1 + _wrinkles(rng, float(rng.uniform(0.02, 0.1))) + 0.03 * rng.standard_normal(u.shape).astype(np.float32)
    if rng.random() < 0.5:
        shade -= float(rng.uniform(0.05, 0.2)) * np.exp(-((u / 0.015) ** 2))
    shade -= float(rng.uniform(0, 0.12)) * ((v < 0.05) | (v > 0.95))
    # Narrower towards the ears.
    narrow = float(rng.uniform(0.0, 0.2))
    rise = narrow * np.clip((np.abs(u) - 0.5) / 0.5, 0, 1) ** 2
    cover = _rounded(u, (v - rise) / np.maximum(1 - 2 * rise, 0.3), 0.12)
    bands = base if rng.random() < 0.7 else np.full(3, 0.9, np.float32)
    loops = (float(bands[0]), float(bands[1]), float(bands[2]))
    return Fabric(np.clip(painted * shade[..., None], 0.02, 1).astype(np.float32), cover, loops=loops)


def _cloth_colour(rng: np.random.Generator) -> Array:
    chance = rng.random()
    if chance < 0.4:
        return np.asarray(rng.uniform(0.05, 0.16) * rng.normal(1, 0.1, 3), np.float32)
    if chance < 0.6:
        return np.asarray(rng.uniform(0.6, 0.95) * rng.normal(1, 0.03, 3), np.float32)
    if chance < 0.7:
        return np.asarray((0.1, 0.14, 0.3) * rng.normal(1, 0.15, 3), np.float32)
    return np.asarray(rng.uniform(0.08, 0.9, 3), np.float32)


def _respirator(rng: np.random.Generator) -> Fabric:
    u, v = grid()
    level = 0.12 if rng.random() < 0.15 else float(rng.uniform(0.85, 0.97))
    colour = np.clip(level * np.array((1, 1, rng.uniform(0.93, 1)), np.float32), 0, 1)
    shade = 1 + _wrinkles(rng, 0.03)
    if rng.random() < 0.6:
        # Folded along the middle: one half turned to the light.
        shade += float(rng.uniform(-0.08, 0.08)) * np.sign(u) - 0.12 * np.exp(-((u / 0.02) ** 2))
    else:
        for fold in (0.3, 0.68):
            shade -= float(rng.uniform(0.04, 0.12)) * np.exp(-(((v - fold) / 0.02) ** 2))
    painted = np.asarray(colour * shade[..., None], np.float32)
    if rng.random() < 0.25:
        x, y, radius = (
            float(rng.choice([-0.35, 0.0, 0.35])),
            float(rng.uniform(0.5, 0.65)),
            float(rng.uniform(0.1, 0.16)),
        )
        far = np.hypot(u - x, (v - y) * 0.8) / radius
        painted[far < 1] = np.asarray(rng.uniform(0.3, 0.95, 3), np.float32)
        painted[np.abs(far - 1) < 0.12] *= 0.75
    narrow = float(rng.uniform(0.1, 0.3))
    rise = narrow * np.clip((np.abs(u) - 0.3) / 0.7, 0, 1) ** 1.5
    cover = _rounded(u, (v - rise) / np.maximum(1 - 2 * rise, 0.3), 0.15)
    loops = (0.95, 0.95, 0.95) if level > 0.5 else (0.1, 0.1, 0.1)
    return Fabric(np.clip(painted, 0.02, 1).astype(np.float32), cover, loops=loops)


def _rounded(u: Array, v: NDArray[np.floating], corner: float) -> Array:
    """1 inside the nominal outline with rounded corners, 0 outside; shape of `u`."""
    beside = np.maximum(np.abs(u) - (1 - corner), 0) / corner
    above = np.maximum(np.abs(2 * v - 1) - (1 - 2 * corner), 0) / (2 * corner)
    return np.asarray(beside**2 + above**2 <= 1, np.float32)


def _noise(rng: np.random.Generator, cells: int) -> Array:
    """Smooth noise with about so many blobs across, mean 0, deviation 1."""
    coarse = rng.standard_normal((max(2, cells * 2 // 3), cells)).astype(np.float32)
    smooth = np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), np.float32)


def _wrinkles(rng: np.random.Generator, strength: float) -> Array:
    wide, narrow = _noise(rng, int(rng.integers(4, 8))), _noise(rng, int(rng.integers(10, 20)))
    return np.asarray(strength * (0.6 * wide + 0.4 * narrow), np.float32)


def unrolled_fabric(image: Image, landmarks: Landmarks) -> Fabric | None:
    """The mask that the face on a photo wears correctly, laid flat; None if it does not contrast with the skin or is
    not mask-shaped."""
    camera = face_camera(landmarks)
    u, v = grid(overhang=_DONOR_MARGIN)
    places = camera.project(NOMINAL.surface(u, v))
    flat = cv2.remap(image, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    size = _size_on_picture(places)
    seen = (size > 0) & (places >= 0).all(-1) & (places < (image.shape[1] - 1, image.shape[0] - 1)).all(-1)
    # The half that is better seen twice, where the other is turned away.
    middle = WIDTH // 2
    left, right = (float(half[seen_half].sum()) for half, seen_half in zip(_halves(size), _halves(seen), strict=True))
    if min(left, right) < _LEAST_HALF * max(left, right):
        if left > right:
            flat, seen = flat[:, ::-1], seen[:, ::-1]
        flat = np.concatenate([flat[:, middle:][:, ::-1], flat[:, middle:]], axis=1)
        seen = np.concatenate([seen[:, middle:][:, ::-1], seen[:, middle:]], axis=1)
    cover = _segmented(np.asarray(flat, np.uint8), seen, u, v)
    if cover is None or _is_skin(np.asarray(flat, np.uint8), cover, v):
        return None
    return _fitted(np.asarray(flat / 255, np.float32), cover, v)


def _size_on_picture(places: Array) -> Array:
    """The area that each point of a flat mask (h, w) takes on the picture; negative where it is turned away."""
    across, down = np.gradient(places, axis=1), np.gradient(places, axis=0)
    return np.asarray(across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0], np.float32)


def _halves(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The left and the right half of a mask, without the margins."""
    margin = WIDTH // 8
    return values[:, margin : WIDTH // 2], values[:, WIDTH // 2 : -margin]


def _segmented(flat: Image, seen: NDArray[np.bool_], u: Array, v: Array) -> Array | None:
    """The mask's cover by GrabCut (Rother et al. 2004), begun from where a mask should be."""
    expected = (np.abs(u) < 0.95) & (v > 0.02) & (v < 0.98)
    marks = np.where(expected, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    marks[(np.abs(u) < 0.5) & (v > 0.3) & (v < 0.75)] = cv2.GC_FGD
    marks[(v < -0.25) | (np.abs(u) > 1.3) | (v > 1.3) | ~seen] = cv2.GC_BGD
    # At half the size: four times faster, and outlines are that smooth.
    half = (WIDTH // 2, HEIGHT // 2)
    marks = np.asarray(cv2.resize(marks, half, interpolation=cv2.INTER_NEAREST), np.uint8)
    if not (marks == cv2.GC_FGD).any() or not (marks == cv2.GC_BGD).any():
        return None
    small = np.asarray(cv2.resize(flat, half, interpolation=cv2.INTER_AREA), np.uint8)
    cv2.setRNGSeed(1)
    cv2.grabCut(small, marks, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    likely = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.float32)
    large = (cv2.resize(likely, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR) > 0.5).astype(np.uint8)
    found = np.asarray(cv2.morphologyEx(large, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)), np.uint8)
    _, parts, _, _ = cv2.connectedComponentsWithStats(found)
    middle = parts[HEIGHT // 2, WIDTH // 2]
    if middle == 0:
        return None
    whole = (parts == middle).astype(np.uint8)
    whole = np.asarray(cv2.morphologyEx(whole, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)), np.uint8)
    agreed = (whole.astype(bool) & expected).sum() / (whole.astype(bool) | expected).sum()
    if agreed < 0.72:
        return None
    # A little less than found, so that no skin comes along.
    whole = np.asarray(cv2.erode(whole, np.ones((3, 3), np.uint8)), np.uint8)
    return np.asarray(cv2.GaussianBlur(whole.astype(np.float32), (0, 0), 1.5), np.float32)


def _is_skin(flat: Image, cover: Array, v: Array) -> bool:
    """Whether what was found has the colour of what is above it: a hand, a beard, or a box far too large."""
    above = (v < -0.2) & (flat.sum(axis=2) > 0)
    if not above.any():
        return False
    apart = np.median(flat[cover > 0.5], axis=0) - np.median(flat[above], axis=0)
    return bool(np.linalg.norm(apart) < _LEAST_CONTRAST)


def _fitted(flat: Array, cover: Array, v: Array) -> Fabric | None:
    """Moved and stretched, so that its upper and lower edge in the middle lie at v = 0 and 1."""
    heights = v[:, 0]
    inside = cover[:, WIDTH * 3 // 8 : WIDTH * 5 // 8].mean(axis=1) > 0.5
    if not inside.any():
        return None
    first, last = float(heights[inside][0]), float(heights[inside][-1])
    if last - first < 0.6:
        return None
    new_u, new_v = grid()
    x = (new_u + 1 + _DONOR_MARGIN) / (2 + 2 * _DONOR_MARGIN) * (WIDTH - 1)
    y = (first + new_v * (last - first) + _DONOR_MARGIN) / (1 + 2 * _DONOR_MARGIN) * (HEIGHT - 1)
    colour = cv2.remap(flat, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    fitted = cv2.remap(cover, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return Fabric(np.asarray(colour, np.float32), np.asarray(fitted, np.float32), lit=True)
