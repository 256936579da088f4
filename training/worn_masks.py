"""Masks put on bare faces of the training photos, worn rightly and in the wrong ways that few photos show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.vision.preprocess import Image, resize
from training.dataset import FaceSample
from training.face_props import random_prop
from training.landmarks import LandmarkFinder, Landmarks
from training.mask_fabrics import Fabric, drawn_fabric, grid, unrolled_fabric
from training.mask_shapes import EAR, FaceCamera, MaskShape, Wearing, face_camera, on_face, random_shape

Array = NDArray[np.float32]

SET_NAME = "painted"
_MIN_FACE_PX = 40
_MAX_FACE_PX = 128
"""A little more than any crop for the classifier shows."""
_FABRICS = 150
"""Masks taken from photos."""
_TRANSFERRED_SHARE = 0.5
_ATTEMPTS = 5
"""To have a mask lie as it is meant, on a face at a time."""
_WEARINGS: dict[Wearing | None, float] = {
    # None: no mask but a hand, a cup or the like before the mouth, and the label stays without_mask.
    "under_nose": 0.25,
    "on_chin": 0.1,
    "under_chin": 0.12,
    "over_eyes": 0.03,
    "correct": 0.4,
    None: 0.1,
}
_ON_THE_NECK: tuple[Wearing, ...] = ("on_chin", "under_chin")
"""Ways that only photos which go on below the chin can show."""


@dataclass(frozen=True, slots=True)
class MarkedFace:
    """A labelled face with its landmarks."""

    sample: FaceSample
    landmarks: Landmarks


def label_of(wearing: Wearing | None) -> str:
    """What a face is labelled with a mask worn so, or with something else before it."""
    if wearing is None:
        return "without_mask"
    return "with_mask" if wearing == "correct" else "mask_weared_incorrect"


def worn_mask_samples(
    samples: Sequence[FaceSample], landmarks_model: Path, count: int, seed: int, labels: Sequence[str]
) -> list[FaceSample]:
    """Up to `count` faces with masks put on them, made from the bare and the masked faces among `samples`, with only
    the labels asked for.

    Half of them wear one wrongly, four in ten rightly, and the rest get a hand or a thing before the mouth, so that
    paint itself tells nothing. Empty where no bare face has landmarks. Raises MaskdError where the landmark model is
    missing or cannot be used.
    """
    finder = LandmarkFinder(landmarks_model)
    rng = np.random.default_rng((seed, 20))
    bare = list(_marked(samples, "without_mask", finder, rng))
    roomy = [face for face in bare if _shows_the_neck(face)]
    if not bare:
        return []
    unrolled = (
        unrolled_fabric(donor.sample.image, donor.landmarks) for donor in _marked(samples, "with_mask", finder, rng)
    )
    fabrics = list(islice((fabric for fabric in unrolled if fabric is not None), _FABRICS))
    wearings = [
        wearing for wearing in _WEARINGS if label_of(wearing) in labels and (roomy or wearing not in _ON_THE_NECK)
    ]
    chances = np.array([_WEARINGS[wearing] for wearing in wearings])
    made: list[FaceSample] = []
    for _ in range(count):
        wearing = wearings[rng.choice(len(wearings), p=chances / chances.sum())]
        faces = roomy if wearing in _ON_THE_NECK else bare
        for _ in range(_ATTEMPTS):
            fabric = drawn_fabric(rng)
            if fabrics and rng.random() < _TRANSFERRED_SHARE:
                fabric = fabrics[rng.integers(len(fabrics))]
            face = dressed(faces[rng.integers(len(faces))], wearing, fabric, rng)
            if face is not None:
                made.append(face)
                break
    return made


def _marked(
    samples: Sequence[FaceSample], label: str, finder: LandmarkFinder, rng: np.random.Generator
) -> Iterator[MarkedFace]:
    """The faces of a label, in random order, that are large enough and whose landmarks are found."""
    for index in rng.permutation(len(samples)):
        sample = samples[index]
        if sample.label != label or max(sample.box.width, sample.box.height) < _MIN_FACE_PX:
            continue
        landmarks = finder.find(sample.image, sample.box)
        if landmarks is not None:
            yield MarkedFace(sample, landmarks)


def _shows_the_neck(face: MarkedFace) -> bool:
    neck = face_camera(face.landmarks).project(on_face(np.zeros(1, np.float32), np.array([2.3], np.float32)))
    return bool(neck[0, 1] < face.sample.image.shape[0])


def dressed(face: MarkedFace, wearing: Wearing | None, fabric: Fabric, rng: np.random.Generator) -> FaceSample | None:
    """The bare face wearing the fabric in this way, as a sample with the label that follows; None where the mask
    has come to lie otherwise, as on an unusual face it may. Faces above 128 px are made smaller."""
    sample, landmarks = face.sample, face.landmarks
    image, box = sample.image, sample.box
    scale = _MAX_FACE_PX / max(box.width, box.height)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in (image.shape[1], image.shape[0]))
        image, box, landmarks = resize(image, width, height), box.scaled(scale, scale), landmarks.scaled(scale)
    camera = face_camera(landmarks)
    if wearing is None:
        painted = random_prop(image, camera, rng)
    else:
        painted, cover = wear(image, camera, random_shape(wearing, rng), fabric, rng)
        if not lies_as_meant(cover, landmarks, wearing):
            return None
    return FaceSample(painted, box, label_of(wearing), SET_NAME, sample.source)


def lies_as_meant(cover: Array, landmarks: Landmarks, wearing: Wearing) -> bool:
    """Whether a mask that covers the picture so (height, width; 0 to 1) hides the eyes, the nose and the mouth that it
    should hide, and no other."""
    points = landmarks.points()
    mouth = points[3:].mean(axis=0, keepdims=True)
    eyes, nose, lips = (_sampled(cover, places) > 0.5 for places in (points[:2], points[2:3], mouth))
    hidden = bool(eyes.any()), bool(nose.all()), bool(lips.all())
    if wearing == "over_eyes":
        return bool(eyes.all()) and not hidden[2]
    return (
        hidden
        == {
            "correct": (False, True, True),
            "under_nose": (False, False, True),
            "on_chin": (False, False, False),
            "under_chin": (False, False, False),
        }[wearing]
    )


def wear(
    image: Image, camera: FaceCamera, shape: MaskShape, fabric: Fabric, rng: np.random.Generator
) -> tuple[Image, Array]:
    """The picture with a mask of this outline and fabric on the face that the camera describes, and how far the mask
    covers each pixel, (height, width), 0 to 1."""
    picture = image.astype(np.float32)
    light = _light(picture, camera, fabric, rng)
    if fabric.loops is not None and rng.random() < 0.7:
        picture = _with_loops(picture, camera, shape, np.array(fabric.loops, np.float32), light, rng)
    colour, cover = _rendered(picture.shape[:2], camera, shape, fabric, rng)
    # As sharp as the face is.
    softness = _softness(image, camera)
    premultiplied, cover = _blurred(colour * cover[..., None], softness), _blurred(cover, softness)
    lit = premultiplied / np.maximum(cover, 1e-3)[..., None] * light
    # A picture without colours, or with weak ones, has masks of that kind too.
    grey = lit.mean(axis=2, keepdims=True)
    lit = grey + (lit - grey) * min(1.0, float(np.ptp(picture, axis=2).mean()) / 20)
    lit += rng.normal(0, float(rng.uniform(0.5, 3)), lit.shape).astype(np.float32)
    # A mask shades the skin next to it.
    reach = max(0.5, 0.05 * camera.eye_distance)
    lower = np.concatenate([np.zeros_like(cover[: round(reach)]), cover])[: len(cover)]
    shadow = _blurred(lower, reach) * float(rng.uniform(0.05, 0.3))
    shaded = picture * (1 - shadow)[..., None]
    blended = shaded + (np.clip(lit, 0, 255) - shaded) * cover[..., None]
    touched = (cover + shadow)[..., None] > 0.004
    return np.asarray(np.where(touched, np.clip(blended + 0.5, 0, 255), picture), np.uint8), cover


def _rendered(
    size: tuple[int, int], camera: FaceCamera, shape: MaskShape, fabric: Fabric, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Colour (height, width, 3), 0 to 1, and cover (height, width) of the mask on a picture of this size: points are
    strewn densely over the mask, and each adds its area to the pixel that it falls on."""
    height, width = size
    per_unit = max(20.0, 2.6 * camera.eye_distance)
    u, v = grid(round(per_unit * 1.6), round(per_unit * 2.4))
    points = shape.surface(u, v)
    places = camera.project(points)
    across, down = np.gradient(places, axis=1), np.gradient(places, axis=0)
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    flat = (u.shape[1], u.shape[0])
    cover = np.asarray(cv2.resize(fabric.cover, flat, interpolation=cv2.INTER_LINEAR), np.float32)
    colour = np.asarray(cv2.resize(fabric.colour, flat, interpolation=cv2.INTER_AREA), np.float32)
    colour = colour * _relief(points, rng, 0.15 if fabric.lit else 0.35)[..., None]
    x, y = np.floor(places[..., 0]).astype(int), np.floor(places[..., 1]).astype(int)
    shown = (area > 0) & (cover > 0.02) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixel = (y * width + x)[shown]
    weight = (area * cover)[shown]
    total = np.bincount(pixel, weight, minlength=height * width)
    channels = [np.bincount(pixel, weight * colour[..., c][shown], minlength=height * width) for c in range(3)]
    summed = np.stack(channels, axis=-1) / np.maximum(total, 1e-6)[:, None]
    # Points fall unevenly on pixels: evened out, and a little more than their area, so that the inside has no holes.
    even = _blurred(total.reshape(height, width).astype(np.float32), 0.6)
    return summed.reshape(height, width, 3).astype(np.float32), np.clip(even * 1.2 - 0.05, 0, 1)


