"""The JSON Schema of config.yaml, and how to find a setting in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from edge.config import Config
from edge.config.yaml_source import Location


@cache
def config_schema() -> dict[str, Any]:
    """JSON Schema of config.yaml, with every setting described; edge.config.editor_schema makes the editors' of it.

    It is made once: not to be changed.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(),
        "title": "config.yaml of maskd",
    }


def all_paths(schema: dict[str, Any]) -> Iterator[str]:
    """Every setting's dotted path; <name> marks a name that the user chooses."""

    def walk(part: dict[str, Any], prefix: str) -> Iterator[str]:
        part = resolved(part, schema)
        for name, child in part.get("properties", {}).items():
            yield prefix + name
            yield from walk(child, f"{prefix}{name}.")
        for child in part.get("patternProperties", {}).values():
            yield from walk(child, f"{prefix}<name>.")

    return walk(schema, "")


def resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follows references, and of `this or null` takes this; keeps the outer description."""
    while True:
        if "$ref" in part:
            inner = schema["$defs"][part["$ref"].rpartition("/")[2]]
        elif "anyOf" in part:
            inner = next(choice for choice in part["anyOf"] if choice.get("type") != "null") | {"nullable": True}
        else:
            return part
        outside = {key: value for key, value in part.items() if key not in {"$ref", "anyOf"}}
        part = inner | outside


def schema_at(location: Location, schema: dict[str, Any]) -> dict[str, Any]:
    """The part of the schema that describes this setting; empty where nothing does."""
    part = resolved(schema, schema)
    for step in location:
        if isinstance(step, int):
            items = part.get("prefixItems")
            part = items[min(step, len(items) - 1)] if items else part.get("items", {})
        elif "patternProperties" in part:
            part = next(iter(part["patternProperties"].values()))
        else:
            part = part.get("properties", {}).get(step, {})
        part = resolved(part, schema)
    return part
