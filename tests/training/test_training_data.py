"""What training makes of labelled photos: views for the detector, crops for the classifier, tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.camera.photos import read_photo
from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.geometry import Box
from edge.vision.preprocess import Image, crop_face
from tests.support.pictures import write_photo
from training import face_augment
from training.dataset import FaceSample, face_samples, table
from training.face_augment import View, random_view, tiled_view
from training.mask_augment import random_crop

Boxes = NDArray[np.float32]

FACES = np.array(
    [(10, 12, 40, 52), (60, 5, 68, 14), (110, 30, 170, 100), (20, 90, 35, 105), (150, 110, 158, 119)], np.float32
)
UNCOUNTED = np.array([(60, 70, 100, 95), (180, 5, 199, 20)], np.float32)
SIZE = 128


def painted(number: int) -> Image:
    """A pure colour that tells which box it was painted on, from 1 to 7: one bit for each of red, green and blue."""
    return np.array([255 * (number >> bit & 1) for bit in range(3)], np.uint8)


def photo() -> Image:
    """Black, and each face and each box that does not count in a colour of its own."""
    image = np.zeros((120, 200, 3), np.uint8)
    for number, (x1, y1, x2, y2) in enumerate(np.concatenate([FACES, UNCOUNTED]).astype(int), start=1):
        image[y1:y2, x1:x2] = painted(number)
    return image


def numbers(image: Image) -> NDArray[np.int64]:
    """For each pixel the box that was painted there, or 0; the grey around a photo counts as nothing."""
    return np.asarray(((image >= 128) * (1, 2, 4)).sum(axis=2), dtype=np.int64)


def extent(where: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def check_boxes(image: Image, boxes: Boxes, uncounted: Boxes) -> list[int]:
    """Each box encloses one colour within 2 px, and no painted pixel lies outside all boxes. Returns the faces seen."""
    seen = numbers(image)
    faces = []
    for x1, y1, x2, y2 in boxes:
        number = int(seen[int((y1 + y2) / 2), int((x1 + x2) / 2)])
        assert 1 <= number <= len(FACES)
        assert extent(seen == number) == pytest.approx((x1, y1, x2, y2), abs=2)
        faces.append(number)
    covered = np.zeros(seen.shape, bool)
    for x1, y1, x2, y2 in np.concatenate([boxes, uncounted]):
        covered[max(0, int(y1) - 2) : int(y2) + 3, max(0, int(x1) - 2) : int(x2) + 3] = True
    assert not (seen[~covered] > 0).any()
    return faces


def inside(boxes: Boxes, size: int) -> bool:
    return bool((boxes >= 0).all() and (boxes <= size).all() and (boxes[:, 2:] > boxes[:, :2]).all())


def views(count: int, size: int) -> Iterator[View]:
    for seed in range(count):
        yield random_view(photo(), FACES, UNCOUNTED, size, 320, np.random.default_rng(seed))


@pytest.fixture
def only_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views keep their colours, by which faces are found again."""
    for name in ("relit", "degraded"):
        monkeypatch.setattr(face_augment, name, lambda image, rng: image)
    monkeypatch.setattr(face_augment, "troubled", lambda image, boxes, rng: image)


@pytest.mark.usefixtures("only_geometry")
def test_boxes_follow_the_faces_of_a_view() -> None:
    faces, mirrored = [], 0
    for view in views(150, SIZE):
        assert view.image.shape == (SIZE, SIZE, 3)
        assert inside(view.boxes, SIZE)
        assert inside(view.ignored, SIZE)
        found = check_boxes(view.image, view.boxes, view.ignored)
        faces += found
        if {1, 3} <= set(found):
            mirrored += view.boxes[found.index(1), 0] > view.boxes[found.index(3), 0]
    assert set(faces) == set(range(1, len(FACES) + 1))
    assert len(faces) > 150
    assert mirrored > 3


