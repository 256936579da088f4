"""maskd-train evaluate: its figures on made-up answers, and the command on drawn and on real photos."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.evaluation.metrics import PictureMatches, expected_calibration_error, precision_recall
from edge.evaluation.tables import Table
from edge.geometry import Box
from edge.vision.faces import Face
from edge.vision.preprocess import Image
from tests.support.labelled_sets import portraits
from tests.support.pictures import write_photo
from tests.support.places import DATA, NO_DATA, ROOT
from tests.support.weights import AIZOO, RES10, YUNET, weights
from training.cli import main
from training.evaluation.aizoo import anchors, decode
from training.evaluation.classifier_figures import answers_of, classifier_figures
from training.evaluation.contenders import (
    ClassifierEntry,
    DetectorEntry,
    TfliteClassifier,
    open_detectors,
)
from training.evaluation.detector_figures import (
    BELOW_SCORE,
    FALSE_NOTHING,
    FALSE_OFF_PLACE,
    FALSE_REPEAT,
    OFF_PLACE,
    detector_figures,
    false_causes,
    false_faces,
    miss_causes,
    served_figures,
)
from training.evaluation.intervals import Estimate, Floats, Resampling
from training.evaluation.records import PhotoRecord, record_photos
from training.evaluation.slice_figures import NOT_TOLD, slice_figures

LABELS = ("with_mask", "without_mask", "mask_weared_incorrect")
BIG = Box(0, 0, 40, 40)


def record(
    faces: Sequence[tuple[Box, str]] = (),
    found: Sequence[tuple[Box, float]] = (),
    answers: Sequence[Sequence[float]] = (),
    *,
    ignored: Sequence[Box] = (),
    traits: Sequence[dict[str, float]] | None = None,
) -> PhotoRecord:
    photo = LabelledPhoto(Path("a.jpg"), tuple(LabelledFace(*each) for each in faces), tuple(ignored), "set")
    return PhotoRecord(
        photo,
        {"d": [Face(*each) for each in found]},
        {"c": np.array(answers, dtype=np.float64) if answers else np.zeros((0, len(LABELS)))},
        tuple(traits) if traits is not None else tuple({"height": box.height} for box, _ in faces),
    )


class TestIntervals:
    def test_a_share_is_that_of_the_things_and_its_interval_that_of_the_photos(self) -> None:
        # One photo of a hundred faces, all missed, among nine of one face: the interval has to know.
        figure = Resampling(10).ratio([1] * 9 + [0], [1] * 9 + [100])
        assert figure is not None
        assert figure.value == pytest.approx(9 / 109)
        assert figure.count == 109
        assert figure.low < 0.05
        assert figure.high == 1.0

    def test_an_even_share_has_the_interval_of_the_normal_distribution(self) -> None:
        figure = Resampling(400).ratio(np.arange(400) % 2, np.ones(400))
        assert figure is not None
        assert (figure.low, figure.high) == pytest.approx((0.451, 0.549), abs=0.008)

    def test_where_all_or_none_hit_the_rule_of_three_holds(self) -> None:
        draws = Resampling(60)
        assert draws.ratio(np.zeros(60), np.ones(60)) == Estimate(0.0, 0.0, 0.05, 60)
        assert draws.ratio(np.ones(60) * 2, np.ones(60) * 2) == Estimate(1.0, 0.95, 1.0, 120)
        assert draws.ratio(np.zeros(60), np.zeros(60)) is None
        assert draws.rate(np.zeros(60)) == Estimate(0.0, 0.0, 0.05, 60)

    def test_a_rate_may_be_more_than_one(self) -> None:
        figure = Resampling(4).rate([3, 0, 3, 2])
        assert (figure.value, figure.count) == (2.0, 4)
        assert 0 < figure.low < 2 < figure.high <= 3

    def test_each_draw_of_an_average_precision_is_that_of_the_photos_drawn(self) -> None:
        random = np.random.default_rng(3)
        matches = [
            # Scores of a few steps only, as of a quantized model: ties must not matter.
            PictureMatches(np.sort(random.integers(1, 6, 5) / 8)[::-1], random.random(5) < 0.6, faces)
            for faces in (3, 4, 5, 0, 4)
        ]
        draws = Resampling(len(matches), resamples=40)
        expected = [
            precision_recall([each for each, times in zip(matches, row, strict=True) for _ in range(int(times))]).ap
            for row in draws.weights
        ]
        drawn = draws._ap_draws(matches, np.array([each.faces for each in matches], dtype=np.float64))
        assert drawn == pytest.approx(np.array(expected), nan_ok=True)
        figure = draws.average_precision(matches)
        assert figure is not None
        assert figure.value == pytest.approx(precision_recall(matches).ap)
        assert figure.low < figure.value < figure.high

    def test_no_photo(self) -> None:
        with pytest.raises(ValueError, match="at least one photo"):
            Resampling(0)


class TestClassifier:
    def test_figures_by_hand(self) -> None:
        faces = [(BIG, "with_mask"), (BIG, "without_mask"), (BIG, "mask_weared_incorrect"), (BIG, "without_mask")]
        answers = [(0.9, 0.1, 0), (0.2, 0.3, 0.5), (0.1, 0.2, 0.7), (0.35, 0.33, 0.32)]
        small = (Box(0, 0, 9, 9), "with_mask")
        records = [record(faces, answers=answers), record([small], answers=[(0, 1, 0)])]
        figures = classifier_figures(records, "c", LABELS, 0.4)
        assert {name: (round(each.value, 3), each.count) for name, each in figures.items()} == {
            "three-class accuracy": (0.5, 4),
            # F1: with 2/3, without 0, incorrect 2/3.
            "macro-F1": (0.444, 4),
            "recall with_mask": (1.0, 1),
            "recall without_mask": (0.0, 2),
            "recall mask_weared_incorrect": (1.0, 1),
            # Of two, the second face is none, as labelled; the fourth a mask, by a little.
            "mask or none, accuracy": (0.667, 3),
            "calibration error": (round(expected_calibration_error([0.9, 0.5, 0.7, 0.35], [1, 0, 1, 0], 15), 3), 4),
            "unknown, share": (0.25, 4),
            "accuracy of the rest": (0.667, 3),
        }

    def test_no_mistake_on_few_photos_proves_little(self) -> None:
        records = [record([(BIG, LABELS[i % 6 == 0])], answers=[(i % 6 > 0, i % 6 == 0)]) for i in range(24)]
        figure = classifier_figures(records, "c", LABELS[:2], None)["macro-F1"]
        # The rule of three: 20 photos of one label, 4 of the other.
        assert (figure.value, figure.low, figure.high) == pytest.approx((1, (0.85 + 0.25) / 2, 1))

    def test_a_label_that_it_does_not_know_leaves_accuracy_out(self) -> None:
        records = [record([(BIG, "with_mask"), (BIG, "mask_weared_incorrect")], answers=[(0.9, 0.1), (0.8, 0.2)])]
        figures = classifier_figures(records, "c", LABELS[:2], None)
        assert not any(name.endswith("class accuracy") or name == "macro-F1" for name in figures)
        assert figures["mask or none, accuracy"] == Estimate(1.0, 0.0, 1.0, 1)
        assert "unknown, share" not in figures

    def test_faces_that_nobody_can_tell_are_left_out(self) -> None:
        records = [record([(BIG, "with_mask"), (BIG, "unsure")], answers=[(0.9, 0.1, 0), (0.8, 0.2, 0)])]
        assert classifier_figures(records, "c", LABELS, None)["three-class accuracy"].count == 1
        assert classifier_figures([record()], "c", LABELS, None) == {}


class TestDetector:
    FAR = Box(500, 500, 520, 520)

    def test_precision_and_recall_at_the_score(self) -> None:
        records = [
            record(
                [(BIG, "with_mask"), (self.FAR, "with_mask")],
                [(BIG, 0.9), (self.FAR, 0.4), (Box(200, 0, 240, 40), 0.7)],
            )
        ]
        figures = detector_figures(records, "d", 0.6)
        assert (figures["precision"].value, figures["precision"].count) == (0.5, 2)
        assert (figures["recall"].value, figures["recall"].count) == (0.5, 2)
        assert figures["AP50"].value == pytest.approx(0.5 + 0.5 * 2 / 3)

    def test_a_looser_overlap_finds_a_box_that_is_off(self) -> None:
        records = [record([(BIG, "with_mask")], [(Box(0, 0, 40, 18), 0.9)])]
        figures = detector_figures(records, "d", 0.5)
        assert [figures[name].value for name in ("AP50", "AP40", "AP30")] == [0, 1, 1]

    def test_what_a_user_is_served(self) -> None:
        small, tiny = Box(200, 0, 220, 20), Box(300, 0, 310, 12)
        found = [
            (Box(0, 0, 40, 18), 0.9),  # BIG at an IoU of 0.45
            (small, 0.7),
            (tiny, 0.7),
            (Box(400, 0, 440, 40), 0.7),
            (self.FAR, 0.5),
        ]
        records = [record([(box, "with_mask") for box in (BIG, small, tiny, self.FAR)], found), record()]
        figures = served_figures(records, "d", 0.6)
        assert {name: (each.value, each.count) for name, each in figures.items()} == {
            "recall, 32 px and more": (1.0, 1),
            "precision, 32 px and more": (0.5, 2),
            "recall, 16–32 px": (0.5, 2),
        }

    def test_false_faces_per_hundred_photos(self) -> None:
        records = [record(found=[(BIG, 0.9), (self.FAR, 0.5)]), record(), record(found=[(BIG, 0.49)]), record()]
        figure = false_faces(records, "d", 0.5)
        assert (figure.value, figure.count) == (50.0, 4)

    def test_each_miss_and_each_false_face_has_one_cause(self) -> None:
        off, faint, tiny = Box(100, 0, 140, 40), Box(200, 0, 240, 40), Box(300, 0, 310, 20)
        below = Box(400, 0, 409, 12)
        faces = [(box, "with_mask") for box in (BIG, off, faint, tiny, self.FAR, below)]
        found = [
            (BIG, 0.9),
            (Box(0, 0, 40, 36), 0.8),  # BIG again
            (Box(100, 0, 140, 18), 0.8),  # 0.45 of `off`
            (faint, 0.2),
            (Box(600, 0, 640, 40), 0.7),
            (Box(700, 0, 740, 40), 0.1),  # under the score
        ]
        records = [record(faces, found)]
        assert miss_causes(records, "d", 0.5) == {BELOW_SCORE: 1, OFF_PLACE: 1, "no box, 16–24 px": 2}
        assert false_causes(records, "d", 0.5) == {FALSE_REPEAT: 1, FALSE_OFF_PLACE: 1, FALSE_NOTHING: 1}


class _Contender:
    """Stands where the figures only ask for a name, labels and a score."""

    identity = "x"
    recommended_min_score = 0.5
    labels = LABELS[:2]
    min_confidence = None

    def detect(self, image: object, min_score: float) -> list[Face]:
        raise AssertionError("the records hold what was found")

    def probabilities(self, image: object, boxes: Sequence[Box]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        raise AssertionError("the records hold what was answered")


def test_a_face_that_is_not_found_has_no_answer_in_the_detectors_boxes(people: Path) -> None:
    class Half:
        """Finds the left face, in a box of its own, and someone where nobody is."""

        identity = "half/1.0.0"
        recommended_min_score = 0.5

        def detect(self, _image: Image, _min_score: float) -> list[Face]:
            return [Face(Box(2, 0, 42, 40), 0.9), Face(Box(60, 0, 100, 40), 0.4), Face(Box(0, 60, 40, 100), 0.8)]

    class Width:
        """The wider the box, the surer that it wears no mask."""

        labels = LABELS
        min_confidence = None

        def probabilities(self, _image: Image, boxes: Sequence[Box]) -> Floats:
            return np.array([[0.0, box.x1 / 100, 1 - box.x1 / 100] for box in boxes]).reshape(-1, 3)

    photo = LabelledPhoto(
        next((people / "person_voc" / "images").iterdir()),
        (LabelledFace(BIG, "without_mask"), LabelledFace(Box(60, 0, 100, 40), "without_mask")),
        (),
        "set",
    )
    detector = DetectorEntry("d", "", Half(), "d")
    (found,) = record_photos([photo], [detector], [ClassifierEntry("c", Width(), "c")], frozenset())
    assert answers_of([found], "c", LABELS).probabilities[:, 1].tolist() == [0.0, 0.6]
    served = answers_of([found], "c", LABELS, served=True)
    assert (served.face.tolist(), served.probabilities[:, 1].tolist()) == ([0], [0.02])


def test_slices_hold_the_faces_of_their_trait() -> None:
    faces = [(BIG, "with_mask"), (Box(100, 0, 112, 12), "without_mask"), (Box(200, 0, 220, 20), "with_mask")]
    traits = [{"height": 40.0, "brightness": 30.0}, {"height": 12.0}, {"height": 20.0, "brightness": 120.0}]
    records = [record(faces, [(BIG, 0.9), (faces[2][0], 0.3)], [(1, 0), (1, 0), (0, 1)], traits=traits)]
    figures = {
        each.trait.name: each
        for each in slice_figures(
            records, [DetectorEntry("d", "", _Contender(), "")], [ClassifierEntry("c", _Contender(), "")]
        )
    }
    assert list(figures) == ["height", "brightness"]
    by_height, by_light = figures["height"], figures["brightness"]
    assert by_height.slices == ["10–16 px", "16–24 px", "24–48 px"]
    assert [by_height.accuracy[name]["c"].value for name in by_height.slices] == [0, 0, 1]
    assert [by_height.recall[name]["d"].value for name in by_height.slices] == [0, 0, 1]
    # The smallest face is asked of a detector by height only.
    assert by_light.accuracy[NOT_TOLD]["c"].count == 1
    assert NOT_TOLD not in by_light.recall
    assert by_light.recall["dark (under 70)"]["d"].value == 1


def test_a_table_as_text_and_as_markdown() -> None:
    table = Table("T", ("model", "n"), [("a|b", "1"), ("c", "1000")], "Note.")
    assert table.as_text().splitlines() == ["T", "model     n", "a|b       1", "c      1000", "Note."]
    assert table.as_markdown() == "### T\n\n| model | n |\n| --- | --: |\n| a\\|b | 1 |\n| c | 1000 |\n\nNote."


def test_aizoo_boxes_lie_around_their_anchors() -> None:
    grid = anchors()
    assert grid.shape == (5972, 4)
    assert grid[0] == pytest.approx([0.5 / 33, 0.5 / 33, 0.04, 0.04])
    assert grid[3] == pytest.approx([0.5 / 33, 0.5 / 33, 0.04 * 0.42**0.5, 0.04 / 0.42**0.5])
    assert grid[-4] == pytest.approx([2.5 / 3, 2.5 / 3, 0.64, 0.64])
    # By hand: the centre moves by 0.1 of the anchor's size, the width grows by exp(0.2).
    (box,) = decode(np.array([[1, 0, 1, 0]], np.float32), np.array([[0.5, 0.5, 0.2, 0.4]], np.float32))
    half = 0.1 * np.exp(0.2)
    assert box == pytest.approx([0.52 - half, 0.3, 0.52 + half, 0.7])


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A Pascal VOC set of one person, twenty times, and photos without anybody."""
    portraits(tmp_path / "person_voc", 20)
    (tmp_path / "nobody").mkdir()
    for number in range(20):
        write_photo(tmp_path / "nobody" / f"{number}.png", np.full((64, 96, 3), 10 * number, np.uint8))
    return tmp_path


