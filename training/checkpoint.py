"""What an interrupted training resumes from."""

from __future__ import annotations

import json
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
