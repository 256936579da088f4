"""Labelled photos, read from real files on disk."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import MaskdError
from edge.evaluation.labelled import (
    ClassPhoto,
    LabelledFace,
    LabelledPhoto,
    find_sets,
    list_photos,
    read_class_folders,
    read_photo,
    read_voc,
    split_photos,
)
from edge.geometry import Box


def write_photo(path: Path, width: int = 64, height: int = 48) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), (10, 20, 200), np.uint8))
    return path


def annotate(folder: Path, name: str, objects: str, filename: str | None = None) -> None:
    path = folder / "annotations" / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    named = filename if filename is not None else f"{name}.png"
    path.write_text(f"<annotation><filename>{named}</filename>{objects}</annotation>", encoding="utf-8")


def face(label: str, *corners: object) -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, corners, strict=True))
    return f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    folder = tmp_path / "crowd_voc"
    for name in ("good", "empty", "renamed"):
        write_photo(folder / "images" / f"{name}.png")
    annotate(folder, "good", face("with_mask", 1, 2, 30, 40) + face("without_mask", -5, 10, 70, 20.5))
    annotate(folder, "empty", "")
    annotate(folder, "renamed", face("with_mask", 1, 2, 3, 4), filename=r"C:\photos\elsewhere.jpg")
    return folder


def test_reads_faces_and_clips_their_boxes(voc: Path) -> None:
    result = read_voc(voc)
    assert result.problems == []
    photos = {photo.path.stem: photo for photo in result.photos}
    assert photos["good"].faces == (
        LabelledFace(Box(1, 2, 30, 40), "with_mask"),
        LabelledFace(Box(0, 10, 64, 20.5), "without_mask"),
    )
    assert photos["empty"].faces == ()
    assert photos["renamed"].path == voc / "images" / "renamed.png"
    assert {photo.set_name for photo in result.photos} == {"crowd_voc"}


def test_a_filename_leads_nowhere_outside_the_set(voc: Path) -> None:
    write_photo(voc.parent / "secret.png")
    annotate(voc, "escape", face("with_mask", 1, 2, 3, 4), filename="../../secret.png")
    result = read_voc(voc)
    assert len(result.photos) == 3
    assert "its photo is missing" in result.problems[0]


@pytest.mark.parametrize(
    ("objects", "problem", "ignored"),
    [
        (face("with_mask", 30, 40, 1, 2), "corners are swapped", (Box(1, 2, 30, 40),)),
        (face("with_mask", 5, 5, 5, 20), "is empty on a photo of 64x48", ()),
        (face("with_mask", 100, 5, 120, 20), "is empty on a photo of 64x48", ()),
        (face("", 1, 2, 30, 40), "has no name", (Box(1, 2, 30, 40),)),
        (face("with_mask", "a", 2, 30, 40), "no box of four numbers", ()),
        (face("with_mask", "nan", 2, 30, 40), "no box of four numbers", ()),
        ("<object><name>with_mask</name></object>", "no box of four numbers", ()),
    ],
)
def test_unusable_faces_are_named_and_left_out(voc: Path, objects: str, problem: str, ignored: tuple[Box, ...]) -> None:
    annotate(voc, "good", objects + face("without_mask", 1, 1, 9, 9))
    result = read_voc(voc)
    assert len(result.problems) == 1
    assert problem in result.problems[0]
    assert "good.xml, object 1" in result.problems[0]
    good = next(photo for photo in result.photos if photo.path.stem == "good")
    assert [f.label for f in good.faces] == ["without_mask"]
    assert good.ignored == ignored


def test_unusable_files_are_named_and_left_out(voc: Path) -> None:
    (voc / "annotations" / "good.xml").write_text("<annotation>", encoding="utf-8")
    (voc / "images" / "empty.png").write_bytes(b"")
    (voc / "images" / "renamed.png").unlink()
    result = read_voc(voc)
    assert result.photos == []
    expected = ("empty.png is empty", "not readable as XML", "its photo is missing")
    assert len(result.problems) == len(expected)
    for problem, part in zip(result.problems, expected, strict=True):
        assert part in problem


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused(voc: Path, encoding: str) -> None:
    bomb = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "with_mask">]>'
    text = f"{bomb}<annotation><filename>good.png</filename>{face('&b;', 1, 2, 30, 40)}</annotation>"
    (voc / "annotations" / "good.xml").write_text(text, encoding=encoding)
    result = read_voc(voc)
    assert len(result.photos) == 2
    assert "document type declaration" in result.problems[0]


def test_unlabelled_faces_are_ignored_ones(voc: Path) -> None:
    (voc / "unlabelled.json").write_text(json.dumps({"good.png": [[-5, 1, 20, 30.5]]}), encoding="utf-8")
    good = next(photo for photo in read_voc(voc).photos if photo.path.stem == "good")
    assert good.ignored == (Box(0, 1, 20, 30.5),)
    (voc / "unlabelled.json").write_text('{"good.png": [[1, 2]]}', encoding="utf-8")
    with pytest.raises(MaskdError, match=r"unlabelled\.json: should map photos"):
        read_voc(voc)


def test_class_folders(tmp_path: Path) -> None:
    write_photo(tmp_path / "with_mask" / "a.jpg")
    write_photo(tmp_path / "without_mask" / "a.JPG")
    (tmp_path / "with_mask" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "with_mask" / "notes.txt").write_text("no picture", encoding="utf-8")
    result = read_class_folders(tmp_path)
    assert [(photo.path.name, photo.label) for photo in result.photos] == [
        ("a.jpg", "with_mask"),
        ("a.JPG", "without_mask"),
    ]
    assert len(result.problems) == 1
    assert "broken.jpg" in result.problems[0]


def test_finds_sets_of_every_kind_below_a_folder(voc: Path, tmp_path: Path) -> None:
    write_photo(tmp_path / "folders" / "with_mask" / "a.jpg")
    write_photo(tmp_path / "folders" / "without_mask" / "a.jpg")
    write_photo(tmp_path / "plain" / "a.jpg")
    (tmp_path / "videos").mkdir()
    found = {(s.path.name, s.kind) for s in find_sets([tmp_path, voc])}
    assert found == {("crowd_voc", "voc"), ("folders", "classes"), ("plain", "plain")}
    with pytest.raises(MaskdError, match="holds no photos"):
        find_sets([tmp_path / "videos"])
    with pytest.raises(MaskdError, match="no such folder"):
        find_sets([tmp_path / "nowhere"])


def test_photos_are_rgb(tmp_path: Path) -> None:
    image = read_photo(write_photo(tmp_path / "a.png", 8, 6))
    assert image.shape == (6, 8, 3)
    assert image[0, 0].tolist() == [200, 20, 10]
    assert list_photos(tmp_path) == [tmp_path / "a.png"]


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
    photos = [ClassPhoto(Path(f"s/{label}/{i}.jpg"), label, "s") for i in range(20) for label in ("x", "y")]
    test = split_photos(photos, seed=0)["test"]
    assert sorted(photo.label for photo in test) == ["x"] * 3 + ["y"] * 3
    assert len(split_photos(photos[:1], seed=0)["train"]) == 1
    with pytest.raises(ValueError, match="sum to 1"):
        split_photos(photos, seed=0, fractions=(0.5, 0.5, 0.5))


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may read everything, so it becomes nobody for a while."""
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    yield
    os.seteuid(user)


@pytest.mark.parametrize(
    ("closed", "mode"),
    [("voc", 0), ("voc", 0o444), ("voc/images", 0), ("voc/images", 0o444), ("voc/annotations", 0), ("classes/bare", 0)],
)
@pytest.mark.usefixtures("unprivileged")
def test_a_folder_that_may_not_be_read_is_named(closed: str, mode: int) -> None:
    # Not in tmp_path, which nobody may enter.
    with tempfile.TemporaryDirectory() as name:
        write_photo(Path(name) / "voc" / "images" / "a.png")
        annotate(Path(name) / "voc", "a", face("with_mask", 1, 2, 30, 40))
        write_photo(Path(name) / "classes" / "bare" / "a.png")
        folder = Path(name) / closed
        folder.chmod(mode)
        try:
            with pytest.raises(MaskdError, match=f"{folder} cannot be read: Permission denied"):
                read_voc(find_sets([Path(name) / closed.partition("/")[0]])[0].path)
        finally:
            folder.chmod(0o755)
