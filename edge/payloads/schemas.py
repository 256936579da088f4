"""Writes the JSON Schemas of what is published: `python -m edge.payloads.schemas docs/schemas`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edge.payloads.action import Action
from edge.payloads.events import event_schema
from edge.payloads.reports import Presence, Status, Totals, Window
from edge.payloads.resend import ResendState
from edge.payloads.setting import Setting

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def published_schemas() -> dict[str, str]:
    """The text of every schema file by its name."""
    schemas = {
        "action-1.json": Action.model_json_schema(mode="serialization"),
        "event-1.json": event_schema(),
        "presence-1.json": Presence.model_json_schema(mode="serialization"),
        "resend-1.json": ResendState.model_json_schema(mode="serialization"),
        "setting-1.json": Setting.model_json_schema(mode="serialization"),
        "status-1.json": Status.model_json_schema(mode="serialization"),
        "totals-1.json": Totals.model_json_schema(mode="serialization"),
        "window-1.json": Window.model_json_schema(mode="serialization"),
    }
    return {name: _as_text(schema) for name, schema in schemas.items()}


def _as_text(schema: dict[str, Any]) -> str:
    return json.dumps({"$schema": DIALECT, **schema}, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        sys.exit("usage: python -m edge.payloads.schemas FOLDER")
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in published_schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
