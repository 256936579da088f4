"""Pictures of a training run and of its result: each function writes one PNG and returns its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from edge.evaluation import metrics
from edge.evaluation.metrics import ApResult, ClassificationResult, PictureMatches, expected_calibration_error
from edge.vision.preprocess import Image
from training.plot_style import COLORS, GREY, LINES, picture, printable, short, two_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAIN_COLOR, VALIDATION_COLOR = COLORS[0], COLORS[1]
BEST_COLOR = COLORS[2]
CALIBRATION_BINS = 15

Curve = tuple[ArrayLike, ArrayLike]
"""Precision and recall of one model, each of shape (n,), recall rising."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One example that was taken for another label; `source` says where it comes from, for a person to look it up."""

    image: Image
    truth: str
    predicted: str
    confidence: float
    source: str


def training_curves(
    history: Mapping[str, Sequence[float]], path: Path, *, best_by: str | None = None, unfrozen_after: int = 0
) -> Path:
    """One panel for each figure of `history`, training and validation (`val_...`) together, the best epoch marked.

    Every sequence holds one value per epoch; `unfrozen_after` is the number of those that trained the head alone. The
    best epoch is that of `best_by`, by default the validation loss, or the training loss where there was no validation;
    a figure whose name tells of a loss or an error is best when low. Raises ValueError for a history without an
    epoch, MaskdError where the picture cannot be made.
    """
    names = sorted({name.removeprefix("val_") for name in history}, key=lambda name: (name != "loss", name))
    if not any(len(values) for values in history.values()):
        raise ValueError("the history holds no epoch")
    best = _best_epoch(history, best_by or next((n for n in ("val_loss", "loss") if n in history), names[0]))
    with picture(path, 4.6 * len(names), 3.8) as figure:
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            _curve_panel(axes, history, name, best)
            if unfrozen_after:
                _mark_unfreezing(axes, unfrozen_after)
    return path


def confusion_matrix(result: ClassificationResult, path: Path, title: str) -> Path:
    """True labels down, predicted labels across; each cell with its count and its share of the row.

    Raises MaskdError where the picture cannot be made.
    """
    counts = result.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = [two_lines(name) for name in result.labels]
    side = 1.35 * len(labels)
    with picture(path, 2.6 + side, 1.6 + side) as figure:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.grid(visible=False)
        for row, column in np.ndindex(counts.shape):
            axes.text(
                column,
                row,
                f"{counts[row, column]}\n{shares[row, column]:.1%}",
                ha="center",
                va="center",
                color="white" if shares[row, column] > 0.55 else "black",
            )
        axes.set_xticks(range(len(labels)), labels)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.set_title(
            f"{printable(title)}\naccuracy {result.accuracy:.3f}, macro F1 {result.macro_f1:.3f}, n = {result.count}"
        )
        figure.colorbar(image, ax=axes, label="share of the true label", shrink=0.8)
    return path


def precision_recall(curves: Mapping[str, ApResult | Curve], path: Path, title: str) -> Path:
    """Precision over recall for each named curve; a dot marks the best F1 where scores are known.

    Raises MaskdError where the picture cannot be made.
    """
    with picture(path, 6.4, 5.2) as figure:
        axes = figure.subplots()
        _equal_f1_lines(axes)
        for index, (name, curve) in enumerate(curves.items()):
            color, line = COLORS[index % len(COLORS)], LINES[index % len(LINES)]
            if isinstance(curve, ApResult):
                precision, recall = curve.precision, curve.recall
                label = f"{printable(name)}: AP {curve.ap:.3f}, n = {curve.faces}"
            else:
                precision, recall = (np.asarray(values, dtype=np.float64) for values in curve)
                label = printable(name)
            if isinstance(curve, ApResult) and curve.found_faces:
                score = curve.best_score()
                best_precision, best_recall = curve.at_score(score)
                axes.plot([best_recall], [best_precision], "o", color=color, markersize=8, clip_on=False)
                label += f", best F1 at score {score:.2f}"
            # Starts at recall 0, and at the first precision, which says nothing of lower recalls.
            start = precision[:1]
            axes.plot([*(start * 0), *recall], [*start, *precision], color=color, linestyle=line, label=label)
        _unit_axes(axes, "recall", "precision")
        axes.set_title(printable(title))
        if curves:
            axes.legend(loc="lower left")
    return path


