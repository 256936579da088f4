"""What is found below a folder: sets of every kind, and never photos of nobody where labels went unread."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import MaskdError
from edge.evaluation.labels.layout import Layout, find_sets
from edge.evaluation.labels.names import LabelNames
from tests.support.labelled_sets import annotate, face, faces_of, load, photos_of, write_photo, write_text, write_xml


def layout(*folders: Path) -> Layout:
    return find_sets(folders, LabelNames())


def kinds(*folders: Path) -> dict[str, str]:
    return {found.path.name: found.kind for found in layout(*folders).sets}


def with_voc(folder: Path) -> Path:
    write_photo(folder / "images" / "a.png")
    annotate(folder, "a", face("with_mask", 1, 2, 30, 40))
    return folder


def test_sets_of_every_kind_lie_next_to_each_other(tmp_path: Path) -> None:
    with_voc(tmp_path / "site" / "crowd")
    write_photo(tmp_path / "site" / "faces" / "with_mask" / "a.jpg")
    write_photo(tmp_path / "site" / "faces" / "without_mask" / "a.jpg")
    write_photo(tmp_path / "site" / "empty" / "a.jpg")
    (tmp_path / "site" / "videos").mkdir()
    assert kinds(tmp_path / "site") == {"crowd": "voc", "faces": "classes", "empty": "plain"}
    assert kinds(tmp_path / "site", tmp_path / "site" / "crowd") == kinds(tmp_path / "site")
    assert any("empty: 1 photos without labels, taken as photos without people" in line
               for line in load(tmp_path / "site").taken_lines())  # fmt: skip
    with pytest.raises(MaskdError, match="holds no photos"):
        layout(tmp_path / "site" / "videos")
    with pytest.raises(MaskdError, match="no such folder"):
        layout(tmp_path / "nowhere")
    with pytest.raises(MaskdError, match="not a folder"):
        layout(tmp_path / "site" / "empty" / "a.jpg")


def test_a_folder_of_class_folders_may_be_called_for_a_label(tmp_path: Path) -> None:
    for name in ("masks/with_mask/a.jpg", "masks/without_mask/b.jpg", "empty/c.jpg"):
        write_photo(tmp_path / "site" / name)
    assert kinds(tmp_path / "site") == {"masks": "classes", "empty": "plain"}
    write_photo(tmp_path / "site" / "without_mask" / "d.jpg")
    write_photo(tmp_path / "site" / "with_mask" / "e.jpg")
    data = load(tmp_path / "site")
    assert {name: photo.labels for name, photo in photos_of(data).items()} == {
        "a.jpg": ("with_mask",),
        "b.jpg": ("without_mask",),
        "d.jpg": ("without_mask",),
        "e.jpg": ("with_mask",),
    }
    (problem,) = data.problems
    assert f"{tmp_path / 'site' / 'empty'} is not named after a label" in problem


def test_what_is_in_no_set_is_counted_by_kind(tmp_path: Path) -> None:
    folder = with_voc(tmp_path / "voc")
    for name in ("clip.mp4", "notes.docx", "more.docx", "Makefile", "licence.txt", "corrections.json", ".hidden"):
        write_text(folder / name, "[]")
    write_photo(folder / "SegmentationClass" / "a.png")
    write_photo(folder / ".Trash-1000" / "files" / "b.png")
    write_photo(folder / "__MACOSX" / "._a.png")
    data = load(folder)
    assert set(photos_of(data)) == {"a.png"}
    assert data.not_looked_at_text() == ("files ignored: 2 .docx, 1 .mp4, 1 .png, 3 hidden, 1 without a suffix")


@pytest.mark.parametrize("hidden", [".Trash-1000", ".ipynb_checkpoints", "__MACOSX", "@eaDir"])
def test_hidden_folders_are_not_classes(hidden: str, tmp_path: Path) -> None:
    for name in ("with_mask/a.jpg", "without_mask/b.jpg", f"{hidden}/a.jpg", f"with_mask/{hidden}/a.jpg"):
        write_photo(tmp_path / "set" / name)
    data = load(tmp_path / "set")
    assert {name: faces[0].label for name, faces in faces_of(data).items()} == {
        "a.jpg": "with_mask",
        "b.jpg": "without_mask",
    }
    assert data.not_looked_at == {"hidden": 2}


def test_class_folders_may_be_nested_and_called_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_photo(folder / "Mask" / "indoor" / "by the door" / "a.jpg")
    write_photo(folder / "Mask" / "outdoor" / "b.jpg")
    write_photo(folder / "No Mask" / "c.jpg")
    write_photo(folder / "INCORRECT" / "d.jpg")
    data = load(folder)
    assert [faces[0].label for faces in faces_of(data).values()] == [
        "with_mask",
        "with_mask",
        "without_mask",
        "mask_weared_incorrect",
    ]
    (line,) = data.taken_lines()
    assert line == (
        "labels taken: INCORRECT as mask_weared_incorrect (1), Mask as with_mask (2), No Mask as without_mask (1)"
    )


def test_a_class_folder_given_by_itself_has_its_label(tmp_path: Path) -> None:
    write_photo(tmp_path / "set" / "without_mask" / "a.jpg")
    assert [f.label for f in faces_of(load(tmp_path / "set" / "without_mask"))["a.jpg"]] == ["without_mask"]
    with_voc(tmp_path / "set" / "crowd")
    assert kinds(tmp_path / "set") == {"crowd": "voc", "set": "classes"}


def test_what_has_no_class_is_left_out_and_reported(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for name in ("with_mask/a.jpg", "without_mask/b.jpg", "stray.jpg", "nobody/c.jpg", "with_mask/without_mask/d.jpg"):
        write_photo(folder / name)
    data = load(folder)
    assert set(photos_of(data)) == {"a.jpg", "b.jpg"}
    nobody, above, both = sorted(data.problems, key=len, reverse=True)
    assert f"{folder / 'nobody'} is not named after a label" in nobody
    assert f"--data {folder / 'nobody'}" in nobody
    assert "photos above the class folders, 1 of them such as stray.jpg" in above
    assert "d.jpg: is in folders of two labels, with_mask and without_mask" in both
    assert data.not_looked_at == {".jpg": 2}


def test_a_class_folder_of_nobody_is_named_by_the_user(tmp_path: Path) -> None:
    for name in ("Maske/a.jpg", "leer/b.jpg"):
        write_photo(tmp_path / "set" / name)
    data = load(tmp_path / "set", names=LabelNames(mapping={"Maske": "with_mask", "leer": "no_face"}))
    assert {name: photo.labels for name, photo in photos_of(data).items()} == {"a.jpg": ("with_mask",), "b.jpg": ()}


@pytest.mark.parametrize(
    "files",
    [
        ["Maske/a.jpg", "ohne/b.jpg"],
        ["room/a.jpg"],
        ["stray.jpg", "Maske/a.jpg", "ohne/b.jpg"],
        ["a.jpg", "kitchen/b.jpg"],
    ],
)
def test_folders_of_unknown_names_are_an_error(files: list[str], tmp_path: Path) -> None:
    for name in files:
        write_photo(tmp_path / "set" / name)
    with pytest.raises(MaskdError, match=r"is not named after a label .* --map '.*=LABEL', or if they show no people"):
        load(tmp_path / "set")


def test_a_folder_that_is_called_for_masks_hardly_shows_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "people with masks"
    write_photo(folder / "a.jpg")
    with pytest.raises(MaskdError, match="or if they show no people, --map 'people with masks=no_face'"):
        load(folder)
    assert faces_of(load(folder, names=LabelNames(mapping={"people with masks": "no_face"}))) == {"a.jpg": []}
    labelled = load(folder, names=LabelNames(mapping={"people with masks": "with_mask"}))
    assert [found.label for found in faces_of(labelled)["a.jpg"]] == ["with_mask"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{"shapes": [], "imagePath": "a.jpg"}'),
        ("via_project.json", '{"a.jpg123": {"regions": []}}'),
        ("labels.csv", "filename,xmin,ymin,xmax,ymax,class\na.jpg,1,2,3,4,with_mask\n"),
        ("bbx_gt.txt", "a.jpg\n1\n1 2 30 40\n"),
        ("train.tfrecord", "x"),
        ("data.yaml", "names: [Mask]"),
        ("labels/deeper.csv", "a.jpg,1"),
    ],
)
def test_photos_next_to_labels_of_another_kind_are_not_photos_of_nobody(
    name: str, content: str, tmp_path: Path
) -> None:
    write_photo(tmp_path / "set" / "a.jpg")
    write_text(tmp_path / "set" / name, content)
    with pytest.raises(MaskdError, match=r"may contain labels of the photos in .* maskd reads Pascal VOC") as error:
        load(tmp_path / "set")
    assert str(tmp_path / "set" / name) in str(error.value)


@pytest.mark.parametrize("name", ["README.md", "README.txt", "licence.txt", "notes.txt", "clip.mp4", "unlabelled.json"])
def test_other_files_are_not_taken_for_labels(name: str, tmp_path: Path) -> None:
    write_photo(tmp_path / "empty" / "a_photo.jpg")
    write_text(tmp_path / "empty" / name, "{}" if name.endswith("json") else "the room without people")
    assert kinds(tmp_path / "empty") == {"empty": "plain"}


@pytest.mark.parametrize(
    ("photos", "labels"),
    [
        ("set/images", "set/annotations/a.xml"),
        ("set/JPEGImages", "set/Annotations/a.xml"),
        ("set/images/train", "set/labels/train/a.txt"),
        ("set/pics", "set/labels.csv"),
    ],
)
def test_the_photos_alone_of_a_labelled_set_are_refused(photos: str, labels: str, tmp_path: Path) -> None:
    write_photo(tmp_path / photos / "a.jpg")
    write_text(tmp_path / labels, "a.jpg,1,2,30,40")
    with pytest.raises(MaskdError, match=f"labels of these photos seem to be in .*--data {tmp_path / 'set'}"):
        load(tmp_path / photos)


def test_labels_next_to_other_photos_do_not_matter(tmp_path: Path) -> None:
    with_voc(tmp_path / "set")
    write_photo(tmp_path / "set" / "empty" / "a.png")
    assert kinds(tmp_path / "set" / "empty") == {"empty": "plain"}


def test_labels_of_two_kinds_are_an_error(tmp_path: Path) -> None:
    folder = with_voc(tmp_path / "set")
    write_text(folder / "labels" / "a.txt", "0 0.5 0.5 0.5 0.5\n")
    write_text(folder / "classes.txt", "Mask\n")
    with pytest.raises(MaskdError, match=r"has labels of two kinds, .*a\.xml and .*a\.txt; move one kind elsewhere"):
        load(folder)


def test_labels_that_belong_to_no_photos_are_an_error(tmp_path: Path) -> None:
    with_voc(tmp_path / "site" / "door")
    write_photo(tmp_path / "site" / "hall" / "b.png")
    write_xml(tmp_path / "site" / "xmls" / "b.xml", face("with_mask", 1, 2, 30, 40))
    with pytest.raises(MaskdError, match=r"b\.xml: cannot tell which photos these labels are for"):
        load(tmp_path / "site")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    folder = with_voc(tmp_path / "site" / "door")
    (folder / "images" / "again").symlink_to(folder)
    (folder / "images" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "site" / "self").symlink_to(tmp_path / "site")
    (tmp_path / "site" / "loop").symlink_to("loop")
    data = load(tmp_path / "site")
    assert set(photos_of(data)) == {"a.png"}
    assert data.not_looked_at == {"linked twice or to nowhere": 4}


def test_a_set_may_be_a_link(tmp_path: Path) -> None:
    with_voc(tmp_path / "elsewhere" / "door")
    (tmp_path / "site").symlink_to(tmp_path / "elsewhere")
    assert set(photos_of(load(tmp_path / "site"))) == {"a.png"}


@pytest.mark.parametrize("form", ["{split}/images", "images/{split}", "{split}"])
def test_a_persons_own_split_is_kept(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for split, number in (("train", 4), ("valid", 2), ("test", 1)):
        for index in range(number):
            write_photo(folder / form.format(split=split) / f"{split}{index}.png")
            labels = form.replace("images", "annotations").format(split=split)
            write_xml(folder / labels / f"{split}{index}.xml", face("with_mask", 1, 2, 30, 40))
    data = load(folder)
    assert {name: len(part) for name, part in data.splits.items()} == {"train": 4, "validation": 2, "test": 1}
    assert {photo.set_name for photo in photos_of(data).values()} == {"set"}


@pytest.mark.parametrize("form", ["{split}/{label}", "{label}/{split}"])
def test_a_split_of_class_folders_is_kept(form: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("with_mask", "without_mask"):
            write_photo(tmp_path / "set" / form.format(split=split, label=label) / f"{split}.{label}.jpg")
    data = load(tmp_path / "set")
    assert sorted(photo.path.name for photo in data.splits["test"]) == ["test.with_mask.jpg", "test.without_mask.jpg"]
    assert {photo.path.stem.partition(".")[2]: photo.labels for photo in photos_of(data).values()} == {
        "with_mask": ("with_mask",),
        "without_mask": ("without_mask",),
    }


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
        with_voc(Path(name) / "voc")
        write_photo(Path(name) / "classes" / "bare" / "a.png")
        folder = Path(name) / closed
        folder.chmod(mode)
        try:
            with pytest.raises(MaskdError, match=f"{folder} cannot be read: Permission denied"):
                load(Path(name) / closed.partition("/")[0])
        finally:
            folder.chmod(0o755)
