"""`maskd-train mask`: from labelled photos to a trained classifier with its report."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError, UsageError
from edge.evaluation.examples import face_finder, load_photos, whole_image
from edge.evaluation.labelled import LabelledPhoto
from edge.evaluation.labels.class_folders import FindFaces
from edge.evaluation.labels.names import STATUSES, LabelNames
from edge.vision.model import TrainingData
from training import plots, report
from training.confidence import calibrate, favour
from training.cross_validation import By, JudgedPhoto, cross_validate, faces_of
from training.dataset import FaceSample, face_samples, move_validation_to_training, no_test, print_data
from training.licences import Licences, keep_licensed, learnt_from, print_licences, require_licensed
from training.masks import CROP_MARGIN, FAVOURED, LABELS, MaskTraining, plain_crops, train_masks
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
    if arguments.folds_only and arguments.folds is None:
        raise UsageError("--folds-only is for --folds; give --folds 5, or --folds sets")
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
    # Folds learn from the photos of every split.
    learns = data.splits if arguments.folds is not None else ("train",)
    judged = {
        name: _judged(photos, options, name, None if arguments.whole_image or name not in learns else finder)
        for name, photos in data.splits.items()
    }
    samples = {name: faces_of(photos) for name, photos in judged.items()}
    _require_labels(samples["train"], options)
    if not samples["test"] and not arguments.folds_only:
        raise MaskdError(no_test("face", data.splits))
    make(out)
    metrics: dict[str, Any] = {}
    if arguments.folds is not None:
        # Who chooses by the folds, and then trains and tests, must not have chosen on the test photos.
        used = [p for name, part in judged.items() if arguments.folds_only or name != "test" for p in part]
        metrics["cross_validation"] = _cross_validate(used, arguments, options)
        if arguments.folds_only:
            report.write_json(metrics, out / "metrics.json")
            return
    model, history = train_masks(
        samples["train"],
        samples["validation"],
        options,
        out,
        resume=arguments.resume,
        painted=_painted(samples["train"], options, arguments.landmarks),
    )
    _calibrate(model, samples["validation"], options)
    save_model(model, out)
    _write_report(model, history, samples["test"], learnt, options, out, metrics)


def _require_unseen(folds: By | None, options: MaskTraining) -> None:
    if folds is not None and (options.start_from or options.teachers or options.imitate):
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
        favour=arguments.favour_incorrect,
        seed=arguments.seed,
    )


def _judged(
    photos: Sequence[LabelledPhoto], options: MaskTraining, name: str, find_faces: FindFaces | None
) -> list[JudgedPhoto]:
    """Those of the split `name` that show a face to learn from."""
    judged: list[JudgedPhoto] = []
    left_out: Counter[str] = Counter()
    for photo in photos:
        faces, omitted = face_samples([photo], options.labels, find_faces)
        left_out += omitted
        if faces:
            judged.append(JudgedPhoto(photo, faces))
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    print(f"{name}: {len(faces_of(judged))} faces" + (f", left out: {reasons}" if reasons else ""), flush=True)
    return judged


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


def _cross_validate(
    photos: Sequence[JudgedPhoto], arguments: argparse.Namespace, options: MaskTraining
) -> dict[str, Any]:
    """Prints and returns the figures of models that did not see the faces they judge."""

    def train(
        learnt: Sequence[FaceSample], validation: Sequence[FaceSample], changed: MaskTraining, folder: Path
    ) -> Any:
        _require_labels(learnt, changed)
        painted = _painted(learnt, changed, arguments.landmarks)
        model, _ = train_masks(learnt, validation, changed, folder, resume=arguments.resume, painted=painted)
        _calibrate(model, validation, changed)
        return model

    found = cross_validate(
        photos,
        arguments.folds,
        options,
        arguments.out,
        train,
        lambda model, faces: _predict(model, faces, options),
        resume=arguments.resume,
    )
    print(f"\n{found.as_table().as_text()}\n{found.spread()}", flush=True)
    return found.as_json()


def _calibrate(model: Any, validation: Sequence[FaceSample], options: MaskTraining) -> None:
    """Also where there is nothing to calibrate on, a label that is worse to miss is favoured."""
    rare = options.labels.index(FAVOURED) if FAVOURED in options.labels else None
    if validation:
        _fit_confidence(model, validation, options, rare)
    if rare is not None:
        favour(model, rare, options.favour)


def _fit_confidence(model: Any, validation: Sequence[FaceSample], options: MaskTraining, rare: int | None) -> None:
    crops = plain_crops(validation, options.input_size).astype(np.float32)
    done = calibrate(model, crops, report.label_indices(validation, options.labels), rare)
    print(
        f"confidence: divided by a temperature of {done.temperature:.2f}, fitted to {len(validation)} validation faces"
    )
    if rare is not None:
        print(
            f"{FAVOURED}: made {np.exp(done.offset):.2f} times as probable, as these faces are likeliest, then counted "
            f"{options.favour:g} times (--favour-incorrect)"
        )
    if done.temperature > _FAR_FROM_FITTED * done.fitted:
        print(
            f"warning: {len(validation)} validation faces are too few to calibrate the model (they would allow "
            f"{done.fitted:.2f}); its confidence may be less reliable on other photos, so validate on more faces"
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