def class_precision_recall(labels: Sequence[str], truth: ArrayLike, probabilities: ArrayLike, path: Path) -> Path:
    """Precision over recall of each label against all others, with its average precision.

    `truth` (n,) are indices into `labels`, `probabilities` is (n, number of labels). Raises ValueError for other
    shapes, MaskdError where the picture cannot be made.
    """
    true_index, scores = np.asarray(truth, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if scores.shape != (len(true_index), len(labels)):
        raise ValueError(
            f"probabilities of shape {scores.shape} for {len(true_index)} examples and {len(labels)} labels"
        )
    curves: dict[str, ApResult | Curve] = {}
    for index, label in enumerate(labels):
        of_label = true_index == index
        matches = PictureMatches(scores[:, index], of_label, int(of_label.sum()))
        curves[label] = metrics.precision_recall([matches])
    return precision_recall(curves, path, "Each label against all others")


def reliability(confidence: ArrayLike, correct: ArrayLike, path: Path) -> Path:
    """How often a prediction is right, over how sure it was, and how many predictions were that sure.

    `confidence` (n,) is 0 to 1, `correct` (n,) is true or false. Raises MaskdError where the picture cannot be made.
    """
    confidences = np.asarray(confidence, dtype=np.float64)
    hits = np.asarray(correct, dtype=np.float64)
    error = expected_calibration_error(confidences, hits, CALIBRATION_BINS)
    # The bins of expected_calibration_error: open on the left.
    bins = np.clip(np.ceil(confidences * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    filled = counts > 0
    mean_hits = np.bincount(bins, hits, CALIBRATION_BINS)[filled] / counts[filled]
    mean_confidences = np.bincount(bins, confidences, CALIBRATION_BINS)[filled] / counts[filled]
    with picture(path, 5.4, 6.2) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1.2, label="as sure as right")
        upper.vlines(mean_confidences, mean_confidences, mean_hits, color=COLORS[1], linewidth=1.4, label="gap")
        upper.plot(mean_confidences, mean_hits, "o-", color=COLORS[0], label="predictions")
        upper.set_ylim(-0.02, 1.02)
        upper.set_ylabel("share that is right")
        upper.set_title(f"Calibration: expected error {error:.3f}, n = {len(confidences)}")
        upper.legend(loc="upper left")
        left_edges = np.arange(CALIBRATION_BINS) / CALIBRATION_BINS
        lower.bar(left_edges, counts, width=0.92 / CALIBRATION_BINS, align="edge", color=COLORS[0])
        lower.set_xlim(-0.02, 1.02)
        lower.set_xlabel("confidence")
        lower.set_ylabel("predictions")
    return path


def mistake_sheet(items: Sequence[Mistake], path: Path, columns: int = 10, *, limit: int = 100) -> Path:
    """A contact sheet of at most `limit` mistakes, the surest first, each with its labels and its source below.

    Raises MaskdError where the picture cannot be made.
    """
    worst = sorted(items, key=lambda item: -item.confidence)[:limit]
    columns = max(1, min(columns, len(worst)))
    rows = max(1, -(-len(worst) // columns))
    total = "1 mistake" if len(items) == 1 else f"{len(items)} mistakes"
    shown = f"the {len(worst)} most confident of {total}" if len(worst) < len(items) else total
    # Captions have a fixed height in inches below each photo, and the title one above them all.
    width, height, caption, heading = 1.5, 2.05, 0.55, 0.4
    sheet_width, sheet_height = max(3.0, columns * width), rows * height + heading
    with picture(path, sheet_width, sheet_height, layout=None) as figure:
        figure.text(0.5, 1 - heading / 2 / sheet_height, shown, ha="center", va="center", size=11)
        for index, item in enumerate(worst):
            row, column = divmod(index, columns)
            top = sheet_height - heading - row * height
            axes = figure.add_axes(
                (
                    (column * width + 0.05) / sheet_width,
                    (top - height + caption) / sheet_height,
                    (width - 0.1) / sheet_width,
                    (height - caption - 0.05) / sheet_height,
                )
            )
            axes.imshow(item.image, interpolation="nearest")
            axes.set_axis_off()
            figure.text(
                (column + 0.5) * width / sheet_width,
                (top - height + caption - 0.04) / sheet_height,
                f"is {short(item.truth)}\n{short(item.predicted)} {item.confidence:.2f}\n{short(item.source)}",
                ha="center",
                va="top",
                size=6.5,
            )
    return path


def _best_epoch(history: Mapping[str, Sequence[float]], name: str) -> int | None:
    """Index of the best epoch; None where no value is a number, as after a run that diverged at once."""
    values = np.asarray(history[name], dtype=np.float64)
    if not np.isfinite(values).any():
        return None
    low_is_good = any(part in name for part in ("loss", "error", "mae", "mse"))
    ranked = np.where(np.isfinite(values), values if low_is_good else -values, np.inf)
    return int(ranked.argmin())


def _curve_panel(axes: Axes, history: Mapping[str, Sequence[float]], name: str, best: int | None) -> None:
    from matplotlib.ticker import MaxNLocator

    for key, label, color, line in (
        (name, "training", TRAIN_COLOR, "--"),
        (f"val_{name}", "validation", VALIDATION_COLOR, "-"),
    ):
        values = history.get(key, ())
        if len(values):
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, line, color=color, label=label, marker="o" if len(values) == 1 else None)
    shown = history.get(f"val_{name}") or history[name]
    if best is not None and best < len(shown) and np.isfinite(shown[best]):
        axes.axvline(best + 1, color=BEST_COLOR, linewidth=1.2, linestyle=":")
        axes.plot([best + 1], [shown[best]], "o", color=BEST_COLOR, label=f"best epoch {best + 1}: {shown[best]:.4g}")
    axes.set_title(printable(name.replace("_", " ")))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="best")


def _mark_unfreezing(axes: Axes, epochs: int) -> None:
    """Between the last epoch of the head alone and the first of the whole network, where figures jump."""
    axes.axvline(epochs + 0.5, color=GREY, linewidth=1.2, linestyle="--", label="whole network trained from here")
    axes.legend(loc="best")


def _equal_f1_lines(axes: Axes) -> None:
    """Thin lines along which F1 stays the same, as a help to the eye."""
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f1 / 2 + 1e-3, 1, 200)
        precision = f1 * recall / (2 * recall - f1)
        inside = precision <= 1
        axes.plot(recall[inside], precision[inside], color="#CFCFCF", linewidth=0.9)
        axes.text(1.005, f1 / (2 - f1), f"F1 {f1}", color=GREY, size=8, va="center")


def _unit_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
