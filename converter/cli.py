"""`maskd-convert`: its arguments, nothing else."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import MaskdError
from edge.system.arguments import CommandParser, add_data, number, of_the_disk, path, prepare_output, whole_number

if TYPE_CHECKING:
    from converter.command import Conversion


def main(argv: Sequence[str] | None = None) -> int:
    """Converts one model; returns the exit status. A problem is one sentence on standard error."""
    prepare_output()
    parser = _parser()
    arguments = parser.parse_args(argv)
    is_converted = arguments.edgetpu and (arguments.model.suffix == ".tflite" or not arguments.model.exists())
    if not is_converted and not arguments.data:
        parser.error("the following arguments are required: --data")
    try:
        # Imported here, so that --help answers at once.
        if is_converted:
            from converter.edgetpu import run_edgetpu

            return run_edgetpu(str(arguments.model), arguments.out)
        from converter.command import run

        written = run(_conversion(arguments))
        if arguments.edgetpu:
            from converter.edgetpu import run_edgetpu

            return run_edgetpu(str(written))
    except MaskdError as error:
        print(f"maskd-convert: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(f"maskd-convert: {of_the_disk(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("maskd-convert: stopped; nothing was installed", file=sys.stderr)
        return 130
    return 0


def _conversion(arguments: argparse.Namespace) -> Conversion:
    from converter.command import Conversion

    return Conversion(
        model=arguments.model,
        data=tuple(arguments.data),
        out=arguments.out or Path("models"),
        name=arguments.name,
        version=arguments.version,
        task=arguments.task,
        labels=arguments.labels,
        crop_margin=arguments.crop_margin,
        preprocess=arguments.preprocess,
        input_size=arguments.input_size,
        calibration_photos=arguments.calibration_photos,
        color_order=arguments.color_order,
        quantize=arguments.quantize,
        max_drop=arguments.max_drop,
        whole_image=arguments.whole_image,
        detector=arguments.detector,
        label_map=dict(arguments.label_map),
        seed=arguments.seed,
    )


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="maskd-convert",
        description="Converts a trained model to a full-integer int8 .tflite with its manifest, and verifies on the "
        "test photos that its answers stay the same.",
    )
    parser.add_argument(
        "model",
        type=path,
        metavar="MODEL",
        help="a .keras or .h5 file, or a SavedModel folder; with --edgetpu also a .tflite with its manifest next to "
        "it, or a shipped model's name",
    )
    add_data(
        parser,
        "labelled photos to calibrate and test with: Pascal VOC, YOLO, COCO, class folders, or photos without any face",
        required=False,
    )
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="folder for both files (default: models; for a .tflite: its own folder)"
    )
    parser.add_argument(
        "--edgetpu",
        action="store_true",
        help="report which operators a Coral Edge TPU can run, and compile the model if edgetpu_compiler is "
        "installed (exit status 3 if not)",
    )
    parser.add_argument("--name", help="the model's name (default: as trained, or the file's)")
    parser.add_argument("--version", default="1.0.0", help="the model's version (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the split of the photos, as in training (default: 1)"
    )

    _add_foreign(parser)
    _add_proof(parser)
    return parser


def _add_foreign(parser: argparse.ArgumentParser) -> None:
    foreign = parser.add_argument_group("models not made by maskd-train")
    foreign.add_argument("--task", choices=("mask_classification", "face_detection"), help="what the model is for")
    foreign.add_argument(
        "--labels",
        type=_labels,
        metavar="A,B",
        help="the meaning of a classifier's outputs, in order; a single sigmoid is the probability of the second",
    )
    foreign.add_argument(
        "--preprocess",
        choices=("mobilenet_v2", "unit", "none"),
        help=(
            "the pixel values that the model expects: x / 127.5 - 1, x / 255, or 0 to 255; this becomes part of the "
            "model"
        ),
    )
    foreign.add_argument(
        "--color-order",
        choices=("rgb", "bgr"),
        default="rgb",
        help="channel order of the training pixels; OpenCV's imread gives bgr (default: %(default)s)",
    )
    foreign.add_argument(
        "--input-size", type=_input_size, metavar="HxW", help="input size in pixels, if the model does not fix it"
    )
    foreign.add_argument(
        "--crop-margin",
        type=number(0, 2),
        metavar="SHARE",
        help="margin around a face, as a fraction of its longer side (default: as trained, or 0)",
    )


def _add_proof(parser: argparse.ArgumentParser) -> None:
    proof = parser.add_argument_group("calibration and proof")
    proof.add_argument(
        "--calibration-photos",
        type=whole_number(1),
        default=300,
        metavar="N",
        help="training photos (default: %(default)s)",
    )
    proof.add_argument(
        "--max-drop",
        type=number(0, 100),
        default=1.0,
        metavar="POINTS",
        help=(
            "most points of accuracy or AP50 that int8 may lose; beyond that nothing is installed (default: "
            "%(default)s)"
        ),
    )
    proof.add_argument(
        "--quantize",
        choices=("int8", "dynamic", "float"),
        default="int8",
        help="for a network that does not survive int8: dynamic stores only the weights as int8, float nothing; "
        "both compute in floating point, on the CPU only, and slower (default: %(default)s)",
    )
    proof.add_argument("--whole-image", action="store_true", help="class folders: use the whole photo, not its face")
    proof.add_argument(
        "--detector",
        default="face-detector",
        metavar="MODEL",
        help="detector that crops the photos of class folders (default: the shipped one)",
    )


def _labels(text: str) -> tuple[str, ...]:
    labels = tuple(label.strip() for label in text.split(","))
    if len(labels) < 2 or not all(labels) or len(set(labels)) != len(labels):
        raise argparse.ArgumentTypeError(
            f"must be a list of different labels such as with_mask,without_mask, not {text!r}"
        )
    return labels


def _input_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)(?:[xX](\d+))?", text)
    sides = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not all(8 <= side <= 4096 for side in sides):
        raise argparse.ArgumentTypeError(f"must be a height and width such as 224x224, not {text!r}")
    return sides


if __name__ == "__main__":
    sys.exit(main())
