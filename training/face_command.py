"""`maskd-train face`: from labelled photos to a trained face detector with its report."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from edge.errors import MaskdError
from edge.evaluation.examples import SERVED_IOU, PhotoData, load_photos
from edge.evaluation.labelled import LabelledPhoto
from edge.evaluation.labels.names import STATUSES, LabelNames
from edge.evaluation.metrics import PictureResult, average_precision
from edge.geometry import Box
from edge.vision.model import TrainingData
from edge.vision.preprocess import Image
from training import plots, report
from training.box_calibration import straighten_sizes
from training.dataset import move_validation_to_training, no_test, print_data
from training.face_network import STRIDES
from training.face_results import KerasFaceDetector, detector_metrics, detector_results
from training.face_teacher import FaceTeacher
from training.faces import INPUTS, Example, FaceTraining, for_device, load_examples, train_faces
from training.licences import Licences, keep_licensed, learnt_from, print_licences, require_licensed
from training.run_folder import make, refuse_used, save_model
from training.score_calibration import balance_scores
from training.weights import require_patches, require_start, weights_argument

DETECTOR_NAMES = {INPUTS["fast"]: "face-detector", INPUTS["far"]: "face-detector-far"}
_MANY_PHOTOS = 500
"""A set of so many needs no more repetition than larger ones."""
BEARABLE_FALSE_FACES = 0.02
"""False faces for each photo without people at the recommended score. One that shows for a moment makes no event, since
the tracker asks for three hits and five votes; one that stays does."""
RECALL_WEIGHT = 1.5
"""Of the recommended score: a person who is not found is not judged, while a false face may still be voted out."""
MIN_SCORE = 0.5
"""Recommended where no validation photos are left to choose it on."""


def run(arguments: argparse.Namespace) -> None:
    """Trains, evaluates on the test photos and writes the run's folder. Raises MaskdError for data it cannot use."""
    options = FaceTraining(
        input=INPUTS[arguments.size],
        backbone=arguments.backbone,
        alpha=arguments.alpha,
        weights=weights_argument(arguments.weights),
        start_from=tuple(arguments.start_from),
        keep_stem=arguments.keep_stem,
        imitate=arguments.imitate,
        imitation_steps=arguments.imitation_steps,
        learning_rate=arguments.learning_rate,
        crop=arguments.crop,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        seed=arguments.seed,
    )
    require_start(options.keep_stem, options.start_from)
    require_patches(options.imitate, options.backbone, "--backbone patches")
    models = (*options.start_from, *([options.imitate] if options.imitate else []))
    if arguments.licensed_only:
        require_licensed(models)
    out: Path = arguments.out
    refuse_used(out, resume=arguments.resume, overwrite=arguments.overwrite)
    names = LabelNames(STATUSES, dict(arguments.label_map))
    data = load_photos(arguments.data, arguments.seed, _no_boxes, names=names)
    licences = Licences(data.sets)
    if arguments.licensed_only:
        keep_licensed(data, licences)
    learnt = learnt_from([*data.splits["train"], *data.splits["validation"]], licences, models)
    print_data(data)
    print_licences(learnt)
    if arguments.with_validation:
        move_validation_to_training(data)
    if not any(photo.faces for photo in data.splits["train"]):
        raise MaskdError("no training photo shows a labelled face; add photos with faces")
    if not any(photo.faces for photo in data.splits["test"]):
        raise MaskdError(no_test("photo with faces", data.splits))
    make(out)
    teacher = FaceTeacher.open(arguments.teacher) if arguments.teacher else None
    examples = load_examples(with_repetition(data.splits["train"], arguments.repeat_empty), teacher)
    network, history = train_faces(examples, options, out, resume=arguments.resume)
    lines = straighten_sizes(network, examples_of_groups(examples), options.input)
    for grid, (slope, offset) in lines.items():
        print(f"box sizes of stride {grid}: slope {slope:.3f}, offset {offset:+.3f}")
    runner = KerasFaceDetector(network, options.input, _is_resizable(options))
    shift = balance_scores(runner, data.splits["validation"])
    print(f"scores of stride {STRIDES[-1]}: logits shifted by {shift:+.3f}", flush=True)
    save_model(for_device(network, options), out)
    _write_report(runner, history, data, learnt, options, out)


