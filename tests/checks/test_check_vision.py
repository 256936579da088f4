"""`maskd check` on software, models and the self-test photo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edge.selftest
from edge.checks.models import judge_faces, judge_statuses
from edge.checks.software import Installed, misfits, opencv_row, untested
from edge.checks.sources import needs_of
from edge.config import Config
from edge.geometry import Box
from edge.vision.faces import Face
from tests.support.check_config import rows_of, write_config
from tests.support.places import ROOT
from tools.demo_clip.selftest_photo import draw_selftest_photo

MODELS = ROOT / "models"
BUILT = """
  Video I/O:
    FFMPEG:                      YES
      avcodec:                   YES (62.28.101)
    GStreamer:                   YES (1.20.3)
    v4l/v4l2:                    YES (linux/videodev2.h)
"""


# --- software ---


@pytest.mark.parametrize(
    ("name", "version", "fits"),
    [
        ("Python", "3.10.4", True),
        ("Python", "3.14.0", False),
        ("numpy", "1.26.4", True),
        ("numpy", "1.19.5", False),
        ("numpy", "2.0.0rc1", True),
        ("OpenCV", "4.8.0", False),
        ("OpenCV", "4.10.0-dev", True),
        ("OpenCV", "5.0.0", True),
    ],
)
def test_versions(name: str, version: str, fits: bool) -> None:
    problem = untested({name: version})
    assert problem is None if fits else version in (problem or "")


def installed(
    *, python: str = "3.11.2", numpy: str = "2.1.0", litert: str | None = "2.1.0", tflite_runtime: str | None = None,
    picamera2_is_from_apt: bool = False,
) -> Installed:  # fmt: skip
    return Installed(python, numpy, "4.11.0", "18.1.0", litert, tflite_runtime, picamera2_is_from_apt)


def test_pairs_that_cannot_work_together() -> None:
    alone = installed(litert=None, tflite_runtime="2.14.0")
    (problem,) = misfits(alone, Config())
    assert "tflite-runtime 2.14.0 was built for numpy 1 and cannot work with numpy 2.1.0; pip install" in problem
    beside = installed(tflite_runtime="2.14.0")
    assert misfits(beside, Config()) == []
    assert len(misfits(beside, Config.model_validate({"runtime": {"backend": "tflite-runtime"}}))) == 1
    assert misfits(installed(numpy="1.26.4", litert=None, tflite_runtime="2.14.0"), Config()) == []


def test_the_pi_camera_of_bookworm_wants_numpy_1() -> None:
    bookworm = installed(picamera2_is_from_apt=True)
    (problem,) = misfits(bookworm, Config())
    assert "the system's picamera2 was built for numpy 1 and cannot work with numpy 2.1.0" in problem
    assert misfits(bookworm, Config.model_validate({"cameras": {"usb": {"source": "/dev/video0"}}})) == []
    assert misfits(installed(numpy="1.24.2", picamera2_is_from_apt=True), Config()) == []
    assert misfits(installed(python="3.13.5", picamera2_is_from_apt=True), Config()) == [], "Trixie's is for numpy 2"


@pytest.mark.parametrize(
    ("source", "lacks", "needs"),
    [
        ("csi:0", "GStreamer", "an OpenCV with GStreamer"),
        ("gst:videotestsrc", "GStreamer", "an OpenCV with GStreamer"),
        ("rtsp://here/stream", "FFMPEG", None),
        ("0", "v4l/v4l2", "an OpenCV with V4L2"),
        ("0", "GStreamer", None),
        ("file:///visit.mp4", "FFMPEG", None),
    ],
)
def test_what_opencv_was_built_with(source: str, lacks: str, needs: str | None) -> None:
    config = Config.model_validate({"cameras": {"door": {"source": source}}})
    assert opencv_row(BUILT, needs_of(config)).result == "ok"
    built = "\n".join(f"    {lacks}:  NO" if line.strip().startswith(lacks) else line for line in BUILT.splitlines())
    row = opencv_row(built, needs_of(config))
    assert row.result == ("ok" if needs is None else "FAIL")
    assert needs is None or f"camera door needs {needs}" in (row.problem or "")
    assert False in row.figures.values()


def test_a_runtime_that_is_not_there_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tflite_runtime.interpreter", None)
    rows = rows_of(write_config(tmp_path, runtime={"backend": "tflite-runtime"}))
    assert rows["runtime"].result == "FAIL"
    assert "runtime.backend is tflite-runtime" in (rows["runtime"].problem or "")


# --- models ---


@pytest.mark.parametrize("detector", ["face-detector", "face-detector-far"])
def test_the_shipped_models_know_the_answer(tmp_path: Path, detector: str) -> None:
    rows = rows_of(write_config(tmp_path, detector={"model": detector}))
    assert (rows["detector"].result, rows["classifier"].result) == ("ok", "ok"), rows
    assert rows["detector"].figures["faces"] == 3
    least = rows["classifier"].figures["least_confidence"]
    assert isinstance(least, float)
    assert least > 0.9


def test_the_photo_is_the_one_that_is_drawn() -> None:
    difference = np.abs(edge.selftest.selftest_photo().astype(int) - draw_selftest_photo().astype(int))
    assert difference.mean() < 3


def test_a_wrong_answer_of_a_shipped_model_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes, statuses = zip(*edge.selftest.EXPECTED, strict=True)
    moved = [box.moved(0, 150) for box in boxes]
    monkeypatch.setattr(edge.selftest, "EXPECTED", tuple(zip(moved, statuses, strict=True)))
    rows = rows_of(write_config(tmp_path))
    assert (rows["detector"].result, rows["classifier"].result) == ("FAIL", "FAIL")
    assert "misses 3 of its 3: the runtime computes wrongly" in (rows["detector"].problem or "")
    assert "instead of with_mask, without_mask, mask_weared_incorrect" in (rows["classifier"].problem or "")


def test_another_model_only_has_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.selftest, "EXPECTED", ((Box(0, 0, 50, 50), "with_mask"),))
    for name in ("face-detector", "mask-classifier"):
        for suffix in (".tflite", ".json"):
            (tmp_path / f"{name}{suffix}").write_bytes((MODELS / f"{name}{suffix}").read_bytes())
    own = {"detector": {"model": str(tmp_path / "face-detector.tflite")}}
    own["classifier"] = {"model": str(tmp_path / "mask-classifier.tflite")}
    rows = rows_of(write_config(tmp_path, **own))
    assert (rows["detector"].result, rows["classifier"].result) == ("ok", "ok"), rows


def test_a_missing_model_fails_alone(tmp_path: Path) -> None:
    rows = rows_of(write_config(tmp_path, detector={"model": "/nowhere/faces.tflite"}))
    assert rows["detector"].result == "FAIL"
    assert "/nowhere/faces.tflite does not exist" in (rows["detector"].problem or "")
    assert rows["classifier"].result == "ok"


def test_a_model_that_is_not_what_its_manifest_says_fails(tmp_path: Path) -> None:
    model, manifest = tmp_path / "mask-classifier.tflite", tmp_path / "mask-classifier.json"
    content = (MODELS / model.name).read_bytes()
    told = json.loads((MODELS / manifest.name).read_text())
    config = write_config(tmp_path, classifier={"model": str(model)})
    model.write_bytes(content[:-1000])
    manifest.write_text(json.dumps(told))
    assert "sha256" in (rows_of(config)["classifier"].problem or "")
    model.write_bytes(content)
    manifest.write_text(json.dumps({**told, "input": {**told["input"], "width": 96, "height": 96}}))
    row = rows_of(config)["classifier"]
    assert row.result == "FAIL"
    assert "its input has the shape" in (row.problem or "")


def test_a_rule_that_no_model_can_keep_is_warned_of(tmp_path: Path) -> None:
    warned = rows_of(write_config(tmp_path, compliance={"compliant": ["masked"]}))["classifier"]
    assert warned.result == "warn"
    assert "lists masked, which this model never outputs" in (warned.problem or "")


def test_judging() -> None:
    boxes = [Box(0, 0, 10, 10), Box(50, 50, 60, 60)]
    faces = [Face(Box(1, 0, 11, 10), 0.9), Face(Box(50, 51, 60, 61), 0.8)]
    assert judge_faces(faces, boxes) is None
    assert judge_faces(faces[:1], boxes) is not None
    assert judge_faces([*faces, Face(Box(90, 90, 99, 99), 0.7)], boxes) is not None, "one too many"
    assert judge_faces([faces[0], Face(Box(90, 90, 99, 99), 0.7)], boxes) is not None, "one in the wrong place"
    assert judge_statuses(["a", "b"], ["a", "b"]) is None
    assert judge_statuses(["b", "a"], ["a", "b"]) is not None
