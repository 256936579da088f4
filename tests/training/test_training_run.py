"""maskd-train as a person runs it: from a folder of photos to a model that maskd-convert takes."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("matplotlib", reason="training needs the extra `train` of pyproject.toml")

import converter.cli
from converter.card import read_card
from edge.camera.photos import read_photo
from edge.errors import MaskdError
from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.evaluation.metrics import PictureResult
from edge.geometry import Box
from edge.vision.masks import MaskClassifier
from edge.vision.model import open_model
from edge.vision.preprocess import Image
from tests.support.pictures import write_photo
from tests.support.tensorflow_tests import NEEDS_TENSORFLOW, Later
from training.cli import main

keras, tensorflow, checkpoint = Later("keras"), Later("tensorflow"), Later("training.checkpoint")
face_command, faces_module, masks = Later("training.face_command"), Later("training.faces"), Later("training.masks")

# Keras 3 has not followed numpy 2 everywhere.
pytestmark = [
    *NEEDS_TENSORFLOW,
    pytest.mark.filterwarnings("ignore:Even though the .*run_functions_eagerly"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    pytest.mark.timeout(300),
]

LABELS = ("with_mask", "without_mask", "mask_weared_incorrect")
COLOURS = {"with_mask": (40, 90, 210), "without_mask": (210, 80, 60), "mask_weared_incorrect": (60, 200, 80)}


def portrait(label: str, number: int) -> tuple[Image, tuple[int, int, int, int]]:
    """A noisy grey photo of 96x80 with one face, whose colour is its label, and the face's box."""
    x1, y1 = 20 + number % 7, 12 + number % 5
    x2, y2 = x1 + 34, y1 + 40
    image = np.full((80, 96, 3), 110, np.int16)
    image[y1:y2, x1:x2] = COLOURS[label]
    image += np.random.default_rng(number).integers(-15, 16, image.shape, dtype=np.int16)
    return np.clip(image, 0, 255).astype(np.uint8), (x1, y1, x2, y2)


def write_voc(folder: Path, labels: list[str]) -> Path:
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True)
    for number, label in enumerate(labels):
        image, box = portrait(label, number)
        write_photo(folder / "images" / f"{number}.png", image)
        annotate(folder, str(number), label, box)
    return folder


def annotate(folder: Path, name: str, label: str, box: tuple[int, int, int, int]) -> None:
    corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    (folder / "annotations" / f"{name}.xml").write_text(
        f"<annotation><filename>{name}.png</filename>"
        f"<object><name>{label}</name><bndbox>{corners}</bndbox></object></annotation>",
        encoding="utf-8",
    )


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of maskd-train, and what it left."""

    status: int
    printed: str
    complaint: str
    out: Path

    def json(self, name: str) -> Any:
        return json.loads((self.out / name).read_text(encoding="utf-8"))

    def history(self) -> list[dict[str, str]]:
        with (self.out / "history.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def train(out: Path, *arguments: object) -> Ran:
    with contextlib.redirect_stdout(io.StringIO()) as stdout, contextlib.redirect_stderr(io.StringIO()) as stderr:
        status = main([*(str(argument) for argument in arguments), "--out", str(out)])
    return Ran(status, stdout.getvalue(), stderr.getvalue(), out)


TINY = ("--arch", "cnn", "--weights", "none", "--input-size", 32, "--batch-size", 8)


@pytest.fixture(scope="module", autouse=True)
def uncompiled() -> Iterator[None]:
    """TensorFlow runs each operation as it comes: for a few steps, compiling the graph takes longer than running it."""
    tensorflow.config.run_functions_eagerly(True)
    yield
    tensorflow.config.run_functions_eagerly(False)


@pytest.fixture
def compiled() -> Iterator[None]:
    """As for a person."""
    tensorflow.config.run_functions_eagerly(False)
    yield
    tensorflow.config.run_functions_eagerly(True)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 photos of each label, and two more that cannot be used: a missing and a broken one."""
    folder = write_voc(tmp_path_factory.mktemp("data") / "colours", [LABELS[i % 3] for i in range(42)])
    for name in ("missing", "broken"):
        annotate(folder, name, "with_mask", (10, 10, 40, 40))
    whole = (folder / "images" / "0.png").read_bytes()
    (folder / "images" / "broken.png").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="module")
