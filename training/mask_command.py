"""`maskd-train mask`: from labelled photos to a trained classifier with its report."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError, UsageError
from edge.evaluation.examples import face_finder, load_photos, whole_image
from edge.evaluation.labelled import LabelledPhoto, SplitName, split_photos
from edge.evaluation.labels.class_folders import FindFaces
from edge.evaluation.labels.names import STATUSES, LabelNames
from edge.vision.model import TrainingData
from training import plots, report
from training.confidence import calibrate
from training.dataset import FaceSample, face_samples, move_validation_to_training, no_test, print_data
from training.licences import Licences, keep_licensed, learnt_from, print_licences, require_licensed
from training.masks import CROP_MARGIN, LABELS, MaskTraining, plain_crops, train_masks
from training.run_folder import make, refuse_used, save_model
from training.weights import require_patches, require_start, weights_argument
from training.worn_masks import worn_mask_samples

MIN_CONFIDENCE = 0.5
"""Recommended: of calibrated judgements, those below are more often wrong than right."""
_FAR_FROM_FITTED = 1.1
"""A temperature this many times the fitted one is worth a warning."""
PAINTED_FACES = 2000
"""Faces with masks put on them, made before the training."""


def run(arguments: argparse.Namespace) -> None:
    """Trains, evaluates on the test photos and writes the run's folder. Raises MaskdError for data it cannot use."""
    options = _options(arguments)
    _require_unseen(arguments.folds, options)
    require_start(options.keep_stem, options.start_from)
    require_patches(options.imitate, options.architecture, "--arch patches")
    models = (*options.start_from, *options.teachers, *([options.imitate] if options.imitate else []))
    if arguments.licensed_only:
        require_licensed(models)
    out: Path = arguments.out
    refuse_used(out, resume=arguments.resume, overwrite=arguments.overwrite)
    finder = whole_image if arguments.whole_image else face_finder(arguments.detector)
    names = LabelNames(STATUSES, dict(arguments.label_map))
    data = load_photos(arguments.data, arguments.seed, finder, names=names)
    licences = Licences(data.sets)
    if arguments.licensed_only:
        keep_licensed(data, licences)
    learnt = learnt_from([*data.splits["train"], *data.splits["validation"]], licences, models)
    print_data(data)
    print_licences(learnt)
    if arguments.with_validation:
        move_validation_to_training(data)
    samples = {
        name: _samples(photos, options, name, finder if name == "train" and not arguments.whole_image else None)
        for name, photos in data.splits.items()
    }
    _require_labels(samples["train"], options)
    _require_enough_photos(arguments.folds, data.splits)
    if not samples["test"]:
        raise MaskdError(no_test("face", data.splits))
    make(out)
    metrics: dict[str, Any] = {}
    if arguments.folds > 1:
        metrics["cross_validation"] = _cross_validate(
            data.splits["train"] + data.splits["validation"], arguments.folds, options, out, arguments.landmarks
        )
    model, history = train_masks(
        samples["train"],
        samples["validation"],
        options,
        out,
        resume=arguments.resume,
        painted=_painted(samples["train"], options, arguments.landmarks),
    )
    if samples["validation"]:
        _calibrate(model, samples["validation"], options)
    save_model(model, out)
    _write_report(model, history, samples["test"], learnt, options, out, metrics)


def _require_unseen(folds: int, options: MaskTraining) -> None:
    if folds > 1 and (options.start_from or options.teachers or options.imitate):
        raise UsageError(
            "--folds needs a model that has not seen the photos, but one of --start-from, --teacher or --imitate "
            "has seen them all; remove one or the other"
        )


def _options(arguments: argparse.Namespace) -> MaskTraining:
    return MaskTraining(
        labels=LABELS[arguments.classes],
        architecture=arguments.arch,
        alpha=arguments.alpha,
        input_size=arguments.input_size,
        weights=weights_argument(arguments.weights),
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        mixup=arguments.mixup,
        painted_share=arguments.painted,
        start_from=tuple(arguments.start_from),
        teachers=tuple(arguments.teacher),
        keep_stem=arguments.keep_stem,
        imitate=arguments.imitate,
        imitation_steps=arguments.imitation_steps,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )


def _samples(
    photos: Sequence[LabelledPhoto], options: MaskTraining, name: str, find_faces: FindFaces | None
) -> list[FaceSample]:
    samples, left_out = face_samples(photos, options.labels, find_faces)
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    print(f"{name}: {len(samples)} faces" + (f", left out: {reasons}" if reasons else ""), flush=True)
    return samples


def _require_labels(samples: Sequence[FaceSample], options: MaskTraining) -> None:
    missing = [label for label in options.labels if not any(sample.label == label for sample in samples)]
    if missing:
        raise MaskdError(
            f"no training face is labelled {' or '.join(missing)}; add photos of it"
            + (", or train with --classes 2" if missing == ["mask_weared_incorrect"] else "")
        )


