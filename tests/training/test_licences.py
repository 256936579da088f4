"""What a model's card says of the licences of its photos, and what --licensed-only leaves to learn from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from edge.errors import MaskdError, UsageError
from edge.evaluation.examples import PhotoData, load_photos
from edge.evaluation.labelled import LabelledPhoto
from edge.vision.model import TrainingData, find_model
from tests.support.pictures import red_left_blue_right, write_photo
from tests.support.places import ROOT
from training.licences import TABLE, Licences, keep_licensed, learnt_from, own_licence, public_licence, require_licensed

REPOSITORY = ROOT
SHIPPED = ("face-detector", "face-detector-far", "mask-classifier")


def plain_set(folder: Path, *names: str, licence: str | None = None) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        write_photo(folder / name, red_left_blue_right())
    if licence is not None:
        (folder / "licence.txt").write_text(licence, encoding="utf-8")
    return folder


def load(*folders: Path) -> PhotoData:
    return load_photos(folders, 1, lambda _image: [])


def test_the_table_has_every_public_set() -> None:
    assert public_licence("kaggle_voc", "1.jpg").text == "CC0-1.0"
    assert public_licence("ilc_voc", "1.jpg").text == "none stated"
    assert public_licence("ilc_voc", "1.jpg").source == "face-mask-dataset-ilc-2021"
    assert public_licence("no_people_indoor", "door_0001.jpg").text == "none stated"
    assert public_licence("no_people_indoor", "shelf_hard_0001.jpg").text == "MIT"
    assert public_licence("somewhere_voc", "1.jpg").text == "none stated"
    usable = {name for name in yaml.safe_load(TABLE.read_text(encoding="utf-8"))
              if public_licence(name, "shelf_1.jpg").allows_products}  # fmt: skip
    assert usable == {"kaggle_voc", "faces_voc", "no_people_indoor"}


@pytest.mark.parametrize(
    ("name", "text", "shown", "allows_products"),
    [
        ("licence.txt", "CC BY 4.0\n", "CC BY 4.0", True),
        ("LICENSE", "MIT License\n\nCopyright (c) 2026 The Port\n", "MIT License", True),
        (
            "LICENSE",
            "      Apache License\n   Version 2.0, January 2004\n\n   TERMS",
            "Apache License, Version 2.0, January 2004",
            True,
        ),
        (
            "COPYING",
            "# Photos of our own staff, all rights with us",
            "Photos of our own staff, all rights with us",
            True,
        ),
        ("License.md", "CC BY-NC 4.0", "CC BY-NC 4.0", False),
        (
            "LICENCE",
            "Creative Commons Legal Code\n\nAttribution-NonCommercial 3.0",
            "Creative Commons Legal Code",
            False,
        ),
        ("licence.txt", "for research use only", "for research use only", False),
    ],
)
def test_a_file_in_the_folder_states_the_licence_of_a_set(
    name: str, text: str, shown: str, allows_products: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    licence = own_licence(tmp_path)
    assert licence is not None
    assert (licence.text, licence.allows_products) == (shown, allows_products)


@pytest.mark.parametrize(("name", "text"), [("licence.txt", "  \n"), ("licences.csv", "MIT"), ("README.md", "MIT")])
def test_no_licence_is_made_up(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert own_licence(tmp_path) is None


def test_the_file_counts_before_the_table(tmp_path: Path) -> None:
    data = load(plain_set(tmp_path / "kaggle_voc", "1.png", licence="Bought from the photographer"))
    (photo,) = data.splits["train"]
    assert Licences(data.sets).of(photo).text == "Bought from the photographer"


def test_only_licensed_photos_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = load(
        plain_set(tmp_path / "mine", "1.png", "2.png", licence="CC BY 4.0"),
        plain_set(tmp_path / "ilc_voc", "1.png", "2.png", "3.png"),
        plain_set(tmp_path / "no_people", "1.png"),
        plain_set(tmp_path / "no_people_indoor", "door_1.png", "shelf_1.png"),
    )
    keep_licensed(data, Licences(data.sets))
    kept = {(p.set_name, p.path.name) for part in data.splits.values() for p in part}
    assert kept == {("mine", "1.png"), ("mine", "2.png"), ("no_people_indoor", "shelf_1.png")}
    assert capsys.readouterr().out.splitlines() == [
        "left out by --licensed-only: ilc_voc, 3 photos, licence: none stated",
        "left out by --licensed-only: no_people, 1 photos, licence: ImageNet terms: research use",
        "left out by --licensed-only: no_people_indoor, 1 photos, licence: none stated",
    ]

    unlicensed = load(tmp_path / "ilc_voc")
    with pytest.raises(MaskdError, match=r"no photo to train on; .* into a file licence\.txt"):
        keep_licensed(unlicensed, Licences(unlicensed.sets))


def card(path: Path, *learnt: TrainingData) -> Path:
    content = {"task": "face_detection", "name": "mine", "training_data": [each.model_dump() for each in learnt]}
    path.with_suffix(".json").write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_model_tells_what_those_learnt_that_it_started_from(tmp_path: Path) -> None:
    before = card(
        tmp_path / "before.keras",
        TrainingData(name="site", photos=9, licence="none stated"),
        TrainingData(name="faces_voc", photos=2034, licence="MIT", source="chandrikadeb7/Face-Mask-Detection"),
    )
    photos = [LabelledPhoto(Path(f"site/{number}.png"), (), (), "site") for number in range(2)]
    photos += [LabelledPhoto(Path("kaggle_voc/images/1.png"), (), (), "kaggle_voc")]
    learnt = learnt_from(photos, Licences([]), [before, tmp_path / "without_a_card.keras"])
    assert [(each.name, each.photos, each.licence) for each in learnt] == [
        ("faces_voc", 2034, "MIT"),
        ("kaggle_voc", 1, "CC0-1.0"),
        ("site", 9, "none stated"),
    ]


def test_a_model_that_learnt_from_unlicensed_photos_is_no_licensed_start(tmp_path: Path) -> None:
    mit = TrainingData(name="faces_voc", photos=1, licence="MIT")
    require_licensed([card(tmp_path / "good.keras", mit)])
    for licence in ("none stated", "ImageNet terms: research use"):
        bad = card(tmp_path / "bad.keras", mit, TrainingData(name="theirs", photos=1, licence=licence))
        with pytest.raises(UsageError, match=f"{bad} was trained on theirs, licence: {licence}"):
            require_licensed([bad])
    with pytest.raises(UsageError, match=r"unknown\.keras has no card next to it"):
        require_licensed([tmp_path / "unknown.keras"])


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_models_name_the_licence_of_each_set(name: str) -> None:
    manifest = find_model(name)[1]
    assert manifest.training_data
    described = (REPOSITORY / "models" / "README.md").read_text(encoding="utf-8").partition("## Licences")[2]
    for each in manifest.training_data:
        photo = "shelf_1.jpg" if each.licence == "MIT" else "door_1.jpg"
        known = public_licence(each.name, photo)
        assert (each.licence, each.source) == (known.text, known.source)
        assert any(f"`{each.name}`" in line and each.licence in line for line in described.splitlines())
