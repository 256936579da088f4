"""Corrections of labels, on sets that are written to disk, and the shipped ones on the sets that they are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.errors import MaskdError
from edge.evaluation.corrections import (
    FILE_NAME,
    SHIPPED,
    Correction,
    apply_corrections,
    as_json,
    corrections_of,
)
from edge.evaluation.examples import PhotoData, face_crops, load_photos
from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.evaluation.labels.names import NO_FACE, UNSURE
from edge.evaluation.labels.photo_set import PhotoSet
from edge.geometry import Box
from edge.vision.preprocess import Image
from tests.support.labelled_sets import annotate, face, write_photo
from tests.support.places import DATA

LEFT, RIGHT = [2, 4, 22, 34], [30, 4, 60, 44]


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """40 photos of two faces, the left one with a mask; each fifth right one without."""
    folder = tmp_path / "door_voc"
    for number in range(40):
        write_photo(folder / "images" / f"{number}.png")
        right = "without_mask" if number % 5 == 0 else "with_mask"
        annotate(folder, str(number), face("with_mask", *LEFT) + face(right, *RIGHT))
    return folder


def no_boxes(_: Image) -> list[Box]:
    raise AssertionError("these sets bring their boxes")


def correct(folder: Path, *entries: dict[str, Any]) -> None:
    (folder / FILE_NAME).write_text(json.dumps(list(entries)), encoding="utf-8")


def load(folder: Path, *, corrected: bool = True) -> PhotoData:
    return load_photos([folder], 1, no_boxes, corrected=corrected)


def photo(data: PhotoData, name: str) -> LabelledPhoto:
    return next(p for part in data.splits.values() for p in part if p.path.name == name)


def parts(data: PhotoData) -> dict[str, list[str]]:
    return {name: [p.path.name for p in part] for name, part in data.splits.items()}


def test_a_label_is_corrected_where_the_box_is_about_the_published_one(voc: Path) -> None:
    correct(voc, {"photo": "3.png", "box": [31, 4, 60, 45], "label": "mask_weared_incorrect", "reason": "nose free"})
    data = load(voc)
    assert photo(data, "3.png").faces == (
        LabelledFace(Box(*LEFT), "with_mask"),
        LabelledFace(Box(*RIGHT), "mask_weared_incorrect"),
    )
    assert data.problems == []
    assert data.corrections_text() == "labels corrected: 1 in door_voc"
    published = load(voc, corrected=False)
    assert photo(published, "3.png").labels == ("with_mask", "with_mask")
    assert published.corrections_text() == "labels corrected: none"


def test_no_photo_moves_to_another_part_of_the_split(voc: Path) -> None:
    """Without the split by published labels, every photo here would be drawn anew."""
    before = parts(load(voc, corrected=False))
    labels = ("mask_weared_incorrect", "without_mask", UNSURE, NO_FACE)
    correct(
        voc,
        *({"photo": f"{number}.png", "box": RIGHT, "label": labels[number % 4]} for number in range(40)),
        *({"photo": f"{n}.png", "box": [5, 36, 15, 46], "label": "rare", "add": True} for n in range(0, 40, 7)),
    )
    data = load(voc)
    assert data.problems == []
    assert data.corrected["door_voc"] > 30
    assert parts(data) == before


def test_unsure_faces_are_for_the_detector_alone(voc: Path) -> None:
    correct(voc, {"photo": "0.png", "box": LEFT, "label": UNSURE})
    corrected = photo(load(voc), "0.png")
    assert [f.box for f in corrected.faces] == [Box(*LEFT), Box(*RIGHT)]
    crops, left_out = face_crops([corrected], ("with_mask", "without_mask"), margin=0.1, size=8)
    assert [crop.label for crop in crops] == [1]
    assert left_out == {UNSURE: 1}


def test_no_face_takes_the_box_out(voc: Path) -> None:
    correct(voc, {"photo": "0.png", "box": LEFT, "label": NO_FACE})
    corrected = photo(load(voc), "0.png")
    assert corrected.faces == (LabelledFace(Box(*RIGHT), "without_mask"),)
    assert corrected.ignored == ()


def test_an_added_face_takes_the_place_of_an_ignored_one(voc: Path) -> None:
    (voc / "unlabelled.json").write_text('{"0.png": [[23, 34, 29, 42], [0, 40, 9, 48]]}', encoding="utf-8")
    correct(voc, {"photo": "0.png", "box": [23, 34, 29, 48.4], "label": "with_mask", "add": True})
    data = load(voc)
    assert photo(data, "0.png").faces[2:] == (LabelledFace(Box(23, 34, 29, 48), "with_mask"),)
    assert photo(data, "0.png").ignored == (Box(0, 40, 9, 48),)
    assert data.corrected["door_voc"] == 1


def test_the_same_label_again_confirms_it(voc: Path) -> None:
    correct(voc, {"photo": "0.png", "box": LEFT, "label": "with_mask"})
    data = load(voc)
    assert (data.problems, data.corrected["door_voc"]) == ([], 0)
    assert photo(data, "0.png") == photo(load(voc, corrected=False), "0.png")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (
            {"photo": "0.png", "box": [2, 4, 22, 20], "label": "with_mask"},
            "0.png: no face is labelled at [2, 4, 22, 20]",
        ),
        ({"photo": "0.png", "label": "with_mask"}, "0.png: has not exactly one labelled face"),
        ({"photo": "0.png", "box": LEFT, "label": "with_mask", "add": True}, "labelled already; leave `add` out"),
        ({"photo": "0.png", "box": [70, 4, 90, 44], "label": "with_mask", "add": True}, "outside a photo of 64x48"),
        ({"photo": "nobody.png", "box": LEFT, "label": "with_mask"}, "nobody.png: the set has no such photo"),
    ],
)
def test_a_correction_that_fits_nothing_is_named(voc: Path, entry: dict[str, Any], problem: str) -> None:
    correct(voc, entry)
    data = load(voc)
    assert len(data.problems) == 1
    assert data.problems[0].startswith("correction of door_voc, ")
    assert problem in data.problems[0]
    assert data.corrected["door_voc"] == 0


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[{]", "Invalid JSON"),
        ('{"door_voc": []}', "should be a valid"),
        ('[{"photo": "0.png", "label": "x"}, {"photo": "0.png"}]', "entry 2, label: Field required"),
        ('[{"photo": "0.png", "box": [1, 2, 3], "label": "x"}]', "entry 1, box"),
        ('[{"photo": "0.png", "box": [9, 9, 3, 3], "label": "x"}]', "entry 1: the box is empty"),
        ('[{"photo": "0.png", "lable": "x", "label": "x"}]', "entry 1, lable"),
        ('[{"photo": "0.png", "label": "x", "add": true}]', "entry 1: an added face needs its box"),
    ],
)
def test_a_malformed_file_is_one_sentence(voc: Path, text: str, place: str) -> None:
    (voc / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(MaskdError) as caught:
        load(voc)
    message = str(caught.value)
    assert message.startswith(str(voc / FILE_NAME))
    assert place in message
    assert '; an entry is {"photo"' in message
    assert "\n" not in message
    load(voc, corrected=False)


def test_photos_of_class_folders_are_corrected_without_a_box(tmp_path: Path) -> None:
    for label in ("with_mask", "without_mask"):
        write_photo(tmp_path / "classes" / label / "a.png")
    correct(tmp_path / "classes", {"photo": "without_mask/a.png", "label": "with_mask"})
    data = load_photos([tmp_path / "classes"], 1, lambda image: [Box(1, 1, 40, 40)])
    assert data.problems == []
    assert [p.labels for part in data.splits.values() for p in part] == [("with_mask",), ("with_mask",)]


def test_what_is_written_is_read_again(voc: Path) -> None:
    entries = [
        Correction(photo="7.png", box=(30.4, 4, 60, 44), label="with_mask", reason="Mütze"),
        Correction(photo="1.png", label=UNSURE),
        Correction(photo="1.png", box=(1, 2, 3, 4), label="with_mask", add=True),
    ]
    (voc / FILE_NAME).write_text(as_json(entries), encoding="utf-8")
    read = corrections_of(PhotoSet(voc, "voc", photos_folder=voc / "images"))
    assert read == [entries[0].model_copy(update={"box": (30, 4, 60, 44)}), *entries[1:]]
    (voc / FILE_NAME).write_text(as_json([]), encoding="utf-8")
    assert corrections_of(PhotoSet(voc, "voc", photos_folder=voc / "images")) == []


def shipped() -> dict[str, list[Correction]]:
    content = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return {name: [Correction.model_validate(entry) for entry in entries] for name, entries in content.items()}


def test_the_shipped_file_is_in_order_one_entry_a_line_with_reasons() -> None:
    sets = []
    for name, listed in sorted(shipped().items()):
        in_order = as_json(sorted(listed, key=lambda entry: (entry.photo, entry.box or ())))
        sets.append(f'"{name}": {in_order.strip()}'.replace("\n", "\n  "))
    assert SHIPPED.read_text(encoding="utf-8") == "{\n  " + ",\n  ".join(sets) + "\n}\n"
    entries = [entry for each in shipped().values() for entry in each]
    assert {entry.label for entry in entries} <= {
        "with_mask",
        "without_mask",
        "mask_weared_incorrect",
        UNSURE,
        NO_FACE,
    }
    assert all(entry.reason for entry in entries)


def test_a_part_of_a_public_set_gets_the_shipped_corrections_of_its_photos(tmp_path: Path) -> None:
    """... and the folder's own come last."""
    entry = next(c for c in shipped()["ilc_voc"] if c.label == "with_mask")
    assert entry.box is not None
    folder = tmp_path / "ilc_voc"
    write_photo(folder / "images" / entry.photo, 900, 900)
    annotate(folder, Path(entry.photo).stem, face("without_mask", *entry.box))
    data = load(folder)
    assert data.problems == [
        line for line in data.problems if f"ilc_voc, {entry.photo}: no face is labelled at" in line
    ]
    assert photo(data, entry.photo).labels == ("with_mask",)
    correct(folder, {"photo": entry.photo, "label": UNSURE})
    assert photo(load(folder), entry.photo).labels == (UNSURE,)


@pytest.mark.accuracy
@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_correction_changes_a_label(name: str) -> None:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no labelled photos in {folder}; MASKD_DATA says where they are")
    published = load(folder, corrected=False)
    result = apply_corrections(published.splits, PhotoSet(folder, "voc", photos_folder=folder / "images"))
    assert result.problems == []
    assert result.count == len(shipped()[name])
    assert parts(PhotoData(result.parts)) == parts(published)
