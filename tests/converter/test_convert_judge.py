"""A conversion is judged by its result: what makes no sense is refused, with the flags that make sense of it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("h5py", reason="the converter needs the extra `convert` of pyproject.toml")

import h5py

from converter.convert import convert_float
from converter.float_model import load_float_model, one_line
from converter.judge import require_likeness
from converter.verify import Verification
from edge.errors import MaskdError
from edge.vision.masks import MaskClassifier
from edge.vision.model import Metric, open_model
from tests.converter.test_convert import (
    BLUE,
    LABELS,
    RED,
    SIDE,
    build_classifier,
    build_detector,
    convert,
    keras,
    write_set,
)
from tests.support.disks import small_disk
from tests.support.tensorflow_tests import NEEDS_TENSORFLOW

pytestmark = [
    *NEEDS_TENSORFLOW,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
]
__all__ = ["keras"]


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blue faces wear a mask, red ones do not; more are red."""
    kinds = [0, 1, 1] * 80
    photos = [(LABELS[kind], (20 + i % 40, 20, 60 + i % 40, 60), (BLUE, RED)[kind]) for i, kind in enumerate(kinds)]
    return write_set(tmp_path_factory.mktemp("data") / "colours", photos)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert convert(*arguments) == 1
    problem = capsys.readouterr().err.splitlines()[-1]
    assert "nothing was installed" in problem
    return problem


@pytest.mark.parametrize(
    ("built", "asked", "fitting"),
    [
        ({}, ("--labels", "without_mask,with_mask"), ("--labels", "with_mask,without_mask")),
        (
            {"rescaling": False},
            ("--labels", "with_mask,without_mask", "--preprocess", "none"),
            ("--preprocess", "unit"),
        ),
        ({"flipped": True}, ("--labels", "with_mask,without_mask"), ("--color-order", "bgr")),
    ],
    ids=["labels", "preprocess", "colours"],
)
def test_what_fits_is_said_and_works(
    keras: Any,
    masks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    built: dict[str, bool],
    asked: tuple[str, ...],
    fitting: tuple[str, ...],
) -> None:
    model = build_classifier(keras, rescaling=built.get("rescaling", True))
    if built.get("flipped"):
        # Red and blue changed, and as many labels with them: only with a third direction can the two be told apart.
        logits = model.get_layer("logits")
        weights, bias = logits.get_weights()
        logits.set_weights([weights[::-1], bias])
    if not built.get("rescaling", True):
        # Both colours are as green as the bias expects; at 255 times the brightness green alone decides.
        logits = model.get_layer("logits")
        weights, _ = logits.get_weights()
        weights[1] = (30, -30)
        logits.set_weights([weights, np.array([-10, 10], np.float32)])
    model.save(tmp_path / "m.keras")
    flags = (tmp_path / "m.keras", "--data", masks, "--out", tmp_path / "models")
    problem = refused(capsys, *flags, *asked)
    if built.get("flipped"):
        # Of two labels the other order says the same as the other colours.
        assert "--labels without_mask,with_mask it is right on 1.000" in problem
    else:
        assert f"with {' '.join(fitting)} it is right on 1.000" in problem
    assert not (tmp_path / "models").exists()
    assert convert(*flags, *asked, *fitting) == 0
    classifier = MaskClassifier(open_model(tmp_path / "models" / "m.tflite", "mask_classification"))
    crops = np.stack([np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in (BLUE, RED)])
    assert [answer.status for answer in classifier.classify_crops(crops)] == list(LABELS)


def test_an_untrained_model_is_refused(
    keras: Any, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build_classifier(keras)
    logits = model.get_layer("logits")
    logits.set_weights([np.zeros((3, 2), np.float32), np.array([0, 0.1], np.float32)])
    model.save(tmp_path / "m.keras")
    flags = (tmp_path / "m.keras", "--labels", ",".join(LABELS), "--data", masks, "--out", tmp_path / "models")
    problem = refused(capsys, *flags)
    assert "labels all" in problem
    assert "test faces without_mask, and 0." in problem
    assert "no order of the --labels" in problem


def test_photos_of_one_label_alone_cannot_tell(keras: Any, tmp_path: Path) -> None:
    for number in range(20):
        folder = tmp_path / "folders" / "with_mask"
        folder.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / f"{number}.png"), np.full((40, 40, 3), BLUE[::-1], np.uint8))
    build_classifier(keras).save(tmp_path / "m.keras")
    flags = ("--labels", ",".join(LABELS), "--data", tmp_path / "folders", "--whole-image", "--out", tmp_path)
    assert convert(tmp_path / "m.keras", *flags) == 0


# --- float against int8 ---


def compared(count: int, *, before: float, after: float, agreement: float) -> Verification:
    def metric(measure: str, value: float, float_value: float | None) -> Metric:
        return Metric(
            dataset="all", split="test", measure=measure, value=round(value, 4), count=count, float_value=float_value
        )

    return Verification([], metric("accuracy", after, round(before, 4)), metric("agreement", agreement, None))


def test_one_face_of_a_small_set_is_let_pass() -> None:
    require_likeness(compared(48, before=1, after=47 / 48, agreement=47 / 48), 1)
    with pytest.raises(MaskdError, match=r"4\.2 points of accuracy, 2 of 48 faces; --max-drop allows 1"):
        require_likeness(compared(48, before=1, after=46 / 48, agreement=46 / 48), 1)
    with pytest.raises(MaskdError, match="1 of 48 faces; --max-drop allows 0"):
        require_likeness(compared(48, before=1, after=47 / 48, agreement=47 / 48), 0)


