"""The `--weights` of the command line."""

from __future__ import annotations

from pathlib import Path

from edge.errors import UsageError


def weights_argument(text: str) -> str | None:
    """`--weights` as the networks take it. Raises UsageError for a file that is not there."""
    if text == "none":
        return None
    if text != "imagenet" and not Path(text).is_file():
        raise UsageError(f"--weights {text}: no such file; give imagenet, none or a file of Keras weights")
    return text