@pytest.mark.usefixtures("only_geometry")
def test_faces_of_many_sizes_come_up() -> None:
    sides = [max(box[2] - box[0], box[3] - box[1]) for view in views(150, SIZE) for box in view.boxes]
    assert min(sides) >= 5
    assert min(sides) < 8
    assert max(sides) > 0.6 * SIZE


@pytest.mark.usefixtures("only_geometry")
def test_boxes_follow_the_faces_of_a_tiled_view() -> None:
    half = SIZE // 2
    quarters = list(views(80, half))
    for first in range(0, 80, 4):
        tiled = tiled_view(quarters[first : first + 4], SIZE)
        assert tiled.image.shape == (SIZE, SIZE, 3)
        total = 0
        for x, y in ((0, 0), (half, 0), (0, half), (half, half)):
            corner = np.array([x, y, x, y], np.float32)

            def of_quarter(boxes: Boxes, corner: Boxes = corner) -> Boxes:
                return boxes[[inside(box[None] - corner, half) for box in boxes]] - corner

            boxes, uncounted = of_quarter(tiled.boxes), of_quarter(tiled.ignored)
            check_boxes(tiled.image[y : y + half, x : x + half], boxes, uncounted)
            total += len(boxes) + len(uncounted)
        # None reaches from one quarter into the next.
        assert total == len(tiled.boxes) + len(tiled.ignored)


def test_a_photo_without_faces_has_views_too() -> None:
    nobody = np.zeros((0, 4), np.float32)
    view = random_view(photo(), nobody, nobody, SIZE, 320, np.random.default_rng(1))
    assert view.image.shape == (SIZE, SIZE, 3)
    assert view.boxes.shape == view.ignored.shape == (0, 4)