def test_agreement_is_judged_whatever_the_accuracy() -> None:
    require_likeness(compared(200, before=0.9, after=0.9, agreement=0.95), 1)
    with pytest.raises(MaskdError, match=r"on 38 of 200 test faces \(agreement 0.810, .* --quantize dynamic"):
        require_likeness(compared(200, before=0.9, after=0.92, agreement=0.81), 1)
    require_likeness(compared(200, before=0.9, after=0.92, agreement=0.81), 20)


@pytest.mark.parametrize("form", ["dynamic", "float"])
def test_what_integers_spoil_runs_in_floating_point(
    keras: Any, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    # Both logits grow with brightness, by so much that one step of int8 is larger than their difference.
    model = build_classifier(keras, contrast=2, offset=2000)
    model.save(tmp_path / "fragile.keras")
    flags = (tmp_path / "fragile.keras", "--labels", ",".join(LABELS), "--data", masks, "--out", tmp_path)
    assert "--quantize dynamic" in refused(capsys, *flags)
    assert convert(*flags, "--quantize", form) == 0
    opened = open_model(tmp_path / "fragile.tflite", "mask_classification")
    assert opened.manifest.quantization is None
    assert opened.manifest.input.resizable
    crops = np.stack([np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in (BLUE, RED) * 3])
    assert [a.status for a in MaskClassifier(opened).classify_crops(crops)] == list(LABELS) * 3


def test_a_detector_runs_in_floating_point(keras: Any, tmp_path: Path) -> None:
    cells = [(32 * (i % 4), 32 * (i % 3)) for i in range(40)]
    data = write_set(tmp_path / "squares", [("with_mask", (x, y, x + 32, y + 32), RED) for x, y in cells])
    build_detector(keras, 96, 128).save(tmp_path / "squares.keras")
    flags = (tmp_path / "squares.keras", "--task", "face_detection", "--data", data, "--out", tmp_path)
    assert convert(*flags, "--quantize", "float") == 0
    figures = open_model(tmp_path / "squares.tflite", "face_detection").manifest.metrics
    ap = next(metric for metric in figures if metric.measure == "AP50")
    assert ap.value == pytest.approx(ap.float_value)
    assert next(metric for metric in figures if "chosen" in metric.measure).value > 0.9


# --- what Keras 2 saved ---


def keras_2_h5(path: Path) -> Path:
    """As the tutorials of 2020 have it: Keras 2.2.4-tf, whose initialisers carry a dtype."""
    initialiser = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}
    layers = [
        {"class_name": "InputLayer", "name": "i", "inbound_nodes": [],
         "config": {"batch_input_shape": [None, 8, 8, 3], "dtype": "float32", "sparse": False, "name": "i"}},
        {"class_name": "Conv2D", "name": "c", "inbound_nodes": [[["i", 0, 0, {}]]],
         "config": {"name": "c", "filters": 2, "kernel_size": [3, 3], "kernel_initializer": initialiser}},
    ]  # fmt: skip
    config = {"name": "m", "layers": layers, "input_layers": [["i", 0, 0]], "output_layers": [["c", 0, 0]]}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": config})
        file.attrs["keras_version"] = "2.2.4-tf"
        file.create_group("model_weights").attrs["layer_names"] = [b"i", b"c"]
    return path


def keras_2_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        archive.writestr("config.json", json.dumps({"class_name": "NoSuchClass", "config": {}}))
        archive.writestr("model.weights.h5", b"")
    return path


@pytest.mark.parametrize(("make", "name", "version"), [
    (keras_2_h5, "mask_detector.h5", "2.2.4-tf"),
    (keras_2_h5, "mask_detector.model", "2.2.4-tf"),
    (keras_2_zip, "mask_detector.keras", "2.15.0"),
])  # fmt: skip
def test_keras_2_is_named_with_the_whole_recipe(
    masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any, name: str, version: str
) -> None:
    path = make(tmp_path / name)
    assert convert(path, "--labels", ",".join(LABELS), "--preprocess", "unit", "--data", masks) == 1
    problem = capsys.readouterr().err.splitlines()[-1]
    assert f"was saved by Keras 2 ({version})" in problem
    assert "export a SavedModel with tf_keras: " in problem
    assert problem.endswith(
        f"import tf_keras; tf_keras.models.load_model('{path}', compile=False).export('mask_detector-saved')\", "
        "and convert the folder mask_detector-saved"
    )


def test_a_reason_ends_with_a_sentence_or_says_that_it_goes_on() -> None:
    assert one_line(ValueError("short\nand  sweet")) == "short and sweet"
    assert one_line(ValueError("The first sentence. " + "word " * 100)) == "The first sentence."
    long = one_line(ValueError("word " * 100))
    assert long.endswith("word ...")
    assert len(long) <= 304
    assert one_line(ValueError()) == "ValueError"


def test_a_full_disk_for_temporary_files_is_one_sentence(
    keras: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = keras.layers
    picture = layers.Input((8, 8, 3))
    wide = layers.Dense(1000)(layers.Dense(1000)(layers.GlobalAveragePooling2D()(picture)))
    keras.Model(picture, layers.Dense(2, activation="softmax")(wide)).save(tmp_path / "big.keras")
    model = load_float_model(tmp_path / "big.keras")
    with small_disk(tmp_path / "disk", kilobytes=2000):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "disk"))
        with pytest.raises(MaskdError, match=r"the disk of .*/disk is full, .* TMPDIR"):
            convert_float(model)
