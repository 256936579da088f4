"""The JSON Schema with which an editor completes and checks config.yaml.

An editor reads `5`, `1.2` and `on` as YAML does, a number, a number and a word; maskd takes each as text and lets the
setting decide. So what the schema accepts is widened here to what maskd accepts.
"""

from __future__ import annotations

import json
from typing import Any

from edge.config.schema import config_schema

_WHOLE = r"^\s*[+-]?[0-9]+(\.0*)?\s*$"
_NUMBER = r"^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
_TRUTH = r"^([tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[yY]([eE][sS])?|[nN][oO]?|[oO]([nN]|[fF][fF])|[tTfF01])$"
_SCALARS = ["string", "number", "boolean"]


def editor_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    schema = config_schema()
    widened: dict[str, Any] = _widened(schema)
    return widened


def editor_schema_text() -> str:
    """As `maskd config schema` prints it and config.schema.json holds it."""
    return json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n"


def _widened(part: Any) -> Any:
    if isinstance(part, list):
        return [_widened(each) for each in part]
    if not isinstance(part, dict):
        return part
    part = {key: value if key in ("default", "enum") else _widened(value) for key, value in part.items()}
    if "$ref" in part:
        return _or_empty(part)
    if "enum" in part:
        return _without(part, "type") | {"enum": _spellings(part["enum"])}
    match part.get("type"):
        case "integer":
            return _or_text(part, _WHOLE)
        case "number":
            return _or_text(part, _NUMBER)
        case "boolean":
            return _without(part, "type") | {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, _text(_TRUTH)]}
        case "string":
            return part | {"type": _SCALARS}
        case [*types] if "string" in types:
            return part | {"type": list(dict.fromkeys([*_SCALARS, *types]))}
    return part


def _or_text(part: dict[str, Any], pattern: str) -> dict[str, Any]:
    """A number, or the same in quotes."""
    about: dict[str, Any] = {key: part[key] for key in ("title", "description", "default") if key in part}
    number = {key: value for key, value in part.items() if key not in about}
    return {"anyOf": [number, _text(pattern)], **about}


def _or_empty(part: dict[str, Any]) -> dict[str, Any]:
    """A section below which every line is commented out is null, and means its defaults."""
    if "default" not in part:
        return part
    return {"anyOf": [{"$ref": part["$ref"]}, {"type": "null"}], **_without(part, "$ref")}


def _spellings(choices: list[Any]) -> list[Any]:
    """Each choice as text and, where it is one, as a number."""
    spelled: list[Any] = []
    for choice in choices:
        others: list[Any] = [str(choice)]
        if isinstance(choice, str):
            try:
                number = float(choice)
            except ValueError:
                others = []
            else:
                others = [int(number) if number.is_integer() else number]
        spelled += [each for each in (choice, *others) if each not in spelled]
    return spelled


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


def _without(part: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != key}
