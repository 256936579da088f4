"""YOLO's texts with their list of classes, and COCO's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.errors import MaskdError
from edge.evaluation.labelled import LabelledFace
from edge.geometry import Box
from tests.support.labelled_sets import faces_of, load, photos_of, write_coco, write_photo, write_text

FACES = [LabelledFace(Box(16, 12, 48, 36), "with_mask"), LabelledFace(Box(0, 0, 16, 24), "without_mask")]
LINES = "0 0.5 0.5 0.5 0.5\n1 0.125 0.25 0.25 0.5\n\n"


@pytest.mark.parametrize(
    ("photo", "label", "names", "content"),
    [
        ("a.jpg", "a.txt", "classes.txt", "Mask\nNo Mask\n"),
        ("images/a.jpg", "labels/a.txt", "classes.txt", "mask\r\nno_mask\r\n"),
        ("images/a.jpg", "labels/a.txt", "labels/classes.txt", "masked\nunmasked\n"),
        ("images/a.jpg", "labels/a.TXT", "data.yaml", "nc: 2\nnames: [with_mask, without_mask]\n"),
        ("images/a.jpg", "labels/a.txt", "dataset.yml", "names:\n  0: with mask\n  1: without mask\n"),
        ("images/val/a.jpg", "labels/val/a.txt", "data.yaml", "names: [Mask, 'No-Mask']"),
        ("train/images/a.jpg", "train/labels/a.txt", "data.yaml", "names: [Mask, nomask]"),
        ("obj_train_data/a.jpg", "obj_train_data/a.txt", "obj.names", "Mask\nNo Mask\n"),
    ],
)
def test_yolo(photo: str, label: str, names: str, content: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_photo(folder / photo)
    write_text(folder / label, LINES)
    write_text(folder / names, content)
    data = load(folder)
    assert faces_of(data) == {"a.jpg": FACES}
    assert data.problems == []
    assert not data.not_looked_at
    assert len(data.taken_lines()) == (0 if "with_mask" in content else 1)


def test_yolo_of_nobody_is_an_empty_text_and_no_text_is_none(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write_photo(tmp_path / "set" / name)
    write_text(tmp_path / "set" / "a.txt", LINES)
    write_text(tmp_path / "set" / "b.txt", "")
    write_text(tmp_path / "set" / "classes.txt", "Mask\nNo Mask\n")
    data = load(tmp_path / "set")
    assert faces_of(data) == {"a.jpg": FACES, "b.jpg": []}
    (line,) = data.problems
    assert "such as c.jpg, have no label file" in line


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2 0.5 0.5 0.5 0.5", "line 2: class 2 is not in the list of classes (Mask, No Mask)"),
        ("0 0.5 0.5 0.5", "line 2: is not `class x y width height`"),
        ("0 0.5 0.5 0.5 0.5 0.93", "line 2: is not `class x y width height`"),
        ("0 0.5 0.5 0.5 nan", "line 2: is not `class x y width height`"),
        ("Mask 0.5 0.5 0.5 0.5", "line 2: is not `class x y width height`"),
        ("0 32 24 10 10", "line 2: is not in fractions of the photo"),
        ("0 0.5 0.5 0 0.5", "line 2: its box (32, 12, 32, 36) is empty"),
    ],
)
def test_a_photo_with_a_line_that_is_not_yolos_is_left_out(line: str, problem: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_photo(tmp_path / "set" / f"{name}.jpg")
    write_text(tmp_path / "set" / "a.txt", LINES)
    write_text(tmp_path / "set" / "b.txt", f"0 0.5 0.5 0.5 0.5\n{line}\n")
    write_text(tmp_path / "set" / "classes.txt", "Mask\nNo Mask\n")
    data = load(tmp_path / "set")
    assert set(photos_of(data)) == {"a.jpg"}
    (listed,) = data.problems
    assert f"b.txt, {problem}" in listed


def test_a_polygon_of_yolo_gives_the_box_around_it(tmp_path: Path) -> None:
    write_photo(tmp_path / "set" / "a.jpg")
    write_text(tmp_path / "set" / "a.txt", "0 0.25 0.5 0.75 0.25 0.5 0.75\n")
    write_text(tmp_path / "set" / "classes.txt", "Mask\n")
    assert faces_of(load(tmp_path / "set"))["a.jpg"] == FACES[:1]


def test_yolo_without_its_classes_is_an_error(tmp_path: Path) -> None:
    write_photo(tmp_path / "set" / "images" / "a.jpg")
    write_text(tmp_path / "set" / "labels" / "a.txt", LINES)
    with pytest.raises(MaskdError, match=r"a\.txt: is a YOLO label, but the names of its classes are missing"):
        load(tmp_path / "set")
    write_text(tmp_path / "set" / "classes.txt", "Mask\nNo Mask\n")
    write_text(tmp_path / "set" / "data.yaml", "names: [No Mask, Mask]")
    with pytest.raises(MaskdError, match=r"classes\.txt and .*data\.yaml name different classes"):
        load(tmp_path / "set")
    write_text(tmp_path / "set" / "data.yaml", "names: [")
    with pytest.raises(MaskdError, match=r"data\.yaml: cannot be read as a list of classes"):
        load(tmp_path / "set")


IMAGE = {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}
ANNOTATIONS = [
    {"image_id": 7, "category_id": 1, "bbox": [16, 12, 32, 24], "iscrowd": 0},
    {"image_id": 7, "category_id": 2, "bbox": [0, 0, 16, 24]},
]


@pytest.mark.parametrize(
    ("photo", "label", "named"),
    [
        ("a.jpg", "instances.json", "a.jpg"),
        ("a.jpg", "_annotations.coco.json", "a.jpg"),
        ("images/a.jpg", "annotations/instances_default.json", "a.jpg"),
        ("images/a.jpg", "labels.json", "images/a.jpg"),
        ("images/val2017/a.jpg", "annotations/instances_val2017.json", "C:\\somewhere\\a.jpg"),
        ("data/a.jpg", "labels.json", "a.jpg"),
    ],
)
def test_coco(photo: str, label: str, named: str, tmp_path: Path) -> None:
    write_photo(tmp_path / "set" / photo)
    write_coco(tmp_path / "set" / label, [{**IMAGE, "file_name": named}], ANNOTATIONS)
    data = load(tmp_path / "set")
    assert faces_of(data) == {"a.jpg": FACES}
    assert data.problems == []


def test_coco_of_another_size_of_a_crowd_and_of_nobody(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write_photo(tmp_path / "set" / name)
    images = [{**IMAGE, "width": 128, "height": 96}, {**IMAGE, "id": 8, "file_name": "b.jpg"}]
    annotations = [
        {"image_id": 7, "category_id": 1, "bbox": [32, 24, 64, 48]},
        {"image_id": 7, "category_id": 2, "segmentation": [[0, 0, 32, 0, 32, 48]]},
        {"image_id": 7, "category_id": 1, "bbox": [100, 0, 20, 40], "iscrowd": 1},
    ]
    write_coco(tmp_path / "set" / "instances.json", images, annotations)
    data = load(tmp_path / "set")
    assert faces_of(data) == {"a.jpg": FACES, "b.jpg": []}
    assert photos_of(data)["a.jpg"].ignored == (Box(50, 0, 60, 20),)
    (line,) = data.problems
    assert "such as c.jpg, have no label file" in line


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"bbox": [16, 12, 0, 24]}, "annotation 3: its box [16, 12, 0, 24] is empty; it is x, y, width, height"),
        ({"bbox": [16, 12, 32]}, "annotation 3: bbox"),
        ({"bbox": [16, 12, 32, "wide"]}, "annotation 3: bbox.3"),
        ({"bbox": None}, "annotation 3: has neither a `bbox` of four numbers nor a polygon"),
        ({"bbox": [90, 90, 5, 5]}, "annotation 3: its box (90, 90, 95, 95) is empty on a photo of 64x48"),
        ({"category_id": 3}, "annotation 3: its category 3 is not listed"),
    ],
)
def test_a_photo_with_one_unusable_annotation_is_left_out(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_photo(tmp_path / "set" / name)
    bad = {"image_id": 8, "category_id": 1, "bbox": [16, 12, 32, 24], **change}
    images = [IMAGE, {**IMAGE, "id": 8, "file_name": "b.jpg"}]
    write_coco(tmp_path / "set" / "instances.json", images, [*ANNOTATIONS, bad])
    data = load(tmp_path / "set")
    assert set(photos_of(data)) == {"a.jpg"}
    (line,) = data.problems
    assert problem in line


@pytest.mark.parametrize(
    ("images", "annotations", "problem"),
    [
        ([{"id": 7}], [], "cannot be read as COCO's JSON"),
        ([IMAGE], [{"image_id": 9, "category_id": 1}], "annotation 1: its image 9 is not listed"),
        ([IMAGE], [[1, 2]], "annotation 1: its image is not listed"),
    ],
)
def test_a_broken_coco_file_is_an_error(
    images: list[Any], annotations: list[Any], problem: str, tmp_path: Path
) -> None:
    write_photo(tmp_path / "set" / "a.jpg")
    write_coco(tmp_path / "set" / "instances.json", images, annotations)
    with pytest.raises(MaskdError) as error:
        load(tmp_path / "set")
    assert problem in str(error.value)


def test_an_image_that_is_listed_twice_is_left_out(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_photo(tmp_path / "set" / name)
    images = [IMAGE, {**IMAGE, "id": 8}, {**IMAGE, "id": 9, "file_name": "b.jpg"}]
    write_coco(tmp_path / "set" / "instances.json", images, ANNOTATIONS)
    data = load(tmp_path / "set")
    assert set(photos_of(data)) == {"b.jpg"}
    assert "a.jpg: has 2 entries" in data.problems[0]
