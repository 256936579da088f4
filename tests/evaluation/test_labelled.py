"""How labelled photos are divided into train, validation and test."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edge.evaluation.labelled import LabelledFace, LabelledPhoto, SplitName, read_photo, split_photos
from edge.geometry import Box
from tests.support.labelled_sets import write_photo

BOX = Box(0, 0, 9, 9)


def test_photos_are_rgb(tmp_path: Path) -> None:
    image = read_photo(write_photo(tmp_path / "a.png", 8, 6))
    assert image.shape == (6, 8, 3)
    assert image[0, 0].tolist() == [200, 20, 10]


def some_photos(set_name: str, count: int) -> list[LabelledPhoto]:
    """Every tenth photo has a rare label beside a common one."""
    box = Box(0, 0, 9, 9)
    common, rare = LabelledFace(box, "common"), LabelledFace(box, "rare")
    return [
        LabelledPhoto(Path(f"{set_name}/images/{i}.jpg"), (common, rare) if i % 10 == 0 else (common,), (), set_name)
        for i in range(count)
    ]


def test_split_is_whole_sized_and_stratified() -> None:
    photos = some_photos("a", 200)
    split = split_photos(photos, seed=1)
    assert {name: len(part) for name, part in split.items()} == {"train": 140, "validation": 30, "test": 30}
    assert sorted(p.path for part in split.values() for p in part) == sorted(p.path for p in photos)
    rare = {name: sum("rare" in photo.labels for photo in part) for name, part in split.items()}
    assert rare == {"train": 14, "validation": 3, "test": 3}


def test_split_depends_on_neither_order_nor_company_but_on_the_seed() -> None:
    photos, others = some_photos("a", 60), some_photos("b", 90)
    split = split_photos(photos, seed=1)
    shuffled = photos + others
    random.Random(5).shuffle(shuffled)
    together = split_photos(shuffled, seed=1)
    assert [p for p in together["test"] if p.set_name == "a"] == split["test"]
    assert split_photos(photos, seed=2)["test"] != split["test"]
    moved = [LabelledPhoto(Path("/elsewhere") / p.path, p.faces, p.ignored, p.set_name) for p in photos]
    assert [p.path.name for p in split_photos(moved, seed=1)["test"]] == [p.path.name for p in split["test"]]


def test_split_of_class_folders_and_of_few_photos() -> None:
    photos = [
        LabelledPhoto(Path(f"s/{label}/{i}.jpg"), (LabelledFace(BOX, label),), (), "s")
        for i in range(20)
        for label in ("x", "y")
    ]
    test = split_photos(photos, seed=0)["test"]
    assert sorted(label for photo in test for label in photo.labels) == ["x"] * 3 + ["y"] * 3
    assert len(split_photos(photos[:1], seed=0)["train"]) == 1
    with pytest.raises(ValueError, match="sum to 1"):
        split_photos(photos, seed=0, fractions=(0.5, 0.5, 0.5))


def test_photos_stay_in_the_part_that_their_folder_names() -> None:
    def photos(split: SplitName, count: int) -> list[LabelledPhoto]:
        return [LabelledPhoto(Path(f"s/{split}/{i}.jpg"), (), (), "s", split) for i in range(count)]

    train, validation, test = photos("train", 20), photos("validation", 4), photos("test", 3)
    split = split_photos([*test, *train, *validation], seed=1)
    assert {name: {photo.split for photo in part} for name, part in split.items()} == {
        "train": {"train"},
        "validation": {"validation"},
        "test": {"test"},
    }
    # What no folder names is drawn from the photos for training.
    split = split_photos([*train, *test], seed=1)
    assert {name: len(part) for name, part in split.items()} == {"train": 17, "validation": 3, "test": 3}
    assert set(split["test"]) == set(test)


def test_a_name_that_is_not_text_is_drawn_like_any_other() -> None:
    photos = [LabelledPhoto(Path(f"s/{i}\udcff.jpg"), (), (), "s") for i in range(10)]
    assert sum(map(len, split_photos(photos, seed=1).values())) == 10
