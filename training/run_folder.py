"""The folder of a training run: claimed before anything is trained, and never written past the end of its disk."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

from edge.errors import MaskdError, UsageError
from training.report import make_folder

MODEL = "model.keras"
_BESIDES = 2_000_000
"""Bytes of a run's figures and pictures, with room to spare."""


def refuse_used(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Raises UsageError where another run has left its model in the folder."""
    if (folder / MODEL).exists() and not (resume or overwrite):
        raise UsageError(
            f"{folder} holds the {MODEL} of another run; choose another --out, or replace it with --overwrite"
        )


def make(folder: Path) -> None:
    """Makes the folder. Raises MaskdError where that cannot be, or where its disk is full."""
    make_folder(folder)
    require_space(folder, _BESIDES)


def require_space(folder: Path, needed: int) -> None:
    """Raises MaskdError where the disk has less than so many bytes left: HDF5, in which Keras writes weights, ends the
    process with a segmentation fault on a disk that is full."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise MaskdError(
            f"the disk of {folder} is full: {free / 1000000.0:.1f} MB are free, but at least "
            f"{needed / 1000000.0:.1f} MB are needed; free some space, or choose another --out"
        )


def save_model(model: Any, folder: Path) -> Path:
    """Writes model.keras and returns its path. Raises MaskdError where the disk is full."""
    require_space(folder, weight_bytes(model) + _BESIDES)
    path = folder / MODEL
    try:
        model.save(path)
    except OSError as error:
        raise MaskdError(f"{path} cannot be written ({error.strerror or error}); choose another --out") from error
    return path


def weight_bytes(model: Any) -> int:
    """Of the model as Keras saves it, with what its optimizer keeps."""
    optimizer = getattr(model, "optimizer", None)  # a model that was never compiled has not even the attribute
    kept = [*model.variables, *(() if optimizer is None else optimizer.variables)]
    return sum(4 * math.prod(variable.shape) for variable in kept)
