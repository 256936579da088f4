"""maskd-train review, with the shipped models on a small set whose labels are partly wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.places import ROOT

pytest.importorskip("skimage", reason="the photo comes from scikit-image, which the extra `test` brings")

import skimage.data

from edge.camera.photos import read_photo
from edge.evaluation.corrections import FILE_NAME
from edge.evaluation.examples import load_photos
from edge.geometry import Box
from edge.vision.preprocess import Image
from tests.support.labelled_sets import annotate, face
from tests.support.pictures import write_photo
from training.cli import main
from training.evaluation.contenders import open_classifiers
from training.review import mean_opinion
from training.review_sheet import SIDE, Tile, face_view, write_sheets

ASTRONAUT: Image = skimage.data.astronaut()
FACE = [180, 62, 274, 178]
MIRRORED = [512 - 274, 62, 512 - 180, 178]


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """One bare face labelled rightly, one wrongly, one not at all; and one too small to judge."""
    folder = tmp_path / "space_voc"
    (folder / "images").mkdir(parents=True)
    for name in ("right", "wrong", "missing"):
        write_photo(folder / "images" / f"{name}.png", ASTRONAUT[:, ::-1] if name == "wrong" else ASTRONAUT)
    annotate(folder, "right", face("without_mask", *FACE) + face("with_mask", 1, 1, 5, 5))
    annotate(folder, "wrong", face("with_mask", *MIRRORED))
    annotate(folder, "missing", "")
    return folder


def review(*arguments: object) -> int:
    return main(["review", *map(str, arguments)])


def content(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_most_suspicious_labels_come_first_and_can_be_copied(
    voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / "space_voc"
    assert review("--data", voc, "--out", out.parent) == 0
    printed = capsys.readouterr().out
    assert "2 labels checked; of the 2 most suspicious the model would change 1; faces without a label: 1" in printed
    assert content(out / "suggestions.json") == [
        {"photo": "wrong.png", "box": MIRRORED, "label": "without_mask", "reason": ""},
        {"photo": "right.png", "box": FACE, "label": "without_mask", "reason": ""},
    ]
    assert sorted(path.name for path in out.glob("*.png")) == ["faces-01.png", "labels-01.png"]

    (voc / FILE_NAME).write_bytes((out / "suggestions.json").read_bytes())
    (voc / "unlabelled.json").write_bytes((out / "unlabelled.json").read_bytes())
    data = load_photos([voc], 1, lambda image: [])
    assert data.problems == []
    photos = {photo.path.stem: photo for part in data.splits.values() for photo in part}
    assert photos["wrong"].labels == ("without_mask",)
    assert [box.iou(Box(*FACE)) > 0.5 for box in photos["missing"].ignored] == [True]

    # What a person has judged is not shown again, and the boxes of before stay in unlabelled.json.
    before = content(out / "unlabelled.json")
    assert review("--data", voc, "--out", out.parent) == 0
    assert "space_voc: 0 labels checked" in capsys.readouterr().out
    assert content(out / "suggestions.json") == []
    assert content(out / "unlabelled.json") == before
    assert list(out.glob("*.png")) == []


def test_count_bounds_both_lists(voc: Path, tmp_path: Path) -> None:
    write_photo(voc / "images" / "another.png", ASTRONAUT)
    annotate(voc, "another", "")
    assert review("--data", voc, "--out", tmp_path / "out", "--count", 1) == 0
    suggestions = content(tmp_path / "out" / "space_voc" / "suggestions.json")
    assert isinstance(suggestions, list)
    assert [entry["photo"] for entry in suggestions] == ["wrong.png"]
    assert len(content(tmp_path / "out" / "space_voc" / "unlabelled.json")) == 1  # type: ignore[arg-type]


def test_an_added_face_and_a_removed_box_count_as_seen(voc: Path, tmp_path: Path) -> None:
    entries = [
        {"photo": "missing.png", "box": FACE, "label": "unsure", "add": True},
        {"photo": "right.png", "box": FACE, "label": "no_face"},
    ]
    (voc / FILE_NAME).write_text(json.dumps(entries), encoding="utf-8")
    assert review("--data", voc, "--out", tmp_path / "out") == 0
    assert content(tmp_path / "out" / "space_voc" / "unlabelled.json") == {}


def test_class_folders_are_reviewed_without_boxes(tmp_path: Path) -> None:
    folder = tmp_path / "folders"
    for label in ("with_mask", "without_mask"):
        (folder / label).mkdir(parents=True)
        write_photo(folder / label / "a.png", ASTRONAUT)
    assert review("--data", folder, "--out", tmp_path / "out") == 0
    suggestions = tmp_path / "out" / "folders" / "suggestions.json"
    assert content(suggestions) == [
        {"photo": f"{label}/a.png", "label": "without_mask", "reason": ""} for label in ("with_mask", "without_mask")
    ]
    (folder / FILE_NAME).write_bytes(suggestions.read_bytes())
    data = load_photos([folder], 1, lambda image: [Box(*FACE)])
    assert data.problems == []
    assert dict(data.corrected) == {"folders": 1}


def test_it_runs_without_keras(voc: Path, tmp_path: Path) -> None:
    blocked = "import sys; sys.modules.update(keras=None, tensorflow=None, matplotlib=None)"
    command = f"{blocked}; from training.cli import main; sys.exit(main(sys.argv[1:]))"
    result = subprocess.run(
        [sys.executable, "-c", command, "review", "--data", str(voc), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "out" / "space_voc" / "labels-01.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--model", "mask-clasifier"), "there is no shipped model 'mask-clasifier'"),
        (("--model", "nowhere/model.keras"), "the model nowhere/model.keras does not exist"),
        (("--model", "face-detector"), "is for face_detection"),
        (("--out", "/dev/null/out"), "choose another --out"),
        (("--data", "/nowhere"), "no such folder"),
    ],
)
def test_what_it_cannot_use_is_one_sentence(
    voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, str], complaint: str
) -> None:
    assert review("--data", voc, "--out", tmp_path / "out", *arguments) in {1, 2}
    stderr = capsys.readouterr().err
    assert complaint in stderr
    assert stderr.startswith("maskd-train: ")
    assert stderr.count("\n") == 1


def test_two_sets_of_one_name_are_refused(voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other" / "space_voc").mkdir(parents=True)
    write_photo(tmp_path / "other" / "space_voc" / "a.png", ASTRONAUT)
    assert review("--data", voc, "--data", tmp_path / "other" / "space_voc", "--out", tmp_path / "out") == 2
    assert "are both called space_voc; rename one, or give them one at a time" in capsys.readouterr().err


def test_sheets_are_numbered_and_replace_older_ones(tmp_path: Path) -> None:
    view = face_view(ASTRONAUT, Box(*FACE))
    assert view.shape == (SIDE, SIDE, 3)
    tiles = [Tile(view, (f"#{number} {'long' * 40} é", "label")) for number in range(1, 26)]
    paths = write_sheets(tiles, tmp_path, "labels")
    assert [path.name for path in paths] == ["labels-01.png", "labels-02.png"]
    first, second = (read_photo(path) for path in paths)
    assert second.shape[0] < first.shape[0]
    assert (first[:SIDE, :SIDE] == view).all()
    # The caption is drawn below its own face, and reaches no neighbour.
    assert first[SIDE : SIDE + 16, :SIDE].any()
    assert not first[SIDE:, SIDE : SIDE + 2][:30].any()
    assert [path.name for path in write_sheets(tiles[:1], tmp_path, "labels")] == ["labels-01.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels-01.png"]


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")
def test_opinions_of_several_models_are_averaged(voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow", reason="Keras models need the extra `convert` of pyproject.toml")
    one = constant_model(tmp_path / "one" / "model.keras", with_mask=0.9, without_mask=0.1)
    two = constant_model(tmp_path / "two" / "model.keras", without_mask=0.4, with_mask=0.6)
    classifiers = [entry.classifier for entry in open_classifiers([str(one), str(two)])]
    assert mean_opinion(classifiers, ASTRONAUT, []) == []
    (opinion,) = mean_opinion(classifiers, ASTRONAUT, [Box(*FACE)])
    assert dict(opinion) == pytest.approx({"with_mask": 0.75, "without_mask": 0.25}, abs=1e-5)

    assert review("--data", voc, "--out", tmp_path / "out", "--model", one, "--model", "mask-classifier") == 2
    assert "have different labels" in capsys.readouterr().err
    one.with_suffix(".json").unlink()
    assert review("--data", voc, "--out", tmp_path / "out", "--model", one) == 1
    assert "model.json is missing" in capsys.readouterr().err


def constant_model(path: Path, **probabilities: float) -> Path:
    """A classifier that says the same of every face; its labels in the order given."""
    import keras

    image = keras.Input((32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    dense = keras.layers.Dense(len(probabilities), activation="softmax")
    model = keras.Model(image, dense(pooled))
    dense.set_weights([np.zeros((3, len(probabilities))), np.log(list(probabilities.values()))])
    path.parent.mkdir()
    model.save(path)
    card = {
        "task": "mask_classification",
        "name": "constant",
        "labels": list(probabilities),
        "crop_margin": 0.1,
    }
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return path
