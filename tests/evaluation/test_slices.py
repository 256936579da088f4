"""What the pixels of a face tell of how it was taken, on drawn faces whose traits are known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import skimage.data

from edge.geometry import Box
from edge.vision.preprocess import Image
from training.evaluation.slices import TRAITS, Points, head_pose, measure_traits, sharpness, skin_angle

FACE = Box(40, 40, 100, 120)
ASTRONAUT_FACE = Box(180, 62, 274, 178)


def scene(face: tuple[int, int, int], around: tuple[int, int, int], *, noise: float = 4) -> Image:
    """A picture of 180x180 with one face of a colour before another colour."""
    image = np.full((180, 180, 3), around, dtype=np.float64)
    image[40:120, 40:100] = face
    image += np.random.default_rng(0).normal(0, noise, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def slice_of(trait: str, image: Image, box: Box = FACE, landmarks: Points | None = None) -> str | None:
    values = measure_traits(image, box, landmarks)
    found = next(each for each in TRAITS if each.name == trait)
    return found.slice_of(values[trait]) if trait in values else None


@pytest.mark.parametrize(
    ("height", "expected"),
    [(9.9, "under 10 px"), (10, "10–16 px"), (16, "16–24 px"), (47.9, "24–48 px"), (96, "96 px and more")],
)
def test_height_is_that_of_the_box(height: float, expected: str) -> None:
    assert slice_of("height", scene((120,) * 3, (120,) * 3), Box(40, 40, 60, 40 + height)) == expected


@pytest.mark.parametrize(("grey", "expected"), [(40, "dark"), (120, "mid"), (220, "bright")])
def test_brightness(grey: int, expected: str) -> None:
    assert str(slice_of("brightness", scene((grey,) * 3, (120,) * 3))).startswith(expected)


@pytest.mark.parametrize(
    ("face", "around", "expected"),
    [(60, 230, "backlit"), (120, 130, "alike"), (200, 30, "face 40 brighter")],
)
def test_backlight_compares_the_face_with_its_surroundings(face: int, around: int, expected: str) -> None:
    assert str(slice_of("backlight", scene((face,) * 3, (around,) * 3))).startswith(expected)


def test_a_face_that_fills_the_photo_has_no_surroundings() -> None:
    image = scene((60,) * 3, (230,) * 3)
    assert "backlight" not in measure_traits(image, Box(0, 0, 180, 180))


def test_contrast() -> None:
    assert str(slice_of("contrast", scene((120,) * 3, (120,) * 3))).startswith("low")
    assert str(slice_of("contrast", scene((128,) * 3, (120,) * 3, noise=150))).startswith("high")


def test_sharpness_falls_with_blur_and_not_with_size_or_contrast() -> None:
    image = skimage.data.astronaut()
    face = image[62:178, 180:274]
    sharp = sharpness(face)
    assert sharp is not None
    half = sharpness(cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    faint = sharpness((face // 3 + 80).astype(np.uint8))
    assert half == pytest.approx(sharp, rel=0.1)
    assert faint == pytest.approx(sharp, rel=0.05)
    # Out of focus by a tenth of the face.
    assert str(slice_of("sharpness", cv2.GaussianBlur(image, (0, 0), 11), ASTRONAUT_FACE)).startswith("blurred")
    assert not str(slice_of("sharpness", image, ASTRONAUT_FACE)).startswith("blurred")


def test_sharpness_of_a_face_that_is_small_or_flat_cannot_be_told() -> None:
    image = skimage.data.astronaut()
    assert sharpness(image[62:90, 180:210]) is None
    assert sharpness(np.full((64, 64, 3), 90, np.uint8)) is None


@pytest.mark.parametrize(
    ("skin", "angle"),
    # L*, a*, b* of the colour by CIELAB, and from these the angle by hand.
    [
        ((240, 205, 180), math.degrees(math.atan2(84.38 - 50, 17.29))),
        ((90, 60, 45), math.degrees(math.atan2(-22.6, 14.3))),
    ],
)
def test_the_typology_angle_of_a_colour(skin: tuple[int, int, int], angle: float) -> None:
    assert skin_angle(scene(skin, (120,) * 3, noise=0), FACE) == pytest.approx(angle, abs=2)


def test_skin_is_told_of_no_grey_photo_no_blue_hood_and_no_small_face() -> None:
    assert skin_angle(scene((120,) * 3, (120,) * 3, noise=0), FACE) is None
    assert skin_angle(scene((40, 60, 200), (120,) * 3, noise=0), FACE) is None
    assert skin_angle(scene((220, 180, 150), (120,) * 3, noise=0), Box(40, 40, 60, 60)) is None


def turned(yaw: float, roll: float) -> Points:
    """Landmarks of a head of 100 px between the eyes with a nose of 50 px, turned and tilted by degrees, seen from
    afar."""
    turn, tilt = math.radians(yaw), math.radians(roll)
    across = 100 * math.cos(turn)
    points = np.array(
        [(-across / 2, 0), (across / 2, 0), (50 * math.sin(turn), 60), (-across / 3, 110), (across / 3, 110)]
    )
    rotation = np.array([(math.cos(tilt), math.sin(tilt)), (-math.sin(tilt), math.cos(tilt))])
    return np.asarray(points @ rotation + 300, dtype=np.float32)


@pytest.mark.parametrize(
    ("yaw", "turn"), [(0, "frontal"), (15, "frontal"), (-35, "turned"), (35, "turned"), (60, "profile")]
)
@pytest.mark.parametrize(("roll", "tilt"), [(0, "upright"), (20, "tilted (15–30°)"), (-40, "strongly tilted")])
def test_a_tilted_head_is_not_a_turned_one(yaw: float, turn: str, roll: float, tilt: str) -> None:
    landmarks = turned(yaw, roll)
    image = scene((120,) * 3, (120,) * 3)
    assert slice_of("head turn", image, landmarks=landmarks) == turn
    assert slice_of("head tilt", image, landmarks=landmarks) == tilt
    assert head_pose(landmarks)[1] == pytest.approx(abs(roll), abs=0.1)


def test_without_landmarks_there_is_no_pose() -> None:
    assert not {"head turn", "head tilt"} & set(measure_traits(scene((120,) * 3, (120,) * 3), FACE))
    small = measure_traits(scene((120,) * 3, (120,) * 3), Box(40, 40, 52, 52), turned(0, 0))
    assert "head turn" not in small


@pytest.mark.parametrize("box", [Box(-20, -30, 40, 30), Box(150, 150, 260, 300), Box(179.5, 10, 180, 40)])
def test_a_box_at_the_edge_has_finite_traits(box: Box) -> None:
    values = measure_traits(skimage.data.astronaut()[:180, :180], box)
    assert all(math.isfinite(value) for value in values.values())
    assert values["height"] == box.height