def evaluate(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments)])


def test_the_shipped_models_on_drawn_sets(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need the extra `train` of pyproject.toml")
    out = people / "out"
    assert evaluate("--data", people / "person_voc", "--data", people / "nobody", "--out", out) == 0
    printed = capsys.readouterr().out
    figures = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    (detector,) = (name for name in figures["models"]["detectors"] if name.startswith("face-detector/"))
    (classifier,) = figures["models"]["classifiers"]
    assert figures["sets"] == {"nobody": {"photos": 3}, "person_voc": {"photos": 3, "without_mask": 3}}
    assert figures["detectors"]["person_voc"][detector]["AP50"] == {"value": 1.0, "low": 0.0, "high": 1.0, "count": 3}
    assert figures["detectors"]["person_voc"][detector]["recall"]["value"] == 1
    assert figures["served"]["person_voc"][detector]["recall, 32 px and more"]["value"] == 1
    assert "== Faces found at the recommended score ==" in printed
    assert figures["classifiers"]["person_voc"][classifier]["recall without_mask"]["value"] == 1
    assert figures["classifiers_served"]["person_voc"][classifier]["recall without_mask"] == {
        "value": 1.0,
        "low": 0.0,
        "high": 1.0,
        "count": 3,
    }
    assert f"== Classifiers in the boxes of {detector} ==" in printed
    assert figures["false_faces"]["nobody"][detector] == {"value": 0.0, "low": 0.0, "high": 100.0, "count": 3}
    assert figures["latency_ms"][detector] > 0
    assert figures["latency_ms"][classifier] > 0
    assert figures["slices"]["height"]["accuracy"]["96 px and more"][classifier]["count"] == 3
    report = (out / "report.md").read_text(encoding="utf-8")
    for title in ("## Classifiers", "## Detectors", "## Photos without people", "## Latency", "## Slices"):
        assert title in report
    assert "(too few)" in report
    assert detector in printed
    pictures = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))
    assert "precision_recall_person-voc.png" in pictures
    assert sum(path.endswith("mistakes.png") for path in pictures) >= 2
    assert sum(path.endswith("calibration.png") for path in pictures) == 1


