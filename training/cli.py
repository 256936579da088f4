"""`maskd-train`: its commands and their arguments."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from edge.errors import MaskdError
from edge.system.arguments import (
    CommandParser,
    add_data,
    existing_file,
    number,
    of_the_disk,
    prepare_output,
    whole_number,
)
from training.architectures import ARCHITECTURES
from training.arguments import add_places, add_training

MASK_DESCRIPTION = "Train the mask classifier on labelled faces."
FACE_DESCRIPTION = "Train the face detector on labelled photos."
EVALUATE_DESCRIPTION = "Measure detectors and classifiers side by side on labelled photos."
VISITS_DESCRIPTION = "Count the visits that detectors lead to, with each photo shown as a clip."
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
        elif arguments.command == "visits":
            from training.evaluation import visits

            visits.run(arguments)
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
    _add_visits(commands.add_parser("visits", help=VISITS_DESCRIPTION, description=VISITS_DESCRIPTION))
    return parser


def _add_mask(parser: argparse.ArgumentParser) -> None:
    add_training(parser, epochs=24, batch_size=64, out="runs/mask")
    parser.add_argument("--arch", default="mobilenet_v2", choices=ARCHITECTURES, help="network (default: %(default)s)")
    parser.add_argument(
        "--input-size", type=whole_number(32, 512), default=96, metavar="PX", help="side of the crop (default: 96)"
    )
    parser.add_argument(
        "--classes", type=int, choices=(2, 3), default=3, help="2 leaves out incorrectly worn masks (default: 3)"
    )
    parser.add_argument(
        "--folds",
        type=_folds,
        metavar="K",
        help="cross-validate first: on K folds, or with `sets` on each data set, having learnt from the others",
    )
    parser.add_argument(
        "--folds-only", action="store_true", help="with --folds: end there, and use the test photos as well"
    )
    _add_views(parser)
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
    parser.add_argument(
        "--favour-incorrect",
        type=number(0.01, 100),
        default=5.0,
        metavar="TIMES",
        help="an incorrectly worn mask is worse to miss than to see where there is none, so it counts as if it were so "
        "many times as probable (default: %(default)g; 1: as it is)",
    )
    parser.add_argument("--whole-image", action="store_true", help="class folders: use the whole photo, not its face")
    parser.add_argument(
        "--detector",
        default="face-detector",
        metavar="MODEL",
        help="detector that crops the photos of class folders (default: the shipped one)",
    )


def _folds(text: str) -> int | str:
    return "sets" if text == "sets" else whole_number(2)(text)


def _add_views(parser: argparse.ArgumentParser) -> None:
    """What is made of the photos for training."""
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


def _add_face(parser: argparse.ArgumentParser) -> None:
    add_training(parser, epochs=24, batch_size=32, out="runs/face")
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
    add_places(parser, data="labelled photos", out="runs/review")
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
    add_places(parser, data="labelled photos, or photos without people", out="runs/evaluate")
    _add_detectors(parser)
    parser.add_argument(
        "--classifier",
        action="append",
        default=[],
        metavar="MODEL",
        help="a shipped model's name, a .tflite, a model.keras or AIZOO's .tflite; may be given several times "
        "(default: the shipped one)",
    )
    _add_split(parser)
    parser.add_argument(
        "--published-labels", action="store_true", help="use the published labels, without the corrections"
    )


def _add_visits(parser: argparse.ArgumentParser) -> None:
    add_data(parser, "labelled photos, or photos without people")
    _add_detectors(parser)
    parser.add_argument(
        "--score",
        type=number(0, 1),
        action="append",
        default=[],
        metavar="S",
        help="detector.min_score; may be given several times (default: what each detector recommends)",
    )
    _add_split(parser)


def _add_detectors(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--detector",
        action="append",
        default=[],
        metavar="MODEL",
        help="a shipped model's name, a .tflite, a model.keras, or the file of YuNet (.onnx), the res10 SSD (.pb) or "
        "AIZOO (.tflite); may be given several times (default: the shipped ones)",
    )


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split",
        choices=("test", "validation", "held-out", "train", "all"),
        default="test",
        help="the photos to measure on (default: test)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the split, as in training (default: 1)")


if __name__ == "__main__":
    sys.exit(main())
