"""What an interrupted training resumes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


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
    """Notes an epoch's figures beside its checkpoint, so that they outlive an interruption; `epoch` counts from 0."""
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
