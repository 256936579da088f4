"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path

from edge.errors import UsageError


def expanded(name: str | Path) -> Path:
    """The path with a leading `~` replaced by the home folder. Raises UsageError where that user has none."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        user = Path(name).parts[0]
        raise UsageError(f"there is no home folder for {user}; write the absolute path") from None
