"""Masks painted on bare faces: what they hide, what they leave alone, and the labels that follow."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.preprocess import Image
from tests.support.weights import YUNET, weights
from training.dataset import FaceSample
from training.face_props import random_prop
from training.landmarks import LandmarkFinder, Landmarks, is_plausible, landmarks_of
from training.mask_fabrics import HEIGHT, WIDTH, Array, Fabric, drawn_fabric, grid, unrolled_fabric
from training.mask_shapes import NOMINAL, Wearing, face_camera, random_shape
from training.worn_masks import MarkedFace, dressed, label_of, lies_as_meant, wear, worn_mask_samples

LABELS = ("with_mask", "without_mask", "mask_weared_incorrect")
WEARINGS: tuple[Wearing, ...] = ("correct", "under_nose", "on_chin", "under_chin", "over_eyes")

FRONT = Landmarks((80, 80), (120, 80), (100, 105), (86, 123), (114, 123))
FACE = Box(55, 40, 145, 152)
CHIN, NECK, FOREHEAD = (100, 145), (100, 165), (100, 55)


def turned(landmarks: Landmarks, degrees: float, about: tuple[float, float] = (100, 100)) -> Landmarks:
    points = np.concatenate([landmarks.points(), np.ones((5, 1), np.float32)], axis=1)
    return landmarks_of((points @ cv2.getRotationMatrix2D(about, degrees, 1).T).astype(np.float32))


def aside(landmarks: Landmarks, shift: float) -> Landmarks:
    """The face turned to a side: the nose goes the farthest, the eyes come together."""
    points = landmarks.points()
    points[:, 0] = 100 + (points[:, 0] - 100) * 0.85
    points[2, 0] += shift
    points[3:, 0] += shift * 0.4
    return landmarks_of(points)


def portrait(seed: int = 1) -> Image:
    """A drawn head before a grey wall, 200x200, lit from the left and a little noisy."""
    image = np.full((200, 200, 3), (105, 110, 120), np.uint8)
    cv2.rectangle(image, (80, 140), (120, 199), (170, 130, 105), -1)
    cv2.ellipse(image, (100, 98), (43, 55), 0, 0, 360, (200, 155, 125), -1)
    for x in (80, 120):
        cv2.circle(image, (x, 80), 5, (40, 30, 30), -1)
    cv2.line(image, (87, 123), (113, 123), (150, 60, 60), 4)
    light = np.linspace(1.1, 0.85, 200, dtype=np.float32)[None, :, None]
    noise = np.random.default_rng(seed).normal(0, 2, image.shape)
    return np.asarray(np.clip(image * light + noise, 0, 255), np.uint8)


def plain(colour: tuple[float, float, float] = (0.1, 0.9, 0.1)) -> Fabric:
    u, v = grid()
    cover = ((np.abs(u) <= 1) & (v >= 0) & (v <= 1)).astype(np.float32)
    return Fabric(np.broadcast_to(np.array(colour, np.float32), (HEIGHT, WIDTH, 3)).copy(), cover)


def is_green(image: Image, place: tuple[float, float]) -> bool:
    red, green, blue = (int(c) for c in image[round(place[1]), round(place[0])])
    return green > red + 40 and green > blue + 40


HIDDEN = {
    # Whether a mask worn so hides the forehead, the eyes, the nose, the mouth, the chin; None: now and then.
    "correct": (False, False, True, True, True),
    "under_nose": (False, False, False, True, True),
    "on_chin": (False, False, False, False, True),
    "under_chin": (False, False, False, False, None),
    "over_eyes": (None, True, False, False, False),
}


@pytest.mark.parametrize("wearing", WEARINGS)
def test_a_mask_hides_what_its_way_of_wearing_says(wearing: Wearing) -> None:
    bare = portrait()
    for seed in range(25):
        rng = np.random.default_rng(seed)
        image, cover = wear(bare, face_camera(FRONT), random_shape(wearing, rng), plain(), rng)
        places = (FOREHEAD, FRONT.left_eye, FRONT.nose, (100, 123), CHIN)
        for place, hidden in zip(places, HIDDEN[wearing], strict=True):
            if hidden is not None:
                assert is_green(image, place) == hidden, (seed, place)
                assert (cover[round(place[1]), round(place[0])] > 0.5) == hidden, (seed, place)
        if wearing in ("on_chin", "under_chin"):
            assert any(is_green(image, (100, y)) for y in range(136, 175)), seed


@pytest.mark.parametrize("degrees", [-25, 20])
def test_a_mask_turns_with_the_face(degrees: float) -> None:
    image = np.full((200, 200, 3), (190, 150, 125), np.uint8)
    landmarks = turned(FRONT, degrees)
    rng = np.random.default_rng(3)
    worn, cover = wear(image, face_camera(landmarks), NOMINAL, plain(), rng)
    assert lies_as_meant(cover, landmarks, "correct")
    # The middle of the mask hangs below the eyes along the face, not straight down.
    middle = landmarks.points()[3:].mean(axis=0)
    assert is_green(worn, (middle[0], middle[1]))
    _, x = np.nonzero(cover > 0.5)
    assert abs(x.mean() - middle[0]) < 8
    assert (x.mean() > 100) == (degrees > 0)


def test_a_mask_on_a_turned_face_moves_to_the_side_that_it_looks_to() -> None:
    image = np.full((200, 200, 3), (190, 150, 125), np.uint8)

    def reach(landmarks: Landmarks) -> tuple[float, float]:
        _, cover = wear(image, face_camera(landmarks), NOMINAL, plain(), np.random.default_rng(3))
        nose_row = cover[round(landmarks.nose[1]) + 10]
        (covered,) = np.nonzero(nose_row > 0.5)
        return landmarks.nose[0] - covered[0], covered[-1] - landmarks.nose[0]

    left, right = reach(FRONT)
    assert abs(left - right) < 4
    left, right = reach(aside(FRONT, 10))
    assert left > right + 10
    left, right = reach(aside(FRONT, -10))
    assert right > left + 10


@pytest.mark.parametrize("wearing", WEARINGS)
def test_the_rest_of_the_picture_stays_as_it_is(wearing: Wearing) -> None:
    bare = portrait()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        image, cover = wear(bare, face_camera(FRONT), random_shape(wearing, rng), drawn_fabric(rng), rng)
        changed = (image != bare).any(axis=2)
        assert changed[cover > 0.9].mean() > 0.8
        # Shadow and loops lie close to the mask; nothing else is touched.
        near = cv2.dilate((cover > 0.02).astype(np.uint8), np.ones((41, 41), np.uint8))
        loops = np.zeros_like(near)
        loops[60:, 30:170] = 1
        assert not (changed & (near == 0) & (loops == 0)).any()
        assert not changed[:, :20].any()
        assert not changed[:, 180:].any()
        if wearing != "over_eyes":
            assert not changed[:60].any()


def test_white_masks_are_darker_in_the_dark() -> None:
    def brightness(image: Image) -> float:
        white = plain((0.95, 0.95, 0.95))
        worn, cover = wear(image, face_camera(FRONT), NOMINAL, white, np.random.default_rng(2))
        return float(worn[cover > 0.9].mean())

    by_day, by_night = portrait(), (portrait() * 0.3).astype(np.uint8)
    assert brightness(by_day) > 170
    assert 45 < brightness(by_night) < 0.5 * brightness(by_day)


def test_a_picture_without_colours_gets_a_mask_without_colours() -> None:
    grey = np.repeat(portrait().mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    worn, cover = wear(grey, face_camera(FRONT), NOMINAL, plain(), np.random.default_rng(2))
    spread = np.ptp(worn[cover > 0.9].astype(float).reshape(-1, 3).mean(axis=0))
    assert spread < 6


@pytest.mark.parametrize(
    ("landmarks", "plausible"),
    [
        (FRONT, True),
        (turned(FRONT, 20), True),
        (aside(FRONT, 8), True),
        (turned(FRONT, 50), False),
        (turned(FRONT, 180), False),
        (aside(FRONT, 30), False),
        (landmarks_of(FRONT.points() * np.array([0.3, 1], np.float32) + np.array([70, 0], np.float32)), False),
        (Landmarks((80, 80), (120, 80), (100, 78), (86, 123), (114, 123)), False),
    ],
)
def test_only_faces_from_the_front_or_half_from_the_side_are_painted(landmarks: Landmarks, plausible: bool) -> None:
    assert is_plausible(landmarks, FACE) == plausible


@pytest.mark.parametrize("wearing", WEARINGS)
def test_a_mask_that_lies_otherwise_is_noticed(wearing: Wearing) -> None:
    def cover(first: int, last: int) -> Array:
        covered = np.zeros((200, 200), np.float32)
        covered[first:last, 55:145] = 1
        return covered

    meant: dict[Wearing, tuple[int, int]] = {
        "correct": (92, 150),
        "under_nose": (112, 160),
        "on_chin": (132, 165),
        "under_chin": (148, 170),
        "over_eyes": (60, 95),
    }
    assert lies_as_meant(cover(*meant[wearing]), FRONT, wearing)
    assert not lies_as_meant(cover(60, 170), FRONT, wearing)
    if wearing not in ("on_chin", "under_chin"):
        assert not lies_as_meant(cover(0, 0), FRONT, wearing)


def sample(image: Image, box: Box = FACE, label: str = "without_mask") -> FaceSample:
    return FaceSample(image, box, label, "set", "set/photo.png")


@pytest.mark.parametrize("wearing", [*WEARINGS, None])
def test_the_label_follows_from_the_way_of_wearing(wearing: Wearing | None) -> None:
    face = MarkedFace(sample(portrait()), FRONT)
    made = dressed(face, wearing, plain(), np.random.default_rng(1))
    assert made is not None
    assert made.label == label_of(wearing)
    assert (made.set_name, made.source, made.box) == ("painted", "set/photo.png", FACE)
    assert made.image.shape == face.sample.image.shape
    assert made.image.dtype == np.uint8
    assert (face.sample.image == portrait()).all()
    expected = {"correct": "with_mask", None: "without_mask"}.get(wearing, "mask_weared_incorrect")
    assert made.label == expected


def test_large_faces_are_made_smaller_with_their_boxes() -> None:
    large = cv2.resize(portrait(), (800, 800), interpolation=cv2.INTER_LINEAR)
    face = MarkedFace(sample(np.asarray(large, np.uint8), FACE.scaled(4, 4)), FRONT.scaled(4))
    made = dressed(face, "correct", plain(), np.random.default_rng(1))
    assert made is not None
    assert max(made.box.width, made.box.height) == pytest.approx(128)
    scale = 128 / 448
    assert made.image.shape[:2] == (round(800 * scale), round(800 * scale))
    assert is_green(made.image, (FRONT.nose[0] * 4 * scale, FRONT.nose[1] * 4 * scale))


def test_the_seed_decides_a_painting() -> None:
    face = MarkedFace(sample(portrait()), FRONT)

    def paint(seed: int) -> Image:
        rng = np.random.default_rng(seed)
        made = dressed(face, "under_nose", drawn_fabric(rng), rng)
        assert made is not None
        return made.image

    assert (paint(4) == paint(4)).all()
    assert (paint(4) != paint(5)).any()


def test_drawn_fabrics_are_masks_of_many_kinds() -> None:
    fabrics = [drawn_fabric(np.random.default_rng(seed)) for seed in range(40)]
    for fabric in fabrics:
        assert fabric.colour.shape == (HEIGHT, WIDTH, 3)
        assert fabric.cover.shape == (HEIGHT, WIDTH)
        assert 0 <= fabric.colour.min() <= fabric.colour.max() <= 1
        assert fabric.cover[HEIGHT // 2, WIDTH // 4 : 3 * WIDTH // 4].min() == 1
        assert fabric.cover[[0, 0, -1, -1], [0, -1, 0, -1]].max() == 0
    levels = [float(fabric.colour[fabric.cover > 0].mean()) for fabric in fabrics]
    assert min(levels) < 0.25
    assert max(levels) > 0.75


def test_props_come_before_the_mouth_or_the_neck_and_leave_the_eyes() -> None:
    bare = portrait()
    places: Counter[str] = Counter()
    for seed in range(40):
        image = random_prop(bare, face_camera(FRONT), np.random.default_rng(seed))
        changed = np.abs(image.astype(int) - bare).max(axis=2) > 12
        assert not changed[:90].any()
        assert changed.any()
        places["mouth"] += bool(changed[115:135, 80:120].any())
        places["below"] += bool(changed[160:, 60:140].any())
    assert places["mouth"] > 15
    assert places["below"] > 15


def striped() -> Fabric:
    """Blue above, red below, so that what is unrolled can be recognised."""
    fabric = plain((0.2, 0.3, 0.9))
    _, v = grid()
    fabric.colour[v > 0.5] = (0.9, 0.2, 0.2)
    return fabric


@pytest.mark.parametrize("landmarks", [FRONT, aside(FRONT, 7), turned(FRONT, 12)])
def test_a_mask_comes_off_a_photo_as_it_was_put_on(landmarks: Landmarks) -> None:
    rng = np.random.default_rng(5)
    image = np.full((200, 200, 3), (205, 165, 140), np.uint8)
    worn, _ = wear(image, face_camera(landmarks), NOMINAL, striped(), rng)
    fabric = unrolled_fabric(worn, landmarks)
    assert fabric is not None
    assert fabric.lit
    u, v = grid()
    inside = (np.abs(u) < 0.7) & (v > 0.08) & (v < 0.92)
    assert fabric.cover[inside].min() > 0.8
    assert fabric.cover[(v < -0.1) | (np.abs(u) > 1.1)].max() < 0.3
    red, blue = fabric.colour[..., 0], fabric.colour[..., 2]
    assert (blue > red)[inside & (v < 0.4)].all()
    assert (red > blue)[inside & (v > 0.6)].all()


def test_no_mask_comes_off_a_bare_face() -> None:
    noisy = np.random.default_rng(1).normal((200, 160, 135), 4, (200, 200, 3))
    assert unrolled_fabric(np.clip(noisy, 0, 255).astype(np.uint8), FRONT) is None


@pytest.fixture(scope="module")
def yunet() -> Path:
    return weights(YUNET)


ASTRONAUT: Image = np.ascontiguousarray(skimage.data.astronaut()[:280, 70:380])
ASTRONAUT_FACE = Box(108, 65, 199, 176)


def test_landmarks_of_a_photo(yunet: Path) -> None:
    found = LandmarkFinder(yunet).find(ASTRONAUT, ASTRONAUT_FACE)
    assert found is not None
    expected = np.array([(130, 108), (171, 108), (148, 131), (136, 150), (170, 150)], np.float32)
    assert np.abs(found.points() - expected).max() < 9
    # The box of another place has no face, however many there are on the photo.
    assert LandmarkFinder(yunet).find(ASTRONAUT, Box(0, 150, 90, 260)) is None
    assert LandmarkFinder(yunet).find(np.full((200, 200, 3), 128, np.uint8), FACE) is None


def test_faces_of_training_photos_get_masks(yunet: Path) -> None:
    faces = [
        sample(ASTRONAUT, ASTRONAUT_FACE),
        sample(np.ascontiguousarray(ASTRONAUT[:, ::-1]), Box(111, 65, 202, 176)),
    ]
    small = cv2.resize(ASTRONAUT, (128, 128), interpolation=cv2.INTER_AREA)
    faces.append(sample(np.asarray(small, np.uint8), ASTRONAUT_FACE.scaled(0.25, 0.25)))
    made = worn_mask_samples(faces, yunet, 40, 1, LABELS)
    assert len(made) == 40
    counts = Counter(face.label for face in made)
    assert 8 < counts["with_mask"] < 25
    assert 12 < counts["mask_weared_incorrect"] < 30
    assert 1 <= counts["without_mask"] < 10
    # None from the face that is too small.
    assert min(face.image.shape[0] for face in made) > 200
    again = worn_mask_samples(faces, yunet, 8, 1, LABELS)
    assert all((a.image == b.image).all() and a.label == b.label for a, b in zip(made, again, strict=False))
    other = worn_mask_samples(faces, yunet, 5, 2, LABELS)
    assert any(a.image.shape != b.image.shape or (a.image != b.image).any() for a, b in zip(made, other, strict=False))


def test_two_classes_get_no_third(yunet: Path) -> None:
    made = worn_mask_samples([sample(ASTRONAUT, ASTRONAUT_FACE)], yunet, 30, 1, ("with_mask", "without_mask"))
    assert {face.label for face in made} == {"with_mask", "without_mask"}


def test_without_bare_faces_nothing_is_painted(yunet: Path) -> None:
    masked = [sample(ASTRONAUT, ASTRONAUT_FACE, label="with_mask")]
    assert worn_mask_samples(masked, yunet, 10, 1, LABELS) == []
    blank = [sample(np.full((200, 200, 3), 128, np.uint8))]
    assert worn_mask_samples(blank, yunet, 10, 1, LABELS) == []


def test_a_landmark_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MaskdError, match=r"gone\.onnx does not exist; give the path to "):
        worn_mask_samples([], tmp_path / "gone.onnx", 10, 1, LABELS)


def test_batches_draw_the_wished_share_from_painted_faces() -> None:
    pytest.importorskip("keras", reason="training needs the extra `train` of pyproject.toml")
    from training.masks import MaskBatches, MaskTraining

    dark = [sample(np.zeros((80, 80, 3), np.uint8), Box(20, 20, 60, 60), label) for label in LABELS * 20]
    painted = [sample(np.full((80, 80, 3), 255, np.uint8), Box(20, 20, 60, 60), LABELS[2])] * 7

    def share(wished: float, extra: list[FaceSample]) -> float:
        options = MaskTraining(batch_size=30, input_size=32, mixup=0, painted_share=wished)
        batches = MaskBatches(dark, options, extra)
        assert len(batches) == 2
        crops = np.concatenate([batches[index][0] for index in range(12)])
        return float((crops.mean(axis=(1, 2, 3)) > 128).mean())

    assert share(0.3, painted) == pytest.approx(0.3, abs=0.08)
    assert share(0.0, painted) == 0
    assert share(0.3, []) == 0
    assert share(1.0, painted) == 1