def test_without_people_there_are_false_faces_and_times_only(people: Path) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need the extra `train` of pyproject.toml")
    assert evaluate("--data", people / "nobody", "--out", people / "out") == 0
    text = (people / "out" / "metrics.json").read_text(encoding="utf-8")
    figures = json.loads(text, parse_constant=pytest.fail)
    detectors = set(figures["models"]["detectors"])
    assert set(figures["false_faces"]["nobody"]) == set(figures["latency_ms"]) == detectors
    assert (figures["classifiers"], figures["detectors"], figures["slices"]) == ({}, {}, {})


def test_a_class_folder_is_shown_to_classifiers_only(people: Path) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need the extra `train` of pyproject.toml")
    classes = people / "sorted"
    shutil.move(people / "person_voc" / "images", classes / "without_mask")
    shutil.move(people / "nobody", classes / "with_mask")
    for path in (classes / "with_mask").iterdir():
        shutil.copy(classes / "without_mask" / "0.png", path)
    assert evaluate("--data", classes, "--split", "all", "--out", people / "out") == 0
    figures = json.loads((people / "out" / "metrics.json").read_text(encoding="utf-8"))
    (answers,) = figures["classifiers"]["sorted"].values()
    assert answers["mask or none, accuracy"]["value"] == 0.5
    assert figures["classifiers_served"] == {}
    assert figures["detectors"] == {}
    assert figures["false_faces"] == {}


