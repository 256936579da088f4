"""Puts a finished model in its place: both files or none."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edge.errors import MaskdError
from edge.vision.model import Manifest, write_manifest


def install(content: bytes, manifest: Manifest, folder: Path) -> Path:
    """Writes the .tflite and its manifest into a folder, and returns the path of the .tflite.

    Both are written completely before either takes its place. Raises MaskdError where the folder cannot be written.
    """
    model = folder / manifest.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Inside the folder, since a file moves in one step only within a file system.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".maskd-convert-") as name:
            draft = Path(name) / manifest.file
            draft.write_bytes(content)
            write_manifest(draft.with_suffix(".json"), manifest)
            draft.replace(model)
            draft.with_suffix(".json").replace(model.with_suffix(".json"))
    except OSError as error:
        raise MaskdError(f"cannot write {model} and its manifest ({error.strerror}); choose another --out") from error
    return model