def _relief(points: Array, rng: np.random.Generator, strength: float) -> Array:
    """Brightness about 1 of a surface (h, w, 3) under a light from above."""
    normal = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    light = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.7, 0.0), 1.0], np.float32)
    facing = normal @ (light / np.linalg.norm(light))
    return np.asarray(1 + strength * (np.clip(facing, 0, 1) - 0.8), np.float32)


def _light(picture: Array, camera: FaceCamera, fabric: Fabric, rng: np.random.Generator) -> Array:
    """What the fabric's colours are multiplied by, (height, width, 3): the light that falls on the face."""
    grey = picture.mean(axis=2)
    wide = _blurred(grey, 0.45 * camera.eye_distance)
    angles = np.radians(np.array([-30, 30, 0, -30, 30], np.float32))
    skin_at = camera.project(on_face(angles, np.array([0.45, 0.45, -0.35, 0.8, 0.8], np.float32)))
    skin = float(np.median(_sampled(_blurred(grey, 0.08 * camera.eye_distance), skin_at)))
    typical = float(np.median(_sampled(wide, skin_at)))
    level = np.clip(wide / max(typical, 8.0), 0.5, 1.6) ** 0.8
    bright = float(np.percentile(grey, 95))
    # White fabric is brighter than skin, and about as bright as the brightest things around.
    white = float(np.clip(0.6 * skin * rng.uniform(1.3, 1.7) + 0.4 * bright, 40, 245))
    exposure = 255 * (white / 230) ** 0.5 if fabric.lit else white / 0.92
    tint = picture.reshape(-1, 3).mean(axis=0)
    tint = (np.maximum(tint, 4) / max(float(tint.mean()), 4)) ** 0.35
    return np.asarray(level[..., None] * exposure * tint, np.float32)