def test_nothing_imports_keras_without_a_keras_model() -> None:
    code = (
        "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None\n"
        "from training.cli import main\n"
        "import training.evaluation.command\n"
        "sys.exit(main(['evaluate', '--data', 'gone', '--out', sys.argv[1]]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, os.devnull + "/out"], capture_output=True, text=True, check=False, timeout=100
    )
    assert (out.returncode, out.stderr.count("\n")) == (1, 1)
    assert "the folder /dev/null/out cannot be created" in out.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--detector", "face-finder"], "there is no shipped model 'face-finder'"),
        (["--detector", "mask-classifier"], "is for mask_classification, but face_detection is needed here"),
        (["--classifier", "face-detector"], "is for face_detection, but mask_classification is needed here"),
        (["--detector", "gone.onnx"], "gone.onnx does not exist; give the path to face_detection_yunet_2023mar.onnx"),
        (["--detector", "gone.pb"], "gone.pb does not exist; give the path to opencv_face_detector_uint8.pb"),
        (["--detector", "gone.keras"], "gone.keras does not exist; give the model.keras of a maskd-train run"),
        (["--classifier", "gone.keras"], "gone.keras does not exist; give the model.keras of a maskd-train run"),
        (
            ["--classifier", "yunet.onnx"],
            ("yunet.onnx is a face detector and cannot judge masks; give it with --detector"),
        ),
        (["--detector", "face-detector", "--detector", "face-detector"], "the same model is given twice"),
        ([], "gone: no such folder"),
    ],
)
def test_a_problem_is_one_sentence(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--data", "gone", "--out", tmp_path, *arguments) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_a_tflite_of_another_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(ROOT / "models" / "face-detector.tflite", tmp_path / "lonely.tflite")
    assert evaluate("--data", "gone", "--out", tmp_path, "--detector", tmp_path / "lonely.tflite") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "lonely.tflite has no manifest next to it and is not AIZOO's model" in line


def test_two_sets_of_one_name_are_refused(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = people / "other" / "nobody"
    shutil.copytree(people / "nobody", other)
    assert evaluate("--data", people / "nobody", "--data", other, "--out", people / "out") == 2
    assert f"and {other}, given with --data, are both called nobody; rename one" in capsys.readouterr().err


def test_a_folder_that_takes_no_file(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (people / "out" / "report.md").mkdir(parents=True)
    assert evaluate("--data", people / "nobody", "--out", people / "out") == 1
    assert "report.md cannot be written (Is a directory); choose another --out" in capsys.readouterr().err


def test_a_split_without_photos(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (people / "nobody").glob("[1-9]*.png"):
        path.unlink()
    assert evaluate("--data", people / "nobody", "--out", people / "out") == 1
    assert "hold no photo of the split test; give more of them" in capsys.readouterr().err


def test_two_versions_of_a_model_are_told_apart(tmp_path: Path) -> None:
    models = ROOT / "models"
    for suffix in (".tflite", ".json"):
        shutil.copy(models / f"face-detector{suffix}", tmp_path)
    own = str(tmp_path / "face-detector.tflite")
    names = [entry.name for entry in open_detectors(["face-detector", own])]
    assert [name.split(" ", 1)[1] for name in names] == ["[face-detector]", f"[{own}]"]


def test_aizoo_finds_the_astronaut() -> None:
    (entry,) = open_detectors([str(weights(AIZOO))])
    image = skimage.data.astronaut()
    (found,) = entry.detector.detect(image, 0.5)
    assert found.box.iou(Box(180, 62, 274, 178)) > 0.6


def test_yunet_enters_at_two_sizes_and_sees_smaller_faces_at_the_larger() -> None:
    small, large = open_detectors([str(weights(YUNET))])
    assert (small.name, large.name) == ("YuNet 320", "YuNet 640")
    # A face of 23 px on a picture of 640: twelve at the smaller size.
    picture = np.full((640, 640, 3), 128, np.uint8)
    picture[:100, :100] = cv2.resize(skimage.data.astronaut(), None, fx=0.2, fy=0.2, interpolation=cv2.INTER_AREA)[
        :100, :100
    ]
    face_box = Box(36, 12, 55, 36)
    at_640, at_320 = (
        max((each.score for each in entry.detector.detect(picture, 0.05) if each.box.iou(face_box) > 0.4), default=0)
        for entry in (large, small)
    )
    assert at_640 > 0.7 > at_320


@pytest.mark.accuracy
def test_contenders_side_by_side_on_real_photos(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need the extra `train` of pyproject.toml")
    if not (DATA / "ilc_voc").is_dir():
        pytest.skip(NO_DATA)
    aizoo, yunet, res10 = map(weights, (AIZOO, YUNET, RES10))
    few = tmp_path / "few_voc"
    for name in ("images", "annotations"):
        (few / name).mkdir(parents=True)
    for annotation in sorted((DATA / "ilc_voc" / "annotations").glob("*.xml"))[::180]:
        shutil.copy(annotation, few / "annotations")
        shutil.copy(DATA / "ilc_voc" / "images" / f"{annotation.stem}.jpg", few / "images")
    detectors = [word for path in ("face-detector", aizoo, yunet, res10) for word in ("--detector", path)]
    classifiers = ["--classifier", "mask-classifier", "--classifier", aizoo]
    assert evaluate("--data", few, "--split", "all", "--out", tmp_path / "out", *detectors, *classifiers) == 0
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    aps = {name: each["AP50"]["value"] for name, each in figures["detectors"]["few_voc"].items()}
    assert len(aps) == 5
    assert all(value > 0.3 for value in aps.values())
    ours = figures["classifiers"]["few_voc"][TfliteClassifier("mask-classifier").identity]
    assert ours["three-class accuracy"]["value"] > 0.8
    assert figures["classifiers"]["few_voc"]["AIZOO"]["mask or none, accuracy"]["value"] > 0.6
    assert "head turn" in figures["slices"]
