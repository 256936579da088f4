"""What was marked by eye on the labelled faces belongs to faces that are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.evaluation.examples import load_photos
from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.geometry import Box
from edge.vision.preprocess import Image
from tests.support.places import DATA, NO_DATA
from training.evaluation.marks import BEARD, BEFORE_MOUTH, DARK_MASK, FILE, marks_of
from training.evaluation.slices import TRAITS


def photo(set_name: str, name: str, *boxes: Box) -> LabelledPhoto:
    return LabelledPhoto(Path(name), tuple(LabelledFace(box, "with_mask") for box in boxes), set_name=set_name)


def test_a_mark_belongs_to_the_face_whose_box_it_names() -> None:
    set_name, photos = next(iter(json.loads(FILE.read_text(encoding="utf-8")).items()))
    name, (marked, *_) = next(iter(photos.items()))
    box = Box(*map(float, marked["box"]))
    beside = box.moved(2 * box.width, 0)
    nearly = Box(box.x1 - 0.4, box.y1 + 0.4, box.x2 + 0.4, box.y2)
    assert marks_of(photo(set_name, name, beside, nearly)) == [frozenset(), frozenset(marked["marks"])]
    assert marks_of(photo("another_voc", name, nearly)) == [frozenset()]


def test_the_evaluation_knows_every_mark_that_is_used() -> None:
    sets = json.loads(FILE.read_text(encoding="utf-8"))
    used = {mark for photos in sets.values() for faces in photos.values() for face in faces for mark in face["marks"]}
    assert used == {BEFORE_MOUTH, BEARD, DARK_MASK}
    assert used <= {trait.name for trait in TRAITS}


@pytest.mark.accuracy
@pytest.mark.skipif(not DATA.is_dir(), reason=NO_DATA)
def test_every_mark_fits_a_face_that_no_training_saw() -> None:
    def no_boxes(_image: Image) -> list[Box]:
        raise AssertionError("a class folder")

    for name, photos in json.loads(FILE.read_text(encoding="utf-8")).items():
        splits = load_photos([DATA / name], 1, no_boxes).splits
        held_out = {each.path.name: each for part in ("test", "validation") for each in splits[part]}
        for photo_name, faces in photos.items():
            expected = sorted(sorted(face["marks"]) for face in faces)
            assert sorted(sorted(marks) for marks in marks_of(held_out[photo_name]) if marks) == expected, photo_name
