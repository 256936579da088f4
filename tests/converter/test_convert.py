"""Conversion of real, tiny Keras models, from the command line to the daemon's own classes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.places import ROOT

pytest.importorskip("h5py", reason="the converter needs the extra `convert` of pyproject.toml")

import h5py

from converter.backend import load_tensorflow
from converter.cli import main
from converter.convert import float_operators
from converter.float_model import load_float_model
from edge.geometry import Box
from edge.vision.faces import TfliteFaceDetector
from edge.vision.masks import MaskClassifier
from edge.vision.model import load_manifest, open_model
from tests.support.tensorflow_tests import NEEDS_TENSORFLOW

# Keras 3 has not followed numpy 2 everywhere.
pytestmark = [
    *NEEDS_TENSORFLOW,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
]

SIDE = 32
LABELS = ("with_mask", "without_mask")
BLUE, RED, GREY = (40, 90, 200), (210, 80, 60), (110, 110, 110)


@pytest.fixture(scope="module")
def keras() -> Any:
    return load_tensorflow()[1]


def write_set(folder: Path, photos: list[tuple[str, tuple[int, int, int, int], tuple[int, int, int]]]) -> Path:
    """A Pascal VOC set of grey photos of 128x96, each with one face: a rectangle of one colour, slightly noisy."""
    random = np.random.default_rng(7)
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True)
    for number, (label, (x1, y1, x2, y2), colour) in enumerate(photos):
        picture = np.full((96, 128, 3), GREY, np.int16)
        picture[y1:y2, x1:x2] = colour
        picture = np.clip(picture + random.integers(-20, 20, picture.shape), 0, 255).astype(np.uint8)
        assert cv2.imwrite(str(folder / "images" / f"{number}.png"), picture[..., ::-1])
        corners = "".join(
            f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), (x1, y1, x2, y2), strict=True)
        )
        (folder / "annotations" / f"{number}.xml").write_text(
            f"<annotation><filename>{number}.png</filename>"
            f"<object><name>{label}</name><bndbox>{corners}</bndbox></object></annotation>",
            encoding="utf-8",
        )
    return folder


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blue faces wear a mask, red ones do not."""
    photos = [(LABELS[i % 2], (20 + i, 20, 60 + i, 60), (BLUE, RED)[i % 2]) for i in range(40)]
    return write_set(tmp_path_factory.mktemp("data") / "colours", photos)


def build_classifier(
    keras: Any, *, rescaling: bool = True, size: int | None = SIDE, contrast: float = 6, offset: float = 0
) -> Any:
    """Tells blue from red by the mean of each channel; `offset` adds brightness to both logits alike."""
    layers = keras.layers
    picture = x = layers.Input((size, size, 3))
    if rescaling:
        x = layers.Rescaling(1 / 255)(x)
    x = layers.Conv2D(3, 3, padding="same", use_bias=False, name="smooth")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(2, name="logits")(x)
    model = keras.Model(picture, layers.Softmax()(x))
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        kernel[:, :, channel, channel] = 1 / 9
    model.get_layer("smooth").set_weights([kernel])
    weights = np.array([[-contrast, contrast], [0, 0], [contrast, -contrast]], np.float32) + offset
    model.get_layer("logits").set_weights([weights, np.zeros(2, np.float32)])
    return model


