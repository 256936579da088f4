"""The config.yaml of the demo: short, and with comments, which whatever is saved from the page leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

COMMENTS = {
    "device": "This device's name in topics and events.",
    "cameras": "One section per camera. The page's Tune view writes its zones and thresholds here.",
    "compliance": "Which statuses comply, and how many votes an event needs.",
    "mqtt": "The broker of the demo.",
    "storage": "Where events wait until the broker has confirmed them.",
    "web": "The page.",
    "rules": "What is done about what is seen.",
    "outputs": "What the rules act through.",
}


def write_config(path: Path, values: Mapping[str, Any]) -> None:
    parts = ["# The configuration of the demo. Change it here or on the page: saving there keeps every comment.\n"]
    for section, value in values.items():
        comment = f"# {COMMENTS[section]}\n" if section in COMMENTS else ""
        parts.append(f"{comment}{yaml.safe_dump({section: value}, sort_keys=False)}")
    path.write_text("\n".join(parts), encoding="utf-8")
