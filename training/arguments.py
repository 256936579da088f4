"""Arguments that several commands of `maskd-train` share."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.system.arguments import add_data, existing_file, number, path, whole_number


def add_training(parser: argparse.ArgumentParser, *, epochs: int, batch_size: int, out: str) -> None:
    add_places(parser, data="labelled photos", out=out)
    _add_start(parser)
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


def _add_start(parser: argparse.ArgumentParser) -> None:
    """What a network begins with."""
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


def add_places(parser: argparse.ArgumentParser, *, data: str, out: str) -> None:
    add_data(parser, data)
    parser.add_argument(
        "--out", type=path, default=Path(out), metavar="DIR", help="output folder (default: %(default)s)"
    )
