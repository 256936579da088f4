"""What an interrupted training resumes from."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from edge.errors import MaskdError
from training.run_folder import require_space, weight_bytes


class Checkpoint(keras.callbacks.BackupAndRestore):  # type: ignore[misc]  # keras ships no types
    """After every epoch writes the weights and notes the figures; a training that begins goes on from what is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), delete_checkpoint=False)
        self.folder = folder

    def on_train_begin(self, logs: Any = None) -> None:
        """Raises MaskdError for a checkpoint of other settings."""
        try:
            with warnings.catch_warnings():
                # Keras warns of single layers, before it refuses the file as a whole.
                warnings.simplefilter("ignore")
                super().on_train_begin(logs)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise MaskdError(
                f"the checkpoint {self.folder} belongs to another training ({reason}); use the settings it was made "
                "with, or train without --resume"
            ) from error

    def _save_model(self) -> None:
        """Raises MaskdError where the disk is full."""
        # The one before stays until the new one is whole.
        require_space(self.folder, 2 * weight_bytes(self.model) + 1_000_000)
        super()._save_model()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        keep_figures(self.folder, epoch, logs or {})
        super().on_epoch_end(epoch, logs)


def prepare(folder: Path, *, resume: bool) -> int:
    """Makes the folder, emptied unless resuming, and returns how many epochs the checkpoint in it has behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not resume:
        for stale in folder.iterdir():
            stale.unlink()
    # Keras' BackupAndRestore writes it.
    metadata = folder / "training_metadata.json"
    return int(json.loads(metadata.read_text(encoding="utf-8"))["epoch"]) if metadata.is_file() else 0


def keep_figures(folder: Path, epoch: int, figures: Mapping[str, float]) -> None:
    """Writes an epoch's figures next to its checkpoint, so that they outlive an interruption; `epoch` counts from 0."""
    row = {"epoch": epoch, "figures": {name: float(value) for name, value in figures.items()}}
    with _figures_file(folder).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def kept_figures(folder: Path) -> dict[str, list[float]]:
    """By name, the figures of every epoch in their order, those before an interruption included."""
    rows = [json.loads(line) for line in _figures_file(folder).read_text(encoding="utf-8").splitlines()]
    # An epoch that was interrupted before its checkpoint was written comes twice.
    by_epoch = {row["epoch"]: row["figures"] for row in rows}
    history: dict[str, list[float]] = {}
    for _, figures in sorted(by_epoch.items()):
        for name, value in figures.items():
            history.setdefault(name, []).append(value)
    return history


def _figures_file(folder: Path) -> Path:
    return folder / "figures.jsonl"
