"""Pictures of a run, read back from their files and checked by the colours in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import MaskdError
from edge.evaluation.metrics import PictureMatches, classification_report
from edge.evaluation.metrics import precision_recall as measure_curve
from edge.vision.preprocess import Image
from tests.support.places import ROOT

pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'maskd[train]'")

from training import plot_style, plots
from training.plots import Mistake

LABELS = ["with_mask", "without_mask", "mask_weared_incorrect"]
RED, BLUE = "#FF0000", "#0000FF"


def read(path: Path) -> Image:
    assert path.read_bytes().startswith(b"\x89PNG")
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.asarray(picture[:, :, ::-1], dtype=np.uint8)


def where(picture: Image, color: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels that have exactly this colour."""
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    rows, columns = np.nonzero((picture == rgb).all(axis=2))
    return rows, columns


def plain(color: str, height: int = 12, width: int = 12) -> Image:
    return np.full((height, width, 3), [int(color[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8)


def best_epoch_position(picture: Image) -> float:
    """Where the thick dot of the best epoch stands, as a fraction of the picture's width."""
    _, columns = where(picture, plots.BEST_COLOR)
    values, counts = np.unique(columns, return_counts=True)
    return float(values[counts.argmax()] / picture.shape[1])


def test_training_curves_mark_the_epoch_with_the_lowest_validation_loss(tmp_path: Path) -> None:
    falling = [1.0 - 0.1 * i for i in range(9)]
    early, late = [*falling[:1], 0.2, *falling[1:8]], [*falling[:7], 0.1, 0.9]
    pictures = []
    for name, validation in (("early", early), ("late", late)):
        path = plots.training_curves({"loss": falling, "val_loss": validation}, tmp_path / name / "curves.png")
        pictures.append(read(path))
    assert best_epoch_position(pictures[0]) < 0.4
    assert best_epoch_position(pictures[1]) > 0.7


def test_training_curves_take_the_highest_of_a_figure_that_is_no_loss(tmp_path: Path) -> None:
    history = {"accuracy": [0.1] * 9, "val_accuracy": [0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.1]}
    picture = read(plots.training_curves(history, tmp_path / "curves.png", best_by="val_accuracy"))
    assert best_epoch_position(picture) < 0.3


def test_training_curves_show_each_figure_beside_the_others(tmp_path: Path) -> None:
    one = read(plots.training_curves({"loss": [2, 1], "val_loss": [2, 1]}, tmp_path / "1.png"))
    history = {
        "loss": [2.0, 1],
        "accuracy": [0.1, 0.2],
        "val_loss": [2.0, 1],
        "val_accuracy": [0.1, 0.2],
        "lr": [1.0, 1],
    }
    three = read(plots.training_curves(history, tmp_path / "3.png"))
    assert three.shape[1] == pytest.approx(3 * one.shape[1], abs=3)
    _, training = where(three, plots.TRAIN_COLOR)
    _, validation = where(three, plots.VALIDATION_COLOR)
    assert training.max() > 0.7 * three.shape[1]
    assert 0.4 * three.shape[1] < validation.max() < 0.7 * three.shape[1], "the learning rate has no validation"


def test_training_curves_of_a_run_that_diverged_or_just_began(tmp_path: Path) -> None:
    nan = float("nan")
    diverged = read(plots.training_curves({"loss": [nan, nan], "val_loss": [nan, nan]}, tmp_path / "nan.png"))
    assert where(diverged, plots.BEST_COLOR)[0].size == 0
    once = read(plots.training_curves({"loss": [0.5]}, tmp_path / "once.png"))
    assert where(once, plots.BEST_COLOR)[0].size > 20
    with pytest.raises(ValueError, match="no epoch"):
        plots.training_curves({"loss": []}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(("predicted", "slope"), [([0, 1, 2], 1), ([2, 1, 0], -1)])
def test_confusion_matrix_is_dark_where_the_rows_go(tmp_path: Path, predicted: list[int], slope: int) -> None:
    report = classification_report(LABELS, [0] * 90 + [1] * 8 + [2] * 2, np.repeat(predicted, [90, 8, 2]))
    picture = read(plots.confusion_matrix(report, tmp_path / "confusion.png", "test split"))
    rows, columns = where(picture, "#08306B")  # the dark end of the scale: all of a row
    inside = columns < 0.8 * picture.shape[1]  # right of it stands the scale
    # Three cells of equal size on a diagonal correlate by 8/9; any other three dark cells by less.
    assert np.corrcoef(rows[inside], columns[inside])[0, 1] == pytest.approx(slope * 8 / 9, abs=0.03)


def test_confusion_matrix_of_nothing_is_still_a_picture(tmp_path: Path) -> None:
    assert read(plots.confusion_matrix(classification_report(["a", "b"], [], []), tmp_path / "c.png", "")).size


def test_precision_recall_draws_the_better_curve_higher(tmp_path: Path) -> None:
    good = measure_curve([PictureMatches(np.array([0.9, 0.8]), np.array([True, True]), 2)])
    poor = ([0.25, 0.25], [0.5, 1.0])
    picture = read(plots.precision_recall({"good": good, "poor": poor}, tmp_path / "new" / "pr.png", "faces"))
    height = picture.shape[0]
    good_rows, good_columns = where(picture, plot_style.COLORS[0])
    poor_rows, _ = where(picture, plot_style.COLORS[1])
    top, bottom = good_rows[good_rows < 0.3 * height], poor_rows[poor_rows < 0.75 * height]
    assert top.size > 500
    assert top.mean() < 0.1 * height
    assert 0.6 * height < bottom.mean() < 0.75 * height
    assert good_columns.max() > 0.9 * picture.shape[1], "the dot of the best F1 stands at recall 1"


def test_class_curves_have_one_line_for_each_label(tmp_path: Path) -> None:
    truth = [0, 1, 2, 0]
    sure = np.eye(3)[truth]
    picture = read(plots.class_precision_recall(LABELS, truth, sure, tmp_path / "classes.png"))
    for color in plot_style.COLORS[:3]:
        assert where(picture, color)[0].size > 50
    assert where(picture, plot_style.COLORS[3])[0].size == 0
    with pytest.raises(ValueError, match=r"shape \(4, 2\)"):
        plots.class_precision_recall(LABELS, truth, sure[:, :2], tmp_path / "wrong.png")


def test_reliability_shows_a_gap_only_where_there_is_one(tmp_path: Path) -> None:
    confidence = np.repeat([0.5, 1.0], 100)
    honest = np.concatenate([np.arange(100) % 2 == 0, np.ones(100)])
    gaps = []
    for name, correct in (("honest", honest), ("too sure", np.zeros(200))):
        picture = read(plots.reliability(confidence, correct, tmp_path / f"{name}.png"))
        _, columns = where(picture, plot_style.COLORS[1])
        gaps.append(np.count_nonzero(columns > 0.4 * picture.shape[1]))  # right of the legend
    assert gaps[0] < 20
    assert gaps[1] > 200
    assert read(plots.reliability([], [], tmp_path / "empty.png")).size


def test_mistake_sheet_begins_with_the_surest(tmp_path: Path) -> None:
    unsure = Mistake(plain(RED), "with_mask", "without_mask", 0.4, "b.jpg")
    sure = Mistake(plain(BLUE, 30, 10), "mask_weared_incorrect", "with_mask", 0.99, "a.jpg")
    picture = read(plots.mistake_sheet([unsure, sure], tmp_path / "sheet.png"))
    assert where(picture, BLUE)[1].max() < where(picture, RED)[1].min()
    rows, columns = where(picture, BLUE)
    assert np.ptp(rows) == pytest.approx(3 * np.ptp(columns), rel=0.05), "proportions are kept"


def test_mistake_sheet_breaks_rows_and_ends_at_its_limit(tmp_path: Path) -> None:
    mistakes = [Mistake(plain(RED), "a", "b", 0.9 - i / 100, f"{i}.jpg") for i in range(5)]
    mistakes.append(Mistake(plain(BLUE), "a", "b", 0.1, "least.jpg"))
    all_of_them = read(plots.mistake_sheet(mistakes, tmp_path / "6.png", columns=2))
    rows, columns = where(all_of_them, BLUE)
    assert rows.min() > 0.6 * all_of_them.shape[0]
    assert columns.min() > 0.5 * all_of_them.shape[1]
    some = read(plots.mistake_sheet(mistakes, tmp_path / "5.png", columns=2, limit=5))
    assert where(some, BLUE)[0].size == 0
    assert where(some, RED)[0].size == where(all_of_them, RED)[0].size
    assert read(plots.mistake_sheet([], tmp_path / "0.png")).size


@pytest.mark.parametrize("source", ["costs $5 and $6.jpg", "照片.jpg", "bad\udcff.jpg", "_" * 300 + ".jpg"])
def test_any_file_name_can_stand_below_a_mistake(tmp_path: Path, source: str) -> None:
    path = plots.mistake_sheet([Mistake(plain(RED), "a", "b", 0.5, source)], tmp_path / "sheet.png")
    assert where(read(path), RED)[0].size > 1000


def test_a_picture_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MaskdError, match=r"file/curves\.png cannot be written .*another folder"):
        plots.training_curves({"loss": [1.0]}, tmp_path / "file" / "curves.png")


def test_without_matplotlib_the_remedy_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from pathlib import Path; from training import plots; from edge.errors import MaskdError\n"
        "try: plots.reliability([0.5], [True], Path(sys.argv[1]))\n"
        "except MaskdError as error: print(error)\n"
    )
    target = tmp_path / "picture.png"
    done = subprocess.run(
        [sys.executable, "-c", program, str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install matplotlib" in done.stdout
    assert not target.exists()