def with_repetition(photos: Sequence[LabelledPhoto], empty: float) -> list[tuple[LabelledPhoto, float]]:
    """Each photo with how often an epoch shows it, on average.

    Crowds teach more than single close faces, and a photo of a small set, which no other resembles, more than one of
    many; `empty` is how often those of sets without faces are shown.
    """
    faces, count = Counter[str](), Counter[str]()
    for photo in photos:
        faces[photo.set_name] += len(photo.faces)
        count[photo.set_name] += 1
    many = min(_MANY_PHOTOS, max((count[name] for name in count if faces[name]), default=1))
    repetition = {
        name: _repetition(faces[name] / photos, empty) * (max(1.0, math.sqrt(many / photos)) if faces[name] else 1.0)
        for name, photos in count.items()
    }
    return [(photo, repetition[photo.set_name]) for photo in photos]


def examples_of_groups(examples: Sequence[Example], most: int = 600) -> Sequence[Example]:
    """An even choice of the photos with several faces, which show all sizes."""
    groups = [example for example in examples if len(example.boxes) > 1] or examples
    return groups[:: -(-len(groups) // most)]


def _repetition(faces_per_photo: float, empty: float) -> float:
    if faces_per_photo == 0:
        return empty
    return 0.5 if faces_per_photo < 1.1 else 2.0 if faces_per_photo < 4 else 2.4


def _no_boxes(_image: Image) -> list[Box]:
    raise MaskdError("class folders have no boxes, so a detector cannot be trained on them; give Pascal VOC folders")


def _is_resizable(options: FaceTraining) -> bool:
    """At 640x512 a face that fills an even larger picture is beyond what it learnt."""
    return options.input == INPUTS["fast"]


def _write_report(
    runner: KerasFaceDetector,
    history: dict[str, list[float]],
    data: PhotoData,
    learnt: Sequence[TrainingData],
    options: FaceTraining,
    out: Path,
) -> None:
    report.write_history(history, out / "history.csv")
    plots.training_curves(history, out / "curves.png")
    min_score = recommended_min_score(detector_results(runner, data.splits["validation"]))
    report.write_json(
        {
            "task": "face_detection",
            "name": DETECTOR_NAMES[options.input],
            "strides": list(STRIDES),
            "resizable": runner.resizable,
            "thresholds": {"min_score": min_score},
            "training_data": [each.model_dump(exclude_none=True) for each in learnt],
        },
        out / "model.json",
    )
    results = detector_results(runner, data.splits["test"])
    metrics = {"test": detector_metrics(results, min_score), "keras": keras.__version__}
    report.write_json(metrics, out / "metrics.json")
    text = report.detector_text(metrics["test"])
    (out / "report.txt").write_text(text + "\n", encoding="utf-8")
    print(f"\nTest photos, never seen in training:\n{text}")
    curves = {name: average_precision(pictures) for name, pictures in results.items()}
    plots.precision_recall(
        {name: curve for name, curve in curves.items() if curve.faces},
        out / "precision_recall.png",
        "Face detector, faces of 16 px and more",
    )
    report.detector_mistakes(runner, data.splits["test"], min_score, out / "mistakes.png")
    print(f"\nThe run is in {out}; next: maskd-convert {out / 'model.keras'} --data ...")


def recommended_min_score(validation: dict[str, list[PictureResult]]) -> float:
    """The score with the best F-beta on the validation photos, or the higher one from which those without a face show
    no more false faces than are bearable."""
    pictures = [picture for each in validation.values() for picture in each]
    if not pictures:
        return MIN_SCORE
    empty = [picture for picture in pictures if not len(picture.truth) and not len(picture.ignored)]
    false_scores = np.sort(np.concatenate([np.zeros(0), *(picture.scores for picture in empty)]))[::-1]
    bearable = int(BEARABLE_FALSE_FACES * len(empty))
    quiet = float(false_scores[bearable]) + 0.005 if len(false_scores) > bearable else 0.0
    return round(max(average_precision(pictures, SERVED_IOU).best_score(RECALL_WEIGHT), quiet), 2)