def mask_run(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    out = tmp_path_factory.mktemp("runs") / "mask"
    return train(out, "mask", "--data", faces, *TINY, "--epochs", 1, "--folds", 2)


def test_what_was_found_is_printed_and_what_was_not_is_listed(mask_run: Ran, faces: Path) -> None:
    assert (mask_run.status, mask_run.complaint) == (0, "")
    before = mask_run.printed.partition("train: 30 faces")[0]
    assert "2 problem(s) in the data" in before
    assert f"missing.xml: its photo is missing from {faces / 'images'}" in before
    assert "broken.png is truncated" in before
    table = {row[0]: row[1:] for row in (line.split() for line in before.splitlines()) if row}
    assert sorted(table["photos"]) == sorted(LABELS)
    assert table["train"] == ["30", "10", "10", "10"]
    assert table["validation"] == table["test"] == ["6", "2", "2", "2"]


def test_a_run_leaves_its_report(mask_run: Ran) -> None:
    names = {path.name for path in mask_run.out.iterdir()}
    pictures = {"curves.png", "confusion.png", "precision_recall.png", "calibration.png", "mistakes.png"}
    assert names >= {"model.keras", "model.json", "metrics.json", "history.csv", "report.txt", *pictures}
    for name in pictures:
        height, width, _ = read_photo(mask_run.out / name).shape
        assert min(height, width) > 100

    metrics = mask_run.json("metrics.json")
    test = metrics["test"]
    assert test["faces"] == 6
    assert test["support"] == dict.fromkeys(LABELS, 2)
    assert test["accuracy"] == pytest.approx(sum(test["recall"].values()) / 3)
    assert test["sets"]["colours"]["faces"] == 6
    folds = metrics["cross_validation"]["folds"]
    accuracies = [folds[f"fold {number} of 2"]["three-class accuracy"] for number in (1, 2)]
    assert [each["count"] for each in accuracies] == [18, 18]
    mean = sum(each["value"] for each in accuracies) / 2
    assert metrics["cross_validation"]["sets"]["all together"]["three-class accuracy"]["value"] == pytest.approx(mean)
    assert f"mean of 2 folds: three-class accuracy {mean:.3f}, standard deviation" in mask_run.printed

    (epoch,) = mask_run.history()
    assert epoch["epoch"] == "1"
    assert all(float(epoch[name]) >= 0 for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    report = (mask_run.out / "report.txt").read_text(encoding="utf-8")
    assert all(label in report for label in LABELS)
    assert report in mask_run.printed


def test_the_model_takes_raw_pixels_and_gives_probabilities(mask_run: Ran) -> None:
    model = keras.models.load_model(mask_run.out / "model.keras")
    assert model.input_shape == (None, 32, 32, 3)
    answer = np.asarray(model(np.full((2, 32, 32, 3), 255, np.float32)))
    assert answer.shape == (2, 3)
    assert answer.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_maskd_convert_takes_the_model_with_its_card(
    mask_run: Ran, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [mask_run.out / "model.keras", "--data", faces, "--out", tmp_path, "--max-drop", 100]
    assert converter.cli.main([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
    model = open_model(tmp_path / "mask-classifier.tflite", "mask_classification")
    manifest = model.manifest
    assert manifest.labels == list(LABELS)
    card = mask_run.json("model.json")
    assert manifest.crop_margin == card["crop_margin"] == 0.25
    assert manifest.thresholds.min_confidence == card["thresholds"]["min_confidence"]
    (learned,) = manifest.training_data
    assert (learned.name, learned.photos, learned.licence) == ("colours", 36, "none stated")
    crops = np.zeros((3, 32, 32, 3), np.uint8)
    assert len(MaskClassifier(model).classify_crops(crops)) == 3


def test_a_licensed_model_learns_from_licensed_photos_alone(faces: Path, tmp_path: Path) -> None:
    licensed = write_voc(tmp_path / "licensed", [LABELS[i % 3] for i in range(21)])
    (licensed / "licence.txt").write_text("CC BY 4.0\n", encoding="utf-8")
    both = ("mask", "--data", faces, "--data", licensed, *TINY, "--epochs", 1, "--licensed-only")
    run = train(tmp_path / "run", *both)
    assert (run.status, run.complaint) == (0, "")
    assert "left out by --licensed-only: colours, 42 photos, licence: none stated" in run.printed
    assert "licence of licensed: CC BY 4.0" in run.printed
    assert run.json("model.json")["training_data"] == [{"name": "licensed", "photos": 18, "licence": "CC BY 4.0"}]

    started = train(tmp_path / "next", *both, "--start-from", run.out / "model.keras")
    assert (started.status, started.complaint) == (0, "")


@pytest.mark.parametrize("command", ["mask", "face"])
def test_a_licensed_model_does_not_start_from_an_unlicensed_one(
    command: str, mask_run: Ran, faces: Path, tmp_path: Path
) -> None:
    start = mask_run.out / "model.keras"
    run = train(tmp_path / "run", command, "--data", faces, "--licensed-only", "--start-from", start)
    assert f"{start} was trained on colours, licence: none stated" in complaint_of(run, 2)


def test_resume_goes_on_after_the_last_epoch(mask_run: Ran, faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "mask"
    shutil.copytree(mask_run.out, out)
    first = mask_run.history()[0]

    resumed = train(out, "mask", "--data", faces, *TINY, "--epochs", 2, "--resume")
    assert (resumed.status, resumed.complaint) == (0, "")
    assert "Epoch 2/2" in resumed.printed
    assert "Epoch 1/2" not in resumed.printed
    history = resumed.history()
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert history[0] == first

    nothing_left = train(out, "mask", "--data", faces, *TINY, "--epochs", 2, "--resume")
    assert (nothing_left.status, nothing_left.complaint) == (0, "")
    assert "Epoch " not in nothing_left.printed
    assert nothing_left.history() == history

    line = complaint_of(train(out, "mask", "--data", faces, *TINY, "--epochs", 1), 2)
    assert "holds the model.keras of another run" in line
    anew = train(out, "mask", "--data", faces, *TINY, "--epochs", 1, "--overwrite")
    assert [row["epoch"] for row in anew.history()] == ["1"]


def test_a_checkpoint_of_other_settings(mask_run: Ran, faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "mask"
    shutil.copytree(mask_run.out, out)
    run = train(out, "mask", "--data", faces, *TINY, "--epochs", 2, "--classes", 2, "--resume")
    line = complaint_of(run, 1)
    assert f"the checkpoint {out / 'checkpoint'} belongs to another training" in line
    assert line.endswith("use the settings it was made with, or train without --resume")


def test_figures_of_an_epoch_that_was_repeated_count_once(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    assert checkpoint.prepare(folder, resume=False) == 0
    for epoch, loss in ((0, 3.0), (1, 2.0), (1, 1.5), (2, 1.0)):
        checkpoint.keep_figures(folder, epoch, {"loss": loss})
    assert checkpoint.kept_figures(folder) == {"loss": [3.0, 1.5, 1.0]}
    (folder / "training_metadata.json").write_text('{"epoch": 3, "batch": 0}', encoding="utf-8")
    assert checkpoint.prepare(folder, resume=True) == 3
    assert checkpoint.prepare(folder, resume=False) == 0
    assert list(folder.iterdir()) == []


def test_two_classes_leave_incorrect_wear_out(faces: Path, tmp_path: Path) -> None:
    run = train(tmp_path / "run", "mask", "--data", faces, *TINY, "--epochs", 1, "--classes", 2)
    assert (run.status, run.complaint) == (0, "")
    assert "train: 20 faces, left out: 10 labelled mask_weared_incorrect" in run.printed
    assert run.json("model.json")["labels"] == ["with_mask", "without_mask"]
    assert run.json("metrics.json")["test"]["support"] == {"with_mask": 2, "without_mask": 2}


def test_a_run_that_starts_from_a_trained_model_and_learns_from_it(mask_run: Ran, faces: Path, tmp_path: Path) -> None:
    trained = mask_run.out / "model.keras"
    further = ("--start-from", trained, "--teacher", trained, "--teacher", trained, "--epochs", 1)
    run = train(tmp_path / "run", "mask", "--data", faces, *TINY, *further)
    assert (run.status, run.complaint) == (0, "")
    assert "confidence: divided by a temperature of" in run.printed
    assert "then counted 5 times (--favour-incorrect)" in run.printed


def test_incorrectly_worn_masks_are_favoured_also_where_nothing_is_left_to_validate_on(
    faces: Path, tmp_path: Path
) -> None:
    def odds(times: int) -> NDArray[np.float64]:
        every = ("mask", "--data", faces, *TINY, "--epochs", 1, "--with-validation", "--favour-incorrect", times)
        run = train(tmp_path / str(times), *every)
        assert (run.status, run.complaint) == (0, "")
        grey = np.full((1, 32, 32, 3), 128, np.float32)
        (chances,) = keras.models.load_model(run.out / "model.keras").predict(grey, verbose=0)
        return np.asarray(chances[2] / chances[:2], dtype=np.float64)

    assert odds(20) == pytest.approx(20 * odds(1), rel=0.01)


def test_a_teacher_or_a_start_of_another_form(mask_run: Ran, faces: Path, tmp_path: Path) -> None:
    trained = mask_run.out / "model.keras"
    two = ("mask", "--data", faces, *TINY, "--epochs", 1, "--classes", 2)
    line = complaint_of(train(tmp_path / "run", *two, "--teacher", trained), 1)
    assert f"{trained} cannot be a teacher here: it takes 32 px and outputs 3 labels, not 32 px and 2" in line
    line = complaint_of(train(tmp_path / "run", *two, "--start-from", trained), 1)
    assert f"{trained}: another architecture" in line
    line = complaint_of(train(tmp_path / "run", *two, "--teacher", faces / "images" / "0.png"), 1)
    assert "0.png: not a Keras model" in line


@pytest.mark.parametrize("option", ["--start-from", "--teacher"])
def test_folds_that_a_trained_model_has_seen(option: str, faces: Path, tmp_path: Path) -> None:
    trained = tmp_path / "model.keras"
    trained.write_bytes(b"opened only where it may be used")
    seen = ("--folds", 2, option, trained)
    assert "--folds needs a model that" in complaint_of(
        train(tmp_path / "run", "mask", "--data", faces, *TINY, *seen), 2
    )
    assert not (tmp_path / "run").exists()


def test_labels_and_teachers_count_half_each() -> None:
    truth = np.array([[1, 0], [0, 1]], np.float32)
    answers = [np.array([[0.8, 0.2], [0.6, 0.4]], np.float32), np.array([[0.6, 0.4], [1.0, 0.0]], np.float32)]
    assert np.allclose(masks.taught(truth, answers), [[0.85, 0.15], [0.4, 0.6]])


def test_a_backbone_is_frozen_first_and_fine_tuned_then(tmp_path: Path) -> None:
    data = write_voc(tmp_path / "data" / "colours", ["with_mask", "without_mask"] * 7)
    tiny = ("--weights", "none", "--input-size", 32, "--batch-size", 8, "--epochs", 2, "--classes", 2)
    run = train(tmp_path / "run", "mask", "--data", data, *tiny)
    assert (run.status, run.complaint) == (0, "")
    for stage in ("checkpoint-head", "checkpoint"):
        assert [len(values) for values in checkpoint.kept_figures(run.out / stage).values()] == [1] * 4
    assert [row["epoch"] for row in run.history()] == ["1", "2"]


@pytest.mark.usefixtures("compiled")
def test_class_folders_taken_whole_and_validation_learned_from(tmp_path: Path) -> None:
    data = tmp_path / "data" / "people"
    for number in range(28):
        label = LABELS[number % 2]
        (data / label).mkdir(parents=True, exist_ok=True)
        image, (x1, y1, x2, y2) = portrait(label, number)
        write_photo(data / label / f"{number}.png", image[y1:y2, x1:x2])
    run = train(
        tmp_path / "run",
        *("mask", "--data", data, *TINY, "--epochs", 1, "--classes", 2, "--whole-image", "--with-validation"),
    )
    assert (run.status, run.complaint) == (0, "")
    assert "train: 24 faces" in run.printed
    assert "validation: 0 faces" in run.printed
    assert "val_loss" not in run.history()[0]
    assert run.json("model.json")["training_data"] == [{"name": "people", "photos": 24, "licence": "none stated"}]


def test_face_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_voc(tmp_path / "data" / "colours", ["with_mask"] * 10)
    tiny = ("--weights", "none", "--alpha", 0.35, "--crop", 128, "--epochs", 1, "--batch-size", 4)
    run = train(tmp_path / "run", "face", "--data", data, *tiny)
    assert (run.status, run.complaint) == (0, "")
    pictures = {"curves.png", "precision_recall.png", "mistakes.png"}
    names = {path.name for path in run.out.iterdir()}
    assert names >= {"model.keras", "model.json", "metrics.json", "history.csv", "report.txt", *pictures}
    for name in pictures:
        assert min(read_photo(run.out / name).shape[:2]) > 100

    figures = run.json("metrics.json")["test"]["colours"]
    assert (figures["photos"], figures["faces"]) == (2, 2)
    assert 0 <= figures["ap50"] <= 1
    assert [row["epoch"] for row in run.history()] == ["1"]
    assert float(run.history()[0]["loss"]) > 0

    model = keras.models.load_model(run.out / "model.keras")
    maps = model(np.zeros((1, 256, 320, 3), np.float32))
    for stride in (8, 16, 32):
        grid = (1, 256 // stride, 320 // stride)
        assert maps[f"score_{stride}"].shape == (*grid, 1)
        assert maps[f"box_{stride}"].shape == (*grid, 4)
    card = read_card(run.out / "model.keras")
    assert card is not None
    assert (card.task, card.name, card.strides) == ("face_detection", "face-detector", (8, 16, 32))
    assert [(each.name, each.photos) for each in card.training_data] == [("colours", 8)]

    # Of the further trainings the network is of interest, not the report.
    networks: list[Any] = []

    def only_train(*given: Any, **more: Any) -> None:
        networks.append(faces_module.train_faces(*given, **more)[0])
        raise MaskdError("enough")

    monkeypatch.setattr("training.face_command.train_faces", only_train)
    kept = ("--start-from", run.out / "model.keras", "--keep-stem")
    complaint_of(train(tmp_path / "further", "face", "--data", data, *tiny[2:], *kept), 1)
    for name, is_kept in (("block_3_expand", True), ("block_7_expand", False)):
        weights = model.get_layer(name).get_weights(), networks[0].get_layer(name).get_weights()
        assert all(np.array_equal(*pair) for pair in zip(*weights, strict=True)) == is_kept

    # What becomes of these options takes longest, and is tried in test_teaching.py.
    asked: list[Any] = []

    def only_note(_examples: Any, options: Any, *_: Any, **__: Any) -> None:
        asked.append(options)
        raise MaskdError("enough")

    monkeypatch.setattr("training.face_command.train_faces", only_note)
    imitating = ("--backbone", "patches", "--imitate", run.out / "model.keras", "--imitation-steps", 2)
    light = train(tmp_path / "light", "face", "--data", data, *tiny[2:], *imitating)
    assert complaint_of(light, 1) == "maskd-train: enough"
    (options,) = asked
    assert (options.backbone, options.imitate, options.imitation_steps) == ("patches", run.out / "model.keras", 2)


def photo_of(set_name: str, *boxes: Box) -> LabelledPhoto:
    return LabelledPhoto(Path("a.png"), tuple(LabelledFace(box, "with_mask") for box in boxes), (), set_name)


def test_how_often_an_epoch_shows_a_photo() -> None:
    box = Box(0, 0, 20, 20)
    photos = [photo_of("crowds", *[box] * 9), photo_of("crowds"), photo_of("close", box), photo_of("groups", box, box)]
    photos.append(photo_of("rooms"))
    root = 2**0.5  # crowds have two photos, the others with faces one
    assert [times for _, times in face_command.with_repetition(photos, empty=5)] == pytest.approx(
        [2.4, 2.4, 0.5 * root, 2.0 * root, 5]
    )


def detections(scores: list[float], *faces: tuple[float, float, float, float], ignored: int = 0) -> PictureResult:
    """The first detections are the faces, the rest are false."""
    boxes = [*faces, *[(200.0, 200.0, 220.0, 220.0)] * (len(scores) - len(faces))]
    return PictureResult(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(faces, np.float32).reshape(-1, 4),
        np.array([(300, 300, 320, 320)] * ignored, np.float32).reshape(-1, 4),
    )


def test_the_recommended_score_keeps_empty_rooms_quiet() -> None:
    people = [detections([0.6, 0.3], (0, 0, 20, 20)) for _ in range(5)]
    assert face_command.recommended_min_score({"people": people}) == 0.6
    noisy = [detections([0.9]), detections([0.8]), detections([0.703]), *(detections([]) for _ in range(97))]
    assert face_command.recommended_min_score({"people": people, "rooms": noisy}) == 0.71, (
        "two false faces in 100 are bearable"
    )
    crowd = [detections([0.9], ignored=1)] * 5
    assert face_command.recommended_min_score({"people": people, "crowd": crowd}) == 0.6, (
        "who is ignored is there all the same"
    )
    assert face_command.recommended_min_score({}) == face_command.MIN_SCORE


def complaint_of(run: Ran, status: int) -> str:
    assert run.status == status
    (line,) = run.complaint.splitlines()
    assert line.startswith("maskd-train: ")
    return line


def test_a_missing_folder(tmp_path: Path) -> None:
    for command in ("mask", "face"):
        line = complaint_of(train(tmp_path / "run", command, "--data", tmp_path / "gone", "--weights", "none"), 1)
        assert f"{tmp_path / 'gone'}: no such folder" in line
    assert not (tmp_path / "run").exists()


def test_a_label_without_photos(tmp_path: Path) -> None:
    data = write_voc(tmp_path / "data", ["with_mask", "without_mask"] * 3)
    line = complaint_of(train(tmp_path / "run", "mask", "--data", data, *TINY), 1)
    assert line.endswith("labelled mask_weared_incorrect; add photos of it, or train with --classes 2")


def test_more_folds_than_photos(tmp_path: Path) -> None:
    data = write_voc(tmp_path / "data", ["with_mask", "without_mask"] * 2)
    few = ("mask", "--data", data, *TINY, "--classes", 2, "--folds-only")
    line = complaint_of(train(tmp_path / "run", *few, "--folds", 9), 2)
    assert "--folds 9 exceeds the number of photos, 4" in line
    line = complaint_of(train(tmp_path / "run", *few, "--folds", "sets"), 2)
    assert "--folds sets leaves out one data set after another, but there is only one" in line
    assert "--folds-only is for --folds" in complaint_of(train(tmp_path / "run", *few), 2)


def test_each_set_is_judged_by_a_model_that_learnt_from_the_others(faces: Path, tmp_path: Path) -> None:
    """The second set has its labels turned round, so a model of the others is wrong there."""
    turned = dict(zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True))
    other = write_voc(tmp_path / "turned", [LABELS[i % 3] for i in range(42)])
    for path in (other / "annotations").iterdir():
        label = path.read_text().partition("<name>")[2].partition("</name>")[0]
        path.write_text(path.read_text().replace(f"<name>{label}<", f"<name>{turned[label]}<"))
    third = write_voc(tmp_path / "third", [LABELS[i % 3] for i in range(42)])
    sets_given = ("--data", faces, "--data", other, "--data", third)
    every = ("mask", *sets_given, *TINY, "--epochs", 8, "--favour-incorrect", 1)
    ran = train(tmp_path / "run", *every, "--folds", "sets", "--folds-only")
    assert (ran.status, ran.complaint) == (0, "")
    sets = ran.json("metrics.json")["cross_validation"]["sets"]
    assert {name: each["three-class accuracy"]["count"] for name, each in sets.items()} == {
        "colours": 42,
        "third": 42,
        "turned": 42,
        "all together": 126,
    }
    assert sets["turned"]["three-class accuracy"]["value"] < 0.2
    assert not (tmp_path / "run" / "model.keras").exists()

    kept = tmp_path / "run" / "fold-1" / "answers.npz"
    before = kept.stat().st_mtime_ns
    again = train(tmp_path / "run", *every, "--folds", "sets", "--folds-only", "--resume")
    assert again.json("metrics.json")["cross_validation"]["sets"] == sets
    assert kept.stat().st_mtime_ns == before

    next((third / "images").iterdir()).unlink()
    line = complaint_of(train(tmp_path / "run", *every, "--folds", "sets", "--folds-only", "--resume"), 2)
    assert f"{kept.parents[1] / 'fold-2' / kept.name} answers for other photos than those of this fold now" in line


@pytest.mark.parametrize("command", ["mask", "face"])
def test_weights_that_are_none(command: str, faces: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.weights.h5"
    line = complaint_of(train(tmp_path / "run", command, "--data", faces, "--weights", gone), 2)
    assert f"--weights {gone}: no such file" in line

    other = tmp_path / "other.weights.h5"
    keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)]).save_weights(other)
    line = complaint_of(train(tmp_path / "run", command, "--data", faces, "--weights", other), 1)
    assert f"{other} does not contain weights of MobileNetV2 of alpha 0.35" in line

    other.write_bytes(b"no weights at all")
    line = complaint_of(train(tmp_path / "run", command, "--data", faces, "--weights", other), 1)
    assert f"{other} does not contain weights of MobileNetV2 of alpha 0.35" in line


def test_an_alpha_without_imagenet_weights(faces: Path, tmp_path: Path) -> None:
    line = complaint_of(train(tmp_path / "run", "mask", "--data", faces, "--alpha", 0.4), 1)
    assert "there are no ImageNet weights for MobileNetV2 of alpha 0.4" in line
    assert line.endswith("give --weights none or a file")


def test_no_face_to_learn_from(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_photo(tmp_path / "empty" / "room.png", portrait("with_mask", 1)[0])
    line = complaint_of(train(tmp_path / "run", "face", "--data", tmp_path / "empty", "--weights", "none"), 1)
    assert "no training photo shows a labelled face" in line


def test_an_out_that_is_a_file(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    line = complaint_of(train(tmp_path / "run", "mask", "--data", faces, *TINY), 1)
    assert f"the folder {tmp_path / 'run'} cannot be created (File exists)" in line


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("mask", "--classes", "5"),
        ("mask", "--folds", "0"),
        ("mask", "--input-size", "16"),
        ("mask", "--arch", "vgg"),
        ("mask", "--alpha", "wide"),
        ("face", "--alpha", "0"),
        ("face", "--crop", "100"),
        ("face", "--epochs", "-1"),
        ("mask", "--landmarks", "gone.onnx"),
        ("mask", "--teacher", "gone.keras"),
        ("face", "--start-from", "gone.keras"),
    ],
)
def test_bad_arguments(command: str, option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--data", "photos", option, value])
    assert stopped.value.code == 2
    assert f"argument {option}:" in capsys.readouterr().err
