"""Manifests, and models that do not match theirs."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edge.errors import MaskdError
from edge.vision.faces import TfliteFaceDetector
from edge.vision.masks import MaskClassifier
from edge.vision.model import Manifest, find_model, load_manifest, open_model, write_manifest
from edge.vision.tflite import runtime_name

SHIPPED = {
    "face-detector": "face_detection",
    "face-detector-far": "face_detection",
    "mask-classifier": "mask_classification",
}


def copied(name: str, folder: Path, **changes: Any) -> Path:
    """A shipped model and its manifest in another folder, with changes to the manifest."""
    path, _ = find_model(name)
    shutil.copy(path, folder)
    manifest = json.loads(path.with_suffix(".json").read_text())
    for key, value in changes.items():
        section, _, entry = key.rpartition("__")
        (manifest[section] if section else manifest)[entry] = value
    (folder / path.name).with_suffix(".json").write_text(json.dumps(manifest))
    return folder / path.name


@pytest.mark.parametrize(("name", "task"), SHIPPED.items())
def test_shipped_models_match_their_manifests(name: str, task: Any) -> None:
    model = open_model(name, task)
    assert model.manifest.name == name
    assert model.interpreter(1, "auto").input.shape[1:3] == (
        model.manifest.input.height,
        model.manifest.input.width,
    )


def test_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    _, manifest = find_model("mask-classifier")
    write_manifest(tmp_path / "copy.json", manifest)
    assert load_manifest(tmp_path / "copy.json") == manifest
    assert "strides" not in json.loads((tmp_path / "copy.json").read_text()), "a detector's key in a classifier's file"


def test_unknown_name_lists_the_shipped_models() -> None:
    shipped = "face-detector, face-detector-far, mask-classifier;"
    with pytest.raises(MaskdError, match=rf"no shipped model 'face-dtector'; shipped: {shipped}"):
        find_model("face-dtector")


def test_model_given_as_a_path_from_another_folder(tmp_path: Path) -> None:
    path = copied("face-detector", tmp_path)
    assert find_model(path) == (path, find_model("face-detector")[1])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MaskdError, match=r"nothing\.tflite does not exist; give the path"):
        find_model(tmp_path / "nothing.tflite")


def test_other_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(MaskdError, match=r"model\.keras is not a \.tflite file; convert it with maskd-convert"):
        find_model(tmp_path / "model.keras")


def test_missing_manifest(tmp_path: Path) -> None:
    path = copied("face-detector", tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(MaskdError, match=r"the manifest .*face-detector\.json is missing"):
        find_model(path)


def test_renamed_model(tmp_path: Path) -> None:
    path = copied("face-detector", tmp_path, file="other.tflite")
    with pytest.raises(MaskdError, match=r"describes other\.tflite, not face-detector\.tflite"):
        find_model(path)


def test_manifest_that_is_no_json(tmp_path: Path) -> None:
    path = copied("face-detector", tmp_path)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(MaskdError, match=r"face-detector\.json is not a manifest \(.*JSON"):
        find_model(path)


@pytest.mark.parametrize(
    ("name", "changes", "problem"),
    [
        ("face-detector", {"strides": None}, "face_detection needs strides"),
        ("face-detector", {"stride": 48}, "multiples of stride"),
        ("face-detector", {"sha256": "abc"}, "sha256: "),
        ("face-detector", {"task": "cats"}, "task: "),
        ("face-detector", {"colour": "RGB"}, "colour: Extra inputs"),
        ("face-detector", {"input__dtype": "float32"}, "input.dtype: "),
        ("face-detector", {"file": "../face-detector.tflite"}, "file: "),
        ("mask-classifier", {"labels": None}, "mask_classification needs labels"),
        ("mask-classifier", {"crop_margin": None, "labels": None}, "needs labels and crop_margin"),
        ("mask-classifier", {"labels": ["a", "a", "b"]}, "labels has the same label twice"),
        ("mask-classifier", {"labels": ["a", "unknown", "b"]}, "unknown cannot be a label"),
    ],
)
def test_bad_manifests_are_explained(name: str, changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    path = copied(name, tmp_path, **changes)
    with pytest.raises(MaskdError) as refusal:
        find_model(path)
    assert problem in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_every_problem_of_a_manifest_is_named(tmp_path: Path) -> None:
    path = copied("face-detector", tmp_path, version="", task="cats")
    with pytest.raises(MaskdError, match=r"version: .*; task: "):
        find_model(path)


def test_wrong_task() -> None:
    with pytest.raises(MaskdError, match="is for mask_classification, but face_detection is needed"):
        open_model("mask-classifier", "face_detection")


def test_truncated_model_is_refused_by_its_hash(tmp_path: Path) -> None:
    path = copied("face-detector", tmp_path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(MaskdError, match=r"refused: the sha256 of its 100000 bytes is .* truncated"):
        open_model(path, "face_detection")


@pytest.mark.skipif(
    runtime_name().startswith("tflite-runtime"),
    reason="tflite-runtime crashes on a truncated file, which the manifest's hash keeps from it",
)
def test_truncated_model_with_a_matching_hash_is_refused(tmp_path: Path) -> None:
    path = copied("face-detector", tmp_path)
    content = path.read_bytes()[:100_000]
    path = copied("face-detector", tmp_path, sha256=hashlib.sha256(content).hexdigest())
    path.write_bytes(content)
    with pytest.raises(MaskdError, match="is not a TFLite model"):
        open_model(path, "face_detection").interpreter(1, "auto")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"input__height": 128}, r"its input has the shape \(1, \d+, \d+, 3\), but its manifest says \(1, 128, "),
        ({"quantization__input": {"scale": 0.5, "zero_point": 3}}, "its manifest says 0.5 and 3"),
        ({"strides": [8, 16, 64]}, r"one score map of shape \(1, \d+, \d+, 1\) for stride 64, but its outputs are"),
    ],
)
def test_detector_that_differs_from_its_manifest_is_refused(changes: dict[str, Any], why: str, tmp_path: Path) -> None:
    model = open_model(copied("face-detector", tmp_path, **changes), "face_detection")
    with pytest.raises(MaskdError, match=rf"face-detector\.tflite is refused: .*{why}"):
        TfliteFaceDetector(model)


def test_classifier_with_other_labels_than_outputs_is_refused(tmp_path: Path) -> None:
    labels = [*(find_model("mask-classifier")[1].labels or []), "visor"]
    model = open_model(copied("mask-classifier", tmp_path, labels=labels), "mask_classification")
    with pytest.raises(MaskdError, match=rf"refused: its output is uint8 .* {len(labels)} labels"):
        MaskClassifier(model)


def test_manifest_can_be_built_in_code() -> None:
    manifest = Manifest.model_validate_json(find_model("face-detector")[0].with_suffix(".json").read_bytes())
    assert manifest.identity == f"face-detector/{manifest.version}"
