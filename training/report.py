"""What a training run leaves behind: model, sidecar, figures, history and pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError
from edge.evaluation.examples import MIN_FACE_HEIGHT_PX
from edge.evaluation.labelled import LabelledPhoto, read_photo
from edge.evaluation.metrics import ClassificationResult, classification_report, expected_calibration_error
from edge.vision.faces import Face
from edge.vision.preprocess import Image, crop_face
from training import plots
from training.dataset import FaceSample


def make_folder(path: Path) -> None:
    """Makes the run's folder. Raises MaskdError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MaskdError(f"the folder {path} cannot be created ({error.strerror}); choose another --out") from error


def write_history(history: Mapping[str, Sequence[float]], path: Path) -> None:
    """One row per epoch; a cell stays empty where a figure was not taken."""
    epochs = max((len(values) for values in history.values()), default=0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history])
        for epoch in range(epochs):
            writer.writerow([epoch + 1, *(v[epoch] if epoch < len(v) else "" for v in history.values())])


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Raises MaskdError as `write_text` does."""
    write_text(json.dumps(content, indent=2) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Raises MaskdError where the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MaskdError(f"{path} cannot be written ({error.strerror}); choose another --out") from error


def classification_metrics(
    samples: Sequence[FaceSample], probabilities: NDArray[np.float32], labels: Sequence[str]
) -> dict[str, Any]:
    """Figures of a classifier over all samples and for each set, with the number of faces for each."""

    def figures(chosen: Sequence[int]) -> dict[str, Any]:
        truth, predicted = (
            label_indices([samples[i] for i in chosen], labels),
            probabilities[list(chosen)].argmax(axis=1),
        )
        result = classification_report(labels, truth, predicted)
        confidence = probabilities[list(chosen)].max(axis=1)
        return {
            "faces": result.count,
            "accuracy": result.accuracy,
            "macro_f1": result.macro_f1,
            "recall": {label: each.recall for label, each in result.per_class.items() if each.support},
            "support": {label: each.support for label, each in result.per_class.items()},
            "expected_calibration_error": expected_calibration_error(confidence, predicted == truth),
        }

    sets = sorted({sample.set_name for sample in samples})
    everything = figures(range(len(samples)))
    return {
        **everything,
        "sets": {name: figures([i for i, s in enumerate(samples) if s.set_name == name]) for name in sets},
    }


def classification_result(
    samples: Sequence[FaceSample], probabilities: NDArray[np.float32], labels: Sequence[str]
) -> ClassificationResult:
    return classification_report(labels, label_indices(samples, labels), probabilities.argmax(axis=1))


def classifier_pictures(
    samples: Sequence[FaceSample],
    crops: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    labels: Sequence[str],
    out: Path,
) -> None:
    """Confusion matrix, precision-recall curves, calibration and the worst mistakes, as PNG files in `out`."""
    draw_answers(
        label_indices(samples, labels),
        probabilities,
        labels,
        lambda index: (crops[index], samples[index].source),
        out,
        "Mask classifier, {} faces never seen",
    )


def draw_answers(
    truth: NDArray[np.int64],
    probabilities: NDArray[Any],
    labels: Sequence[str],
    show: Callable[[int], tuple[Image, str]],
    out: Path,
    title: str,
) -> None:
    """The pictures of `classifier_pictures`; `show` gives the crop and the source of a face by its index.

    `truth` (n,) are indices into `labels`, `probabilities` is (n, number of labels); `title` has a place for n.
    """
    predicted = probabilities.argmax(axis=1)
    result = classification_report(labels, truth, predicted)
    plots.confusion_matrix(result, out / "confusion.png", title.format(result.count))
    plots.class_precision_recall(labels, truth, probabilities, out / "precision_recall.png")
    plots.reliability(probabilities.max(axis=1), predicted == truth, out / "calibration.png")
    wrong = np.flatnonzero(predicted != truth)
    worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]])][:100].tolist()
    mistakes = []
    for index in worst:
        crop, source = show(index)
        true, taken = labels[truth[index]], labels[predicted[index]]
        mistakes.append(plots.Mistake(crop, true, taken, float(probabilities[index].max()), source))
    plots.mistake_sheet(mistakes, out / "mistakes.png")


def detector_text(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """A detector's figures as lines of text."""
    lines = []
    for name, each in figures.items():
        if "ap50" in each:
            lines.append(
                f"{name}: AP50 {each['ap50']:.3f} on {each['faces']} faces of {each['photos']} photos; at a score of "
                f"{each['min_score']:g} precision {each['precision']:.3f}, recall {each['recall']:.3f}"
            )
        else:
            lines.append(
                f"{name}: {each['false_faces_per_100']:.1f} false faces per 100 photos without people "
                f"({each['photos']} photos) at a score of {each['min_score']:g}"
            )
    return "\n".join(lines)


def detector_mistakes(detector: Any, photos: Sequence[LabelledPhoto], min_score: float, path: Path) -> None:
    """A sheet of the surest false faces and the largest missed ones."""
    draw_finds(((photo, detector.detect(read_photo(photo.path), min_score)) for photo in photos), path)


def draw_finds(finds: Iterable[tuple[LabelledPhoto, Sequence[Face]]], path: Path) -> None:
    """The sheet of `detector_mistakes`, of photos with the faces that were found on them."""
    mistakes: list[tuple[float, plots.Mistake]] = []
    for photo, found in finds:
        known = [*(face.box for face in photo.faces), *photo.ignored]
        false = [face for face in found if all(face.box.iou(box) < 0.3 for box in known)]
        missed = [
            face.box
            for face in photo.faces
            if face.box.height >= MIN_FACE_HEIGHT_PX and all(face.box.iou(other.box) < 0.5 for other in found)
        ]
        if not (false or missed):
            continue
        image = read_photo(photo.path)
        source = f"{photo.set_name}/{photo.path.name}"
        for face in false:
            crop = crop_face(image, face.box, margin=0.5, size=96)
            mistakes.append((face.score, plots.Mistake(crop, "nothing", "face", face.score, source)))
        for box in missed:
            crop = crop_face(image, box, margin=0.5, size=96)
            rank = box.height / image.shape[0]
            mistakes.append((rank, plots.Mistake(crop, f"face {box.height:.0f} px", "nothing", 0.0, source)))
    mistakes.sort(key=lambda item: -item[0])
    plots.mistake_sheet([mistake for _, mistake in mistakes[:100]], path)


def label_indices(samples: Sequence[FaceSample], labels: Sequence[str]) -> NDArray[np.int64]:
    """Of each sample (n,) its label's place in `labels`."""
    return np.array([list(labels).index(sample.label) for sample in samples], dtype=np.int64)