def _with_loops(
    picture: Array, camera: FaceCamera, shape: MaskShape, colour: Array, light: Array, rng: np.random.Generator
) -> Array:
    """With bands from the mask's corners towards the ears that face the camera."""
    height, width = picture.shape[:2]
    lines = np.zeros((height, width), np.uint8)
    thick = float(rng.uniform(0.02, 0.05)) * camera.eye_distance
    for side in (-1.0, 1.0):
        ear = np.array([side * EAR[0], EAR[1] + rng.normal(0, 0.06), EAR[2]], np.float32)
        cheek = on_face(np.array(side * 1.1, np.float32), np.array(EAR[1] + 0.25, np.float32))
        if (camera.project(ear) - camera.project(cheek))[0] * side < -0.02 * camera.eye_distance:
            continue
        ends = shape.surface(np.array([side, side], np.float32) * 0.96, np.array([0.06, 0.94], np.float32))
        for end in ends:
            way = np.linspace(0, 1, 8, dtype=np.float32)[:, None]
            curve = end + (ear - end) * way
            curve[:, 0] += side * 0.12 * np.sin(np.pi * way[:, 0])
            places = np.round(camera.project(curve) * 16).astype(np.int32)
            cv2.polylines(lines, [places.reshape(-1, 1, 2)], False, 255, max(1, round(thick)), cv2.LINE_AA, 4)
    strength = lines.astype(np.float32)[..., None] / 255 * min(1.0, thick) * float(rng.uniform(0.5, 0.95))
    return np.asarray(picture + (np.clip(colour * light, 0, 255) - picture) * strength, np.float32)


def _softness(image: Image, camera: FaceCamera) -> float:
    """The blur, in pixels, that makes a sharp drawing about as sharp as the picture."""
    grey = image.mean(axis=2, dtype=np.float32)
    fine, coarse = np.abs(grey - _blurred(grey, 0.8)).mean(), np.abs(grey - _blurred(grey, 3.0)).mean()
    ratio = float(fine / max(float(coarse), 0.1))
    # About 0.4 in sharp pictures, 0.1 in pictures enlarged twice.
    return float(np.clip(1.6 * (0.42 - ratio) / 0.3, 0.35, 2.0)) * float(np.clip(camera.eye_distance / 40, 0.6, 1.3))


def _blurred(values: Array, sigma: float) -> Array:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), max(sigma, 0.05), borderType=cv2.BORDER_REPLICATE), np.float32)


def _sampled(values: Array, places: Array) -> Array:
    height, width = values.shape[:2]
    x = np.clip(np.round(places[..., 0]).astype(int), 0, width - 1)
    y = np.clip(np.round(places[..., 1]).astype(int), 0, height - 1)
    return np.asarray(values[y, x], np.float32)