def convert(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_keras_model_with_a_card(keras: Any, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = build_classifier(keras)
    model.save(tmp_path / "model.keras")
    card = {
        "task": "mask_classification",
        "name": "colour-classifier",
        "labels": LABELS,
        "crop_margin": 0.1,
        "thresholds": {"min_confidence": 0.6},
        "training_data": [{"name": "colours", "photos": 28, "licence": "CC0"}],
    }
    (tmp_path / "model.json").write_text(json.dumps(card), encoding="utf-8")
    out = tmp_path / "models"

    assert convert(tmp_path / "model.keras", "--data", masks, "--out", out, "--version", "2.1.0") == 0

    assert sorted(path.name for path in out.iterdir()) == ["colour-classifier.json", "colour-classifier.tflite"]
    opened = open_model(out / "colour-classifier.tflite", "mask_classification")
    manifest = opened.manifest
    assert manifest.identity == "colour-classifier/2.1.0"
    assert (manifest.input.height, manifest.input.width, manifest.input.resizable) == (SIDE, SIDE, True)
    assert (manifest.crop_margin, manifest.thresholds.min_confidence) == (0.1, 0.6)
    assert manifest.training_data[0].licence == "CC0"
    # The daemon feeds pixels as they are, though no photo here has a black or a white one.
    assert manifest.quantization is not None
    assert manifest.quantization.input.scale == pytest.approx(1, abs=1e-3)
    assert manifest.quantization.input.zero_point == 0
    measured = {metric.measure: metric for metric in manifest.metrics}
    assert measured["accuracy"].value == measured["accuracy"].float_value == 1
    assert measured["accuracy"].count == 6
    assert measured["agreement"].value == 1
    assert measured["recall without_mask"].count == 3
    assert measured["latency ms"].value > 0
    assert measured["size kB"].value == pytest.approx(len(opened.content) / 1000, abs=0.001)
    table = capsys.readouterr().out
    assert "recall with_mask" in table
    assert "latency ms" in table

    crops = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)
    crops[:, :, :, 0] //= np.arange(1, 6, dtype=np.uint8)[:, None, None]
    int8 = MaskClassifier(opened).classify_crops(crops)
    expected = np.asarray(model(crops.astype(np.float32)))
    assert np.ptp(expected[:, 0]) > 0.2
    for row, classification in zip(expected, int8, strict=True):
        assert list(classification.probabilities.values()) == pytest.approx(row.tolist(), abs=0.02)


def as_h5(model: Any, folder: Path) -> Path:
    # Keras warns that .h5 is legacy: it is what the tutorials have.
    model.save(folder / "mask_detector.h5")
    return folder / "mask_detector.h5"


def as_h5_without_suffix(model: Any, folder: Path) -> Path:
    return as_h5(model, folder).rename(folder / "mask_detector.model")


def as_saved_model(model: Any, folder: Path) -> Path:
    model.export(folder / "mask_detector", format="tf_saved_model", verbose=False)
    return folder / "mask_detector"


@pytest.mark.parametrize("save", [as_h5, as_h5_without_suffix, as_saved_model])
def test_foreign_formats_with_their_normalisation_folded_in(
    keras: Any, masks: Path, tmp_path: Path, save: Callable[[Any, Path], Path]
) -> None:
    path = save(build_classifier(keras, rescaling=False), tmp_path)
    flags = ("--labels", ",".join(LABELS), "--preprocess", "unit", "--out", tmp_path)
    assert convert(path, "--data", masks, *flags) == 0
    opened = open_model(tmp_path / "mask_detector.tflite", "mask_classification")
    assert float_operators(opened.content) == []
    classifier = MaskClassifier(opened)
    crops = np.stack([np.full((SIDE, SIDE, 3), colour, np.uint8) for colour in (BLUE, RED)])
    expected = np.asarray(build_classifier(keras)(crops.astype(np.float32)))
    answers = classifier.classify_crops(crops)
    assert [answer.status for answer in answers] == ["with_mask", "without_mask"]
    for row, answer in zip(expected, answers, strict=True):
        assert list(answer.probabilities.values()) == pytest.approx(row.tolist(), abs=0.05)

    # The manifest that now lies beside the model does not stand in for the flags.
    assert convert(path, "--data", masks, "--out", tmp_path) == 2


def test_depthwise_convolutions_as_keras_2_wrote_them(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential([layers.Input((8, 8, 3)), layers.DepthwiseConv2D(3), layers.GlobalAveragePooling2D()])
    model.save(tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        (depthwise,) = (layer for layer in config["config"]["layers"] if layer["class_name"] == "DepthwiseConv2D")
        depthwise["config"]["groups"] = 1
        file.attrs["model_config"] = json.dumps(config)
    picture = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    expected = np.asarray(model(picture.astype(np.float32)))
    assert load_float_model(tmp_path / "old.h5").predict(picture)[0] == pytest.approx(expected, rel=1e-4)


def test_mobilenet_normalisation_and_an_open_input_size(keras: Any, tmp_path: Path) -> None:
    build_classifier(keras, rescaling=False, size=None).save(tmp_path / "open.keras")
    model = load_float_model(tmp_path / "open.keras", preprocess="mobilenet_v2", input_size=(24, 24))
    pixels = np.full((1, 24, 24, 3), (255, 0, 51), np.uint8)
    signs = np.array([1, -1, 51 / 127.5 - 1])
    logits = signs @ np.array([[-6, 6], [0, 0], [6, -6]])
    # The smoothing at the border mixes in zeros, so the mean is a little nearer to zero.
    inner = (22 * 22 + 4 * 22 * 6 / 9 + 4 * 4 / 9) / 24**2
    expected = np.exp(logits * inner) / np.exp(logits * inner).sum()
    assert model.predict(pixels)[0][0] == pytest.approx(expected, abs=1e-4)
    assert model.output_shapes == ((2,),)


def test_a_single_sigmoid_becomes_two_probabilities(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((8, 8, 3)), layers.GlobalAveragePooling2D(), layers.Dense(1, activation="sigmoid")]
    )
    model.layers[-1].set_weights([np.array([[0.01], [0], [0]], np.float32), np.zeros(1, np.float32)])
    model.save(tmp_path / "one.keras")
    loaded = load_float_model(tmp_path / "one.keras", columns=2)
    answer = loaded.predict(np.full((1, 8, 8, 3), 100, np.uint8))[0]
    second = 1 / (1 + np.exp(-1))
    assert answer[0] == pytest.approx([1 - second, second], abs=1e-4)


def test_a_drop_past_the_limit_installs_nothing(
    keras: Any, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Both logits grow with brightness, by so much that one step of int8 is larger than their difference.
    build_classifier(keras, contrast=2, offset=2000).save(tmp_path / "fragile.keras")
    out = tmp_path / "models"
    out.mkdir()
    (out / "fragile.tflite").write_bytes(b"the one before")
    arguments = (tmp_path / "fragile.keras", "--labels", ",".join(LABELS), "--data", masks, "--out", out)
    assert convert(*arguments) == 1
    assert [path.name for path in out.iterdir()] == ["fragile.tflite"]
    assert (out / "fragile.tflite").read_bytes() == b"the one before"
    error = capsys.readouterr().err.splitlines()[-1]
    assert "nothing was installed" in error
    assert "points of accuracy" in error

    assert convert(*arguments, "--max-drop", "100") == 0
    manifest = load_manifest(out / "fragile.json")
    accuracy = next(metric for metric in manifest.metrics if metric.measure == "accuracy")
    assert accuracy.float_value == 1
    assert accuracy.value < 0.99


def build_detector(keras: Any, height: int, width: int) -> Any:
    """Finds red squares of 32 px, one per cell of stride 32; the finer grids never find anything."""
    layers = keras.layers
    picture = layers.Input((height, width, 3))
    x = layers.Rescaling(1 / 255)(picture)
    outputs = {}
    for stride in (8, 16, 32):
        pooled = layers.AveragePooling2D(stride)(x)
        score = layers.Conv2D(1, 1, activation="sigmoid", name=f"score_{stride}")
        box = layers.Conv2D(4, 1, name=f"box_{stride}")
        outputs[f"score_{stride}"], outputs[f"box_{stride}"] = score(pooled), box(pooled)
        redness = np.array([20, -10, -10], np.float32).reshape(1, 1, 3, 1)
        score.set_weights([redness, np.array([-4 if stride == 32 else -40], np.float32)])
        # A trace of each channel, since a constant map has no range to quantize.
        box.set_weights([np.full((1, 1, 3, 4), 0.01, np.float32), np.zeros(4, np.float32)])
    return keras.Model(picture, outputs)


def test_detector(keras: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [(32 * (i % 4), 32 * (i % 3)) for i in range(40)]
    photos = [("with_mask", (x, y, x + 32, y + 32), RED) for x, y in cells]
    data = write_set(tmp_path / "squares", photos)
    empty = tmp_path / "no_people"
    empty.mkdir()
    for number in range(10):
        assert cv2.imwrite(str(empty / f"{number}.png"), np.full((96, 128, 3), GREY, np.uint8))
    build_detector(keras, 96, 128).save(tmp_path / "squares.keras")

    arguments = (tmp_path / "squares.keras", "--task", "face_detection", "--data", data, "--data", empty)
    assert convert(*arguments, "--out", tmp_path, "--name", "square-detector") == 0

    opened = open_model(tmp_path / "square-detector.tflite", "face_detection")
    assert (opened.manifest.stride, opened.manifest.strides) == (32, [8, 16, 32])
    assert opened.manifest.input.resizable
    figures = {(metric.dataset, metric.measure): metric for metric in opened.manifest.metrics}
    ap = figures["squares", "AP50"]
    assert ap.count == 6
    assert ap.float_value == pytest.approx(1)
    assert ap.value == pytest.approx(1)
    assert ("no_people", "AP50") not in figures
    assert figures["all", "AP50, input shape chosen"].value == pytest.approx(1)

    picture = np.full((96, 128, 3), GREY, np.uint8)
    picture[32:64, 64:96] = RED
    (face,) = TfliteFaceDetector(opened).detect(picture, 0.5)
    assert face.box.iou(Box(64, 32, 96, 64)) > 0.9


def test_a_flattened_graph_is_converted_for_one_face_at_a_time(keras: Any, masks: Path, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((16, 16, 3)),
            layers.Rescaling(1 / 255),
            layers.AveragePooling2D(8),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    weights = np.tile(np.array([[-2, 2], [0, 0], [2, -2]], np.float32), (4, 1))
    model.layers[-1].set_weights([weights, np.zeros(2, np.float32)])
    model.save(tmp_path / "flat.keras")
    assert convert(tmp_path / "flat.keras", "--labels", ",".join(LABELS), "--data", masks, "--out", tmp_path) == 0
    opened = open_model(tmp_path / "flat.tflite", "mask_classification")
    assert not opened.manifest.input.resizable
    crops = np.stack([np.full((16, 16, 3), colour, np.uint8) for colour in (BLUE, RED, BLUE)])
    statuses = [answer.status for answer in MaskClassifier(opened).classify_crops(crops)]
    assert statuses == ["with_mask", "without_mask", "with_mask"]


def test_class_folders_taken_whole(keras: Any, tmp_path: Path) -> None:
    for label, colour in zip(LABELS, (BLUE, RED), strict=True):
        (tmp_path / "folders" / label).mkdir(parents=True)
        for number in range(10):
            assert cv2.imwrite(
                str(tmp_path / "folders" / label / f"{number}.png"), np.full((40, 40, 3), colour[::-1], np.uint8)
            )
    build_classifier(keras).save(tmp_path / "colours.keras")
    arguments = (tmp_path / "colours.keras", "--labels", ",".join(LABELS), "--data", tmp_path / "folders")
    assert convert(*arguments, "--out", tmp_path, "--whole-image") == 0
    manifest = load_manifest(tmp_path / "colours.json")
    assert [(m.dataset, m.value, m.count) for m in manifest.metrics if m.measure == "accuracy"] == [("folders", 1, 4)]


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["{dir}/nowhere.keras"], 2, "there is no model"),
        (["{dir}/junk.h5", "--labels", "a,b", "--preprocess", "none"], 1, "neither a .keras nor an .h5 file"),
        (["{dir}/half.h5", "--labels", "a,b", "--preprocess", "none"], 1, "cannot load it"),
        (["{dir}/folder", "--labels", "a,b", "--preprocess", "none"], 1, "not a SavedModel"),
        (["{dir}/good.keras"], 2, "give --labels"),
        (["{dir}/good.keras", "--labels", "a,b,c"], 2, "does not match the 3 labels"),
        (["{dir}/good.keras", "--labels", "a,b", "--input-size", "64x64"], 2, "not --input-size 64x64"),
        (["{dir}/good.keras", "--labels", "a,b"], 1, "no labelled face"),
        (["{dir}/good.keras", "--labels", "a,b", "--name", "../up"], 2, "--name"),
        (["{dir}/raw.keras", "--labels", "with_mask,without_mask"], 2, "--preprocess mobilenet_v2"),
        (["{dir}/open.keras", "--labels", "a,b"], 2, "--input-size HxW"),
        (["{dir}/good.keras", "--labels", "a,b", "--data", "{dir}/nowhere"], 1, "no such folder"),
    ],
)
def test_problems_are_one_sentence(
    keras: Any,
    masks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    problem: str,
) -> None:
    (tmp_path / "junk.h5").write_bytes(b"no model at all")
    (tmp_path / "half.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / "folder").mkdir()
    build_classifier(keras).save(tmp_path / "good.keras")
    build_classifier(keras, rescaling=False).save(tmp_path / "raw.keras")
    build_classifier(keras, size=None).save(tmp_path / "open.keras")
    out = tmp_path / "models"
    given = [argument.format(dir=tmp_path) for argument in arguments]
    assert convert(*given, "--data", masks, "--out", out) == status
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("maskd-convert: ")
    assert problem in last
    assert not out.exists()


def test_a_model_that_cannot_be_all_integer_is_refused(
    keras: Any, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = keras.layers
    picture = layers.Input((16, 16, 3))
    x = keras.ops.cos(layers.Rescaling(1 / 255)(picture))
    x = layers.GlobalAveragePooling2D()(x)
    keras.Model(picture, layers.Dense(2, activation="softmax")(x)).save(tmp_path / "cosine.keras")
    arguments = (tmp_path / "cosine.keras", "--labels", ",".join(LABELS), "--data", masks, "--out", tmp_path / "models")
    assert convert(*arguments) == 1
    assert "COS" in capsys.readouterr().err.splitlines()[-1].upper()
    assert not (tmp_path / "models").exists()


def test_without_tensorflow_help_works_and_a_conversion_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"PK\x03\x04")
    program = (
        "import sys; sys.modules['tensorflow'] = None; from converter.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def started(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    assert "--max-drop" in started("--help").stdout
    model = (tmp_path / "model.keras", "--labels", "a,b", "--preprocess", "none", "--data", tmp_path)
    refused = started(*model)
    assert refused.returncode == 1
    assert "pip install tensorflow keras" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_conversion_prints_nothing_of_the_environment(keras: Any, masks: Path, tmp_path: Path) -> None:
    build_classifier(keras, rescaling=False).save(tmp_path / "model.keras")
    command = (sys.executable, "-c", "import sys; from converter.cli import main; sys.exit(main(sys.argv[1:]))")
    arguments = (tmp_path / "model.keras", "--labels", ",".join(LABELS), "--preprocess", "unit")
    ran = subprocess.run(
        [*command, *map(str, arguments), "--data", str(masks), "--out", str(tmp_path / "models"), "--version", "1.0.0"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "A_PASSWORD": "never to be shown"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "never to be shown" not in ran.stdout + ran.stderr