def _painted(samples: Sequence[FaceSample], options: MaskTraining, landmarks: Path | None) -> list[FaceSample]:
    """Training faces with masks put on them; none where no landmark model was given."""
    if landmarks is None or options.painted_share == 0:
        return []
    painted = worn_mask_samples(samples, landmarks, PAINTED_FACES, options.seed, options.labels)
    counts = Counter(sample.label for sample in painted)
    print(f"painted: {', '.join(f'{counts[label]} {label}' for label in options.labels)}", flush=True)
    return painted


def _require_enough_photos(folds: int, splits: Mapping[SplitName, Sequence[LabelledPhoto]]) -> None:
    count = len(splits["train"]) + len(splits["validation"])
    if folds > count:
        raise UsageError(f"--folds {folds} exceeds the number of training photos, {count}")


def _cross_validate(
    photos: Sequence[LabelledPhoto], folds: int, options: MaskTraining, out: Path, landmarks: Path | None
) -> dict[str, Any]:
    """Accuracy of K trainings, each judged on the fold that it did not see; the test photos stay out of it."""
    ordered = [p for part in split_photos(photos, options.seed, (1.0, 0.0, 0.0)).values() for p in part]
    results = []
    for fold in range(folds):
        held, rest = ordered[fold::folds], [p for i, p in enumerate(ordered) if i % folds != fold]
        train, _ = face_samples(rest, options.labels)
        test, _ = face_samples(held, options.labels)
        _require_labels(train, options)
        model, _ = train_masks(
            train,
            [],
            replace(options, seed=options.seed + fold),
            out / f"fold-{fold + 1}",
            resume=False,
            painted=_painted(train, options, landmarks),
        )
        figures = report.classification_metrics(test, _predict(model, test, options), options.labels)
        print(f"fold {fold + 1} of {folds}: accuracy {figures['accuracy']:.3f} on {figures['faces']} faces", flush=True)
        results.append(figures)
    accuracies = [each["accuracy"] for each in results]
    mean, spread = float(np.mean(accuracies)), float(np.std(accuracies))
    print(f"mean of {folds} folds: accuracy {mean:.3f}, standard deviation {spread:.3f}", flush=True)
    return {"folds": results, "accuracy_mean": mean, "accuracy_sd": spread}


def _calibrate(model: Any, validation: Sequence[FaceSample], options: MaskTraining) -> None:
    crops = plain_crops(validation, options.input_size).astype(np.float32)
    temperature, fitted = calibrate(model, crops, report.label_indices(validation, options.labels))
    print(f"confidence: divided by a temperature of {temperature:.2f}, fitted to {len(validation)} validation faces")
    if temperature > _FAR_FROM_FITTED * fitted:
        print(
            f"warning: {len(validation)} validation faces are too few to calibrate the model (they would allow "
            f"{fitted:.2f}); its confidence may be less reliable on other photos, so validate on more faces"
        )


def _predict(model: Any, samples: Sequence[FaceSample], options: MaskTraining) -> NDArray[np.float32]:
    crops = plain_crops(samples, options.input_size).astype(np.float32)
    return np.asarray(model.predict(crops, verbose=0) if len(crops) else np.zeros((0, len(options.labels)), np.float32))


def _write_report(
    model: Any,
    history: dict[str, list[float]],
    test: Sequence[FaceSample],
    learnt: Sequence[TrainingData],
    options: MaskTraining,
    out: Path,
    metrics: dict[str, Any],
) -> None:
    report.write_history(history, out / "history.csv")
    report.write_json(
        {
            "task": "mask_classification",
            "name": "mask-classifier",
            "labels": list(options.labels),
            "crop_margin": CROP_MARGIN,
            "thresholds": {"min_confidence": MIN_CONFIDENCE},
            "training_data": [each.model_dump(exclude_none=True) for each in learnt],
        },
        out / "model.json",
    )
    plots.training_curves(history, out / "curves.png", unfrozen_after=options.frozen_epochs)
    if test:
        probabilities = _predict(model, test, options)
        metrics["test"] = report.classification_metrics(test, probabilities, options.labels)
        text = report.classification_result(test, probabilities, options.labels).as_text()
        (out / "report.txt").write_text(text + "\n", encoding="utf-8")
        print(f"\nTest photos, never seen in training:\n{text}")
        report.classifier_pictures(test, plain_crops(test, options.input_size), probabilities, options.labels, out)
    metrics["keras"] = keras.__version__
    report.write_json(metrics, out / "metrics.json")
    print(f"\nThe run is in {out}; next: maskd-convert {out / 'model.keras'} --data ...")
