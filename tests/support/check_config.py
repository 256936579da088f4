"""Configurations for tests of `maskd check`, and what it says of them."""

from __future__ import annotations

from pathlib import Path

import yaml

from edge.checks.row import Row
from edge.commands.check import check


def write_config(folder: Path, **settings: object) -> Path:
    """A configuration that asks nothing of this machine, but for `settings`."""
    quiet = {"cameras": {"off": {"source": "auto", "enabled": False}}, "mqtt": {"enabled": False}}
    storage = {"storage": {"path": str(folder / "storage")}}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"device": "lobby", **quiet, **storage, **settings}, sort_keys=False))
    return path


def rows_of(config: Path) -> dict[str, Row]:
    return {row.what: row for row in check(config)}
