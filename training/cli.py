"""`maskd-train`: its commands and their arguments."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.arguments import (
    CommandParser,
    add_data,
    existing_file,
    number,
    of_the_disk,
    path,
    prepare_output,
    whole_number,
)
from edge.errors import MaskdError
from training.architectures import ARCHITECTURES

MASK_DESCRIPTION = "Train the mask classifier on labelled faces."
FACE_DESCRIPTION = "Train the face detector on labelled photos."
EVALUATE_DESCRIPTION = "Measure detectors and classifiers side by side on labelled photos."
REVIEW_DESCRIPTION = "Show the labels that a classifier doubts, and the faces without a label."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status; a problem is one sentence on stderr."""
    prepare_output()
    arguments = _parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if arguments.command == "review":
            from training import review

            review.run(arguments)
        elif arguments.command == "evaluate":
            from training.evaluation import command

            command.run(arguments)
        elif arguments.command == "mask":
            _require_keras()
            from training import mask_command

            mask_command.run(arguments)
        else:
            _require_keras()
            from training import face_command

            face_command.run(arguments)
    except MaskdError as error:
        print(f"maskd-train: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(f"maskd-train: {of_the_disk(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        resumable = "; --resume continues after the last finished epoch" if hasattr(arguments, "resume") else ""
        print(f"maskd-train: stopped{resumable}", file=sys.stderr)
        return 130
    return 0


def _require_keras() -> None:
    try:
        import keras  # noqa: F401
    except ImportError as error:
        raise MaskdError(
            f"training needs Keras and TensorFlow ({error}); install them: pip install tensorflow keras tqdm matplotlib"
        ) from None


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="maskd-train", description="Train maskd's models on labelled photos.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_mask(commands.add_parser("mask", help=MASK_DESCRIPTION, description=MASK_DESCRIPTION))
    _add_face(commands.add_parser("face", help=FACE_DESCRIPTION, description=FACE_DESCRIPTION))
    _add_review(commands.add_parser("review", help=REVIEW_DESCRIPTION, description=REVIEW_DESCRIPTION))
    _add_evaluate(commands.add_parser("evaluate", help=EVALUATE_DESCRIPTION, description=EVALUATE_DESCRIPTION))
    return parser


def _add_mask(parser: argparse.ArgumentParser) -> None:
    _add_training(parser, epochs=24, batch_size=64, out="runs/mask")
    parser.add_argument("--arch", default="mobilenet_v2", choices=ARCHITECTURES, help="network (default: %(default)s)")
    parser.add_argument(
        "--input-size", type=whole_number(32, 512), default=96, metavar="PX", help="side of the crop (default: 96)"
    )
    parser.add_argument(
        "--classes", type=int, choices=(2, 3), default=3, help="2 leaves out incorrectly worn masks (default: 3)"
    )
    parser.add_argument(
        "--folds", type=whole_number(1), default=1, metavar="K", help="cross-validate on K folds, before training"
    )
    parser.add_argument(
        "--mixup",
        type=number(0, 1),
        default=0.2,
        metavar="A",
        help="blend pairs of crops, with weights from Beta(A, A) (default: 0.2)",
    )
    parser.add_argument(
        "--landmarks",
        type=existing_file,
        metavar="FILE",
        help=(
            "a YuNet .onnx file, to paint masks on bare faces, worn correctly and incorrectly (default: none are "
            "painted)"
        ),
    )
    parser.add_argument(
        "--painted",
        type=number(0, 1),
        default=0.15,
        metavar="SHARE",
        help="share of the crops that come from painted faces, with --landmarks (default: %(default)s)",
    )
    parser.add_argument(
        "--teacher",
        type=existing_file,
        action="append",
        default=[],
        metavar="MODEL",
        help=(
            "learn half from the labels, half from this model.keras's answer for each crop; with several, from "
            "their mean"
        ),
    )
    parser.add_argument("--whole-image", action="store_true", help="class folders: use the whole photo, not its face")
    parser.add_argument(
        "--detector",
        default="face-detector",
        metavar="MODEL",
        help="detector that crops the photos of class folders (default: the shipped one)",
    )


def _add_face(parser: argparse.ArgumentParser) -> None:
    _add_training(parser, epochs=24, batch_size=32, out="runs/face")
    parser.add_argument(
        "--size",
        choices=("fast", "far"),
        default="fast",
        help="for an input of 320x256 pixels, or of 640x512 for entrances seen from a distance (default: fast)",
    )
    parser.add_argument(
        "--crop",
        type=whole_number(128, 1024, step=64),
        default=256,
        metavar="PX",
        help="side of a training view, a multiple of 64 (default: 256)",
    )
    parser.add_argument(
        "--backbone",
        choices=("mobilenet_v2", "patches"),
        default="mobilenet_v2",
        help="patches is the same from stride 8 on, with a stem that takes half the time (default: %(default)s)",
    )
    parser.add_argument(
        "--teacher",
        type=existing_file,
        metavar="FILE",
        help="a YuNet .onnx file: its confident detections without a label are learnt as faces, uncertain ones are "
        "excluded from the background",
    )
    parser.add_argument(
        "--repeat-empty",
        type=number(0, 100),
        default=2.0,
        metavar="TIMES",
        help="how often an epoch shows each photo without people, to teach what is not a face (default: %(default)s)",
    )


def _add_review(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "A model trained on these labels tends to agree with them, even with wrong ones, because it has memorised "
        "some. A model trained on other sets judges best; several with different --seed, given together, come "
        "second."
    )
    _add_places(parser, data="labelled photos", out="runs/review")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help="classifier: a shipped model's name, a .tflite or a model.keras; with several, their mean (default: "
        "the shipped one)",
    )
    parser.add_argument(
        "--detector",
        default="face-detector",
        metavar="MODEL",
        help=("detector that finds unlabelled faces (default: the shipped one)"),
    )
    parser.add_argument(
        "--count", type=whole_number(1), default=200, metavar="N", help="most labels of a set to show (default: 200)"
    )


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_places(parser, data="labelled photos, or photos without people", out="runs/evaluate")
    parser.add_argument(
        "--detector",
        action="append",
        default=[],
        metavar="MODEL",
        help="a shipped model's name, a .tflite, a model.keras, or the file of YuNet (.onnx), the res10 SSD (.pb) or "
        "AIZOO (.tflite); may be given several times (default: the shipped ones)",
    )
    parser.add_argument(
        "--classifier",
        action="append",
        default=[],
        metavar="MODEL",
        help="a shipped model's name, a .tflite, a model.keras or AIZOO's .tflite; may be given several times "
        "(default: the shipped one)",
    )
    parser.add_argument(
        "--split",
        choices=("test", "validation", "train", "all"),
        default="test",
        help="the photos to measure on (default: test)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the split, as in training (default: 1)")
    parser.add_argument(
        "--published-labels", action="store_true", help="use the published labels, without the corrections"
    )


def _add_training(parser: argparse.ArgumentParser, *, epochs: int, batch_size: int, out: str) -> None:
    _add_places(parser, data="labelled photos", out=out)
    parser.add_argument(
        "--alpha", type=number(0.1, 2), default=0.35, help="width of a MobileNet (default: %(default)s)"
    )
    parser.add_argument(
        "--weights", default="imagenet", help="imagenet, none, or a weights file (default: %(default)s)"
    )
    parser.add_argument(
        "--start-from",
        type=existing_file,
        action="append",
        default=[],
        metavar="MODEL",
        help="train a model.keras further, at a lower rate; with several, their average",
    )
    parser.add_argument(
        "--keep-stem",
        action="store_true",
        help="with --start-from: freeze the layers down to stride 8, which halves the time of a step",
    )
    parser.add_argument(
        "--imitate",
        type=existing_file,
        metavar="MODEL",
        help="for a network of patches: start with the layers of this model.keras, a MobileNetV2, and first train "
        "the stem to produce its features",
    )
    parser.add_argument(
        "--imitation-steps",
        type=whole_number(1),
        default=600,
        metavar="N",
        help="batches to train the stem (default: 600)",
    )
    parser.add_argument(
        "--learning-rate",
        type=number(1e-6, 1),
        metavar="RATE",
        help=(
            "peak learning rate (default: 2e-3 for a detector and 1e-3 for a classifier, a third of it with "
            "--start-from)"
        ),
    )
    parser.add_argument("--epochs", type=whole_number(1), default=epochs, help="default: %(default)s")
    parser.add_argument("--batch-size", type=whole_number(1), default=batch_size, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="seed of the split and of every random choice (default: 1)")
    parser.add_argument(
        "--resume", action="store_true", help="continue from the checkpoint of an interrupted run in --out"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="write into the --out of an earlier run and replace its model"
    )
    parser.add_argument(
        "--licensed-only",
        action="store_true",
        help="train only on photos whose licence is stated and allows products, see docs/training.md",
    )
    parser.add_argument(
        "--with-validation",
        action="store_true",
        help="the final run, once its settings are chosen: also train on the validation photos, to the last epoch",
    )


def _add_places(parser: argparse.ArgumentParser, *, data: str, out: str) -> None:
    add_data(parser, data)
    parser.add_argument(
        "--out", type=path, default=Path(out), metavar="DIR", help="output folder (default: %(default)s)"
    )


if __name__ == "__main__":
    sys.exit(main())
