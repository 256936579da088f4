"""What commands set, for tests."""

from __future__ import annotations

from pathlib import Path

from edge.config import Config
from edge.config.overrides import Overrides


def overrides_over(config: Config, folder: Path, path: Path | None = None) -> Overrides:
    """Those in `folder`, over a configuration that was read from `path`."""
    overrides = Overrides(folder, path)
    overrides.read()
    overrides.take(overrides.over(config))
    return overrides