def test_the_seed_decides_a_view() -> None:
    one, again, other = (
        random_view(photo(), FACES, UNCOUNTED, SIZE, 320, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert (one.image == again.image).all()
    assert (one.boxes == again.boxes).all()
    assert one.image.dtype == np.uint8
    assert (one.image != other.image).any()


def sample(box: Box, height: int = 90, width: int = 120) -> FaceSample:
    image = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return FaceSample(image, box, "with_mask", "set", "set/photo.png")


@pytest.mark.parametrize("box", [Box(30, 20, 80, 75), Box(0, 0, 12, 15), Box(100, 60, 120, 90), Box(50, 40, 51, 41)])
@pytest.mark.parametrize("size", [32, 96])
def test_random_crops_have_the_form_of_the_daemons(box: Box, size: int) -> None:
    face = sample(box)
    crops = [random_crop(face, margin=0.2, size=size, rng=np.random.default_rng(seed)) for seed in (*range(12), 0)]
    for crop in crops:
        assert crop.shape == (size, size, 3)
        assert crop.dtype == np.uint8
    assert (crops[0] == crops[-1]).all()
    assert (crops[0] != crops[1]).any()


def test_random_crops_stay_near_the_face() -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:80, 60:100] = 255
    face = FaceSample(image, Box(60, 40, 100, 80), "with_mask", "set", "set/photo.png")
    for seed in range(40):
        crop = random_crop(face, margin=0.2, size=48, rng=np.random.default_rng(seed)).astype(int)
        middle, corners = crop[20:28, 20:28].mean(), np.mean([crop[y, x] for y in (0, -1) for x in (0, -1)])
        assert middle > corners + 40


def test_half_of_the_crops_are_those_of_the_detector() -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    image[:, 80:] = 255
    face = FaceSample(image, Box(10, 40, 50, 80), "with_mask", "set", "set/photo.png", Box(110, 40, 150, 80))
    lit = [random_crop(face, margin=0.2, size=32, rng=np.random.default_rng(seed)).mean() > 128 for seed in range(40)]
    assert 10 < sum(lit) < 30


def test_the_detectors_box_moves_with_the_face(noisy_photo: Path) -> None:
    labelled = (LabelledFace(Box(40, 30, 60, 50), "with_mask"), LabelledFace(Box(90, 10, 110, 30), "with_mask"))
    photo = LabelledPhoto(noisy_photo, labelled, (), "set")
    found, missed = face_samples([photo], ["with_mask"], lambda _: [Box(38, 32, 62, 54), Box(0, 0, 20, 20)])[0]
    assert missed.found is None
    assert found.found is not None
    assert (found.found.x1 - found.box.x1, found.found.y2 - found.box.y2) == (-2, 4)


@pytest.fixture(scope="module")
def noisy_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = np.random.default_rng(8).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    return write_photo(tmp_path_factory.mktemp("photos") / "noise.png", image)


corner = st.tuples(st.integers(0, 124), st.integers(0, 92), st.integers(10, 128), st.integers(10, 96))


@settings(max_examples=60)
@example((0, 56, 45, 16), 0.0)  # a half, but for the last digit
@given(corner, st.sampled_from([0.0, 0.25, 0.5]))
def test_a_face_is_cropped_from_its_part_as_from_the_whole_photo(
    noisy_photo: Path, place: tuple[int, int, int, int], fraction: float
) -> None:
    x, y, width, height = place
    box = Box(x + fraction, y, x + fraction + width, y + height).clipped(128, 96)
    face = LabelledFace(box, "with_mask")
    samples, left_out = face_samples([LabelledPhoto(noisy_photo, (face,), (), "set")], ["with_mask"])
    if max(box.width, box.height) < 10:
        assert samples == []
        assert left_out == {"too small": 1}
        return
    (found,) = samples
    expected = crop_face(read_photo(noisy_photo), box, margin=0.2, size=32)
    assert (crop_face(found.image, found.box, margin=0.2, size=32) == expected).all()
    assert (found.box.width, found.box.height) == pytest.approx((box.width, box.height))


def test_only_known_labels_and_faces_that_can_be_judged_become_samples(noisy_photo: Path) -> None:
    faces = (
        LabelledFace(Box(10, 10, 30, 30), "with_mask"),
        LabelledFace(Box(60, 10, 69, 19), "with_mask"),
        LabelledFace(Box(40, 40, 60, 60), "mask_weared_incorrect"),
        LabelledFace(Box(70, 60, 75, 70), "without_mask"),
    )
    samples, left_out = face_samples(
        [LabelledPhoto(noisy_photo, faces, (), "crowd"), LabelledPhoto(noisy_photo, (), (), "crowd")],
        ("with_mask", "without_mask"),
    )
    assert [face.label for face in samples] == ["with_mask", "without_mask"]
    assert {face.source for face in samples} == {"crowd/noise.png"}
    assert left_out == {"labelled mask_weared_incorrect": 1, "too small": 1}
    # Little enough to keep in memory: one box's size on every side.
    assert samples[0].image.shape[0] <= 62


def test_the_table_counts_photos_and_faces_of_each_split_and_set() -> None:
    def shown(set_name: str, *labels: str) -> LabelledPhoto:
        return LabelledPhoto(Path("a.png"), tuple(LabelledFace(Box(0, 0, 9, 9), name) for name in labels), (), set_name)

    crowd, portrait = shown("crowd", "with_mask", "with_mask", "without_mask"), shown("portraits", "without_mask")
    text = table({"train": [crowd, crowd, portrait], "validation": [portrait], "test": []})
    rows = [line.split() for line in text.splitlines()]
    assert rows == [
        ["photos", "with_mask", "without_mask"],
        ["train", "3", "4", "3"],
        ["crowd", "2", "4", "2"],
        ["portraits", "1", "0", "1"],
        ["validation", "1", "0", "1"],
        ["crowd", "0", "0", "0"],
        ["portraits", "1", "0", "1"],
        ["test", "0", "0", "0"],
        ["crowd", "0", "0", "0"],
        ["portraits", "0", "0", "0"],
    ]
    assert len({len(line) for line in text.splitlines()}) == 1

    one_set = table({"train": [portrait], "validation": [], "test": []})
    assert [line.split()[0] for line in one_set.splitlines()] == ["photos", "train", "validation", "test"]
