"""Pascal VOC as people have it: every spelling is read, and what cannot be read is never a photo of nobody."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from edge.errors import MaskdError
from edge.evaluation.labelled import LabelledFace
from edge.evaluation.labels.names import LabelNames
from edge.geometry import Box
from tests.support.labelled_sets import annotate, face, faces_of, load, photos_of, write_photo, write_text, write_xml

FACE = [LabelledFace(Box(1, 2, 30, 40), "with_mask")]
SIZE = "<size><width>{}</width><height>{}</height><depth>3</depth></size>"


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    folder = tmp_path / "crowd_voc"
    for name in ("good", "empty", "renamed"):
        write_photo(folder / "images" / f"{name}.png")
    annotate(folder, "good", face("with_mask", 1, 2, 30, 40) + face("without_mask", -5, 10, 70, 20.5))
    annotate(folder, "empty", "")
    annotate(folder, "renamed", face("with_mask", 1, 2, 30, 40), filename=r"C:\photos\elsewhere.jpg")
    return folder


def one(tmp_path: Path, content: str, photo: str = "a.png", xml: str = "a.xml") -> list[LabelledFace] | None:
    """The faces of one photo next to its XML; None where it is left out. A second photo keeps the set usable."""
    folder = tmp_path / "site"
    write_photo(folder / photo)
    write_photo(folder / "other.png")
    write_text(folder / xml, content)
    write_xml(folder / "other.xml", face("without_mask", 5, 5, 25, 25))
    faces = faces_of(load(folder))
    assert "other.png" in faces
    return faces.get(photo)


def test_reads_faces_and_clips_their_boxes(voc: Path) -> None:
    data = load(voc)
    assert data.problems == []
    photos = photos_of(data)
    assert photos["good.png"].faces == (
        LabelledFace(Box(1, 2, 30, 40), "with_mask"),
        LabelledFace(Box(0, 10, 64, 20.5), "without_mask"),
    )
    assert photos["empty.png"].faces == ()
    assert photos["renamed.png"].path == voc / "images" / "renamed.png"
    assert {photo.set_name for photo in photos.values()} == {"crowd_voc"}


@pytest.mark.parametrize(
    ("photos", "labels"),
    [
        ("images", "annotations"),
        ("JPEGImages", "Annotations"),
        ("Images", "xml"),
        ("img", "labels"),
        ("pictures of the door", "what they show"),
        (".", "."),
        (".", "annotations"),
        ("images", "."),
        ("images/morning", "annotations/morning"),
        ("images/morning", "annotations"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".JPG", ".jfif"])
def test_photos_and_labels_lie_wherever_people_put_them(photos: str, labels: str, suffix: str, tmp_path: Path) -> None:
    write_photo(tmp_path / "set" / photos / f"a{suffix}")
    write_photo(tmp_path / "set" / photos / f"b{suffix}")
    write_xml(tmp_path / "set" / labels / "a.XML", face("with_mask", 1, 2, 30, 40), f"a{suffix}")
    write_xml(tmp_path / "set" / labels / "b.xml", "")
    data = load(tmp_path / "set")
    assert faces_of(data) == {f"a{suffix}": FACE, f"b{suffix}": []}
    assert data.problems == []
    assert not data.not_looked_at


BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
NAME = "<name>with_mask</name>"


@pytest.mark.parametrize(
    "content",
    [
        f'<annotation xmlns="http://example.org/voc"><object>{NAME}{BOX}</object></annotation>',
        f'<v:annotation xmlns:v="urn:v"><v:object><v:name>with_mask</v:name>{BOX}</v:object></v:annotation>',
        f"<annotation><Object>{NAME}{BOX}</Object></annotation>",
        f"<ANNOTATION><OBJECT><NAME> with_mask </NAME>{BOX.upper()}</OBJECT></ANNOTATION>",
        f"<annotation><objects><object>{NAME}{BOX}</object></objects></annotation>",
        f"<annotation><object>{NAME}{BOX.replace('bndbox', 'bbox')}</object></annotation>",
        f"<annotation><object>{NAME}{BOX.replace('bndbox', 'BndBox')}</object></annotation>",
        f"<annotation><object><label>with_mask</label>{BOX}</object></annotation>",
        f"<annotation><object>{NAME}<xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></object></annotation>",
        f"<annotation><object>{NAME}{BOX.replace('30', '30,0').replace('>2<', '>2,0<')}</object></annotation>",
        f"<annotation><object>{NAME}<polygon><x1>1</x1><y1>20</y1><x2>30</x2><y2>2</y2><x3>9</x3><y3>40</y3></polygon>"
        "</object></annotation>",
        f"<annotation><object>{NAME}<polygon><pt><x>1</x><y>20</y></pt><pt><x>30</x><y>2</y></pt><pt><x>9</x><y>40</y>"
        "</pt></polygon></object><imagesize><nrows>48</nrows><ncols>64</ncols></imagesize></annotation>",
        f"<annotation><object>{NAME}<polygon><x1>0</x1></polygon>{BOX}</object></annotation>",
        f"\ufeff<annotation><object>{NAME}{BOX}</object></annotation>",
        f"<annotation>{SIZE.format(0, 0)}<object>{NAME}{BOX}</object></annotation>",
        f"<annotation>{SIZE.format(64, 48)}<object>{NAME}{BOX}</object></annotation>",
        # Drawn on the photo before it was scaled.
        f"<annotation>{SIZE.format(32, 24)}<object>{NAME}<bndbox><xmin>0.5</xmin><ymin>1</ymin><xmax>15</xmax>"
        "<ymax>20</ymax></bndbox></object></annotation>",
        # Fractions of the photo's sides.
        f"<annotation><object>{NAME}<bndbox><xmin>{1 / 64}</xmin><ymin>{2 / 48}</ymin><xmax>{30 / 64}</xmax>"
        f"<ymax>{40 / 48}</ymax></bndbox></object></annotation>",
    ],
)
def test_every_unambiguous_spelling_is_read(content: str, tmp_path: Path) -> None:
    faces = one(tmp_path, content)
    assert faces is not None
    ((box, label),) = [(face.box, face.label) for face in faces]
    assert label == "with_mask"
    assert (box.x1, box.y1, box.x2, box.y2) == pytest.approx((1, 2, 30, 40))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (face("with_mask", 30, 40, 1, 2), "object 1: its corners (30, 40, 1, 2) are swapped"),
        (face("with_mask", 5, 5, 5, 20), "object 1: its box (5, 5, 5, 20) is empty on a photo of 64x48"),
        (face("with_mask", 100, 5, 120, 20), "object 1: its box (100, 5, 120, 20) is empty on a photo of 64x48"),
        (face("with_mask", 40, 5, 120, 20), "object 1: its box (40, 5, 120, 20) is mostly outside the photo"),
        (face("", 1, 2, 30, 40), "object 1: has no name"),
        (face("cup", 1, 2, 30, 40), "object 1: 'cup' is not one of the labels with_mask, without_mask"),
        (face("with_mask", "a", 2, 30, 40), "object 1: has no box of four numbers, but 'a', '2', '30', '40'"),
        (face("with_mask", "nan", 2, 30, 40), "object 1: has no box of four numbers"),
        (face("with_mask", 0, 0, 1, 1), "object 1: its box could be the whole photo or its first pixel"),
        (face("with_mask", 0.1, 0.1, 0.5, 0.9) + face("with_mask", 1, 2, 30, 40), "object 1: its box"),
        ("<object><name>with_mask</name></object>", "object 1: has no box; <bndbox> with <xmin>"),
        ("<object><name>with_mask</name><polygon><x1>1</x1><y1>1</y1></polygon></object>", "object 1: its polygon"),
        ("<object><name>with_mask</name><robndbox><cx>9</cx></robndbox></object>", "object 1: has no box"),
        (f"<face>{BOX}</face>", "a.xml: has <face>, where Pascal VOC has an <object> for each face"),
        ("<person>1 2 30 40</person>", "a.xml: has <person>, where Pascal VOC has an <object>"),
        (f"<faces><face>{BOX}</face></faces>{face('with_mask', 1, 2, 30, 40)}", "a.xml: has <faces>"),
        (SIZE.format(48, 64) + face("with_mask", 1, 2, 30, 40), "labels are for a picture of 48x64; label it again"),
        (SIZE.format(640, 400) + face("with_mask", 1, 2, 30, 40), "is 64x48, but its labels are for a picture of 640x"),
    ],
)
def test_a_photo_with_one_unusable_object_is_left_out_and_listed(content: str, problem: str, voc: Path) -> None:
    write_photo(voc / "images" / "a.png")
    annotate(voc, "a", face("without_mask", 1, 1, 9, 9) * (content.startswith("<object>")) + content)
    data = load(voc)
    assert "a.png" not in photos_of(data)
    (line,) = data.problems
    assert problem.replace("object 1", "object 2" if content.startswith("<object>") else "object 1") in line


def test_several_unusable_objects_are_one_line(voc: Path) -> None:
    annotate(voc, "good", face("cup", 1, 2, 30, 40) + face("with_mask", 5, 5, 5, 5) + face("with_mask", 1, 2, 30, 40))
    (line,) = load(voc).problems
    assert line.endswith("(and 1 more of its objects cannot be used)")


def test_unusable_files_are_named_and_left_out(voc: Path) -> None:
    write_photo(voc / "images" / "whole.png")
    annotate(voc, "whole", "")
    (voc / "annotations" / "good.xml").write_text("<annotation>", encoding="utf-8")
    (voc / "images" / "empty.png").write_bytes(b"")
    (voc / "images" / "renamed.png").unlink()
    data = load(voc)
    assert set(photos_of(data)) == {"whole.png"}
    expected = ("not readable as XML", "renamed.xml: its photo is missing from", "empty.png is empty")
    assert len(data.problems) == len(expected)
    for part in expected:
        assert any(part in problem for problem in data.problems)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<annotation>", "a.xml: not readable as XML"),
        ("<annotations><image name='a.png'><box xtl='1'/></image></annotations>", "its root is <annotations>"),
        ("<VOC><annotation/></VOC>", "a.xml: its root is <voc> instead of Pascal VOC's <annotation>"),
        (f"<annotation>{face('helmet', 1, 2, 30, 40)}</annotation>", "--map 'helmet=LABEL'"),
    ],
)
def test_a_set_whose_labels_cannot_be_used_is_an_error(content: str, reason: str, tmp_path: Path) -> None:
    write_photo(tmp_path / "set" / "a.png")
    write_text(tmp_path / "set" / "a.xml", content)
    with pytest.raises(MaskdError, match=r"no photo of the set .* can be used") as error:
        load(tmp_path / "set")
    assert reason in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused(voc: Path, encoding: str) -> None:
    bomb = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "with_mask">]>'
    text = f"{bomb}<annotation><filename>good.png</filename>{face('&b;', 1, 2, 30, 40)}</annotation>"
    (voc / "annotations" / "good.xml").write_text(text, encoding=encoding)
    data = load(voc)
    assert len(photos_of(data)) == 2
    assert "document type declaration" in data.problems[0]


def test_a_filename_leads_nowhere_outside_the_set(voc: Path) -> None:
    write_photo(voc.parent / "secret.png")
    annotate(voc, "escape", face("with_mask", 1, 2, 30, 40), filename="../../secret.png")
    data = load(voc)
    assert len(photos_of(data)) == 3
    assert "its photo is missing" in data.problems[0]


def test_the_exact_name_wins_over_one_with_another_suffix(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name in ("a.jpg", "a.png"):
        write_photo(folder / name)
    write_xml(folder / "a.xml", face("with_mask", 1, 2, 30, 40), "a.png")
    data = load(folder)
    assert faces_of(data) == {"a.png": FACE}
    assert any("1 of the photos" in problem and "such as a.jpg" in problem for problem in data.problems)


def test_a_name_that_fits_two_photos_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name in ("a.jpg", "a.png", "b.png"):
        write_photo(folder / name)
    write_xml(folder / "a.xml", face("with_mask", 1, 2, 30, 40), "a.bmp")
    write_xml(folder / "b.xml", face("with_mask", 1, 2, 30, 40), "b.png")
    data = load(folder)
    assert faces_of(data) == {"b.png": FACE}
    (line,) = data.problems
    assert f"a.xml: fits {folder / 'a.jpg'} and {folder / 'a.png'}" in line


def test_two_label_files_of_one_photo_are_reported(voc: Path) -> None:
    annotate(voc, "copy", face("without_mask", 1, 2, 30, 40), filename="good.png")
    data = load(voc)
    assert "good.png" not in photos_of(data)
    (line,) = data.problems
    assert "good.png: has 2 label files" in line
    assert "copy.xml and" in line or "and " + str(voc / "annotations" / "good.xml") in line


def test_photos_without_a_label_file_are_not_photos_of_nobody(voc: Path) -> None:
    write_photo(voc / "images" / "bare.png")
    data = load(voc)
    assert "bare.png" not in photos_of(data)
    (line,) = data.problems
    assert f"1 of the photos in {voc / 'images'}, such as bare.png, have no label file" in line


def test_unlabelled_faces_are_ignored_ones(voc: Path) -> None:
    (voc / "unlabelled.json").write_text(json.dumps({"good.png": [[-5, 1, 20, 30.5]]}), encoding="utf-8")
    assert photos_of(load(voc))["good.png"].ignored == (Box(0, 1, 20, 30.5),)
    (voc / "unlabelled.json").write_text('{"good.png": [[1, 2]]}', encoding="utf-8")
    with pytest.raises(MaskdError, match=r"unlabelled\.json: should map photos"):
        load(voc)


def with_orientation(path: Path, orientation: int) -> Path:
    """Puts an EXIF note into a JPEG."""
    tiff = b"II*\x00" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    segment = b"Exif\x00\x00" + tiff
    jpeg = path.read_bytes()
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:])
    return path


@pytest.mark.parametrize(
    ("orientation", "corners"),
    [(5, (2, 1, 40, 30)), (6, (8, 1, 46, 30)), (7, (8, 34, 46, 63)), (8, (2, 34, 40, 63))],
)
@pytest.mark.parametrize("scale", [1, 2])
def test_boxes_drawn_before_the_photo_was_turned_are_turned(
    orientation: int, corners: tuple[int, int, int, int], scale: int, tmp_path: Path
) -> None:
    photo = with_orientation(write_photo(tmp_path / "set" / "a.jpg", 64, 48), orientation)
    box = (1 * scale, 2 * scale, 30 * scale, 40 * scale)
    write_xml(tmp_path / "set" / "a.xml", SIZE.format(64 * scale, 48 * scale) + face("with_mask", *box))
    (found,) = photos_of(load(tmp_path / "set"))[photo.name].faces
    assert found.box == Box(*corners)
    # Drawn on the upright photo.
    write_xml(tmp_path / "set" / "a.xml", SIZE.format(48, 64) + face("with_mask", *corners))
    (found,) = photos_of(load(tmp_path / "set"))[photo.name].faces
    assert found.box == Box(*corners)


def test_what_the_user_says_of_a_name_counts(voc: Path) -> None:
    objects = face("Maske", 1, 2, 30, 40) + face("Plakat", 5, 5, 5, 5) + face("Face", 31, 2, 50, 40)
    annotate(voc, "good", objects)
    names = LabelNames(mapping={"maske": "with_mask", "Plakat": "no_face"})
    data = load(voc, names=names)
    assert data.problems == []
    assert photos_of(data)["good.png"].labels == ("with_mask", "unsure")
    assert data.names.taken_text() == "Face as unsure (1), Maske as with_mask (1)"
