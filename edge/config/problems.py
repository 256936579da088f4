"""The errors of a configuration, in words that let a person fix them at once."""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from edge.camera.source_masking import mask_source
from edge.config import NAME_PATTERN, TOPIC_PREFIX_PATTERN
from edge.config.day_span import DAY_SPAN_PATTERN
from edge.config.schema import all_paths, config_schema, resolved, schema_at
from edge.config.web import BASE_PATH_PATTERN, HOST_NAME_PATTERN
from edge.config.yaml_source import Document, Location, Problem
from edge.errors import UsageError
from edge.system.harmless_words import MASK
from edge.system.masking import mask_line, mask_url

_LONGEST_LINE = 160
"""Characters of a line that a report shows."""


def report(path: Path, text: str, problems: list[Problem]) -> UsageError:
    """Every problem of the file `path`, whose content is `text`, with line, column and the line itself."""
    lines = text.splitlines()
    return UsageError("\n".join(_entry(path, lines, problem) for problem in sorted(problems, key=lambda p: p.place)))


def _entry(path: Path, lines: list[str], problem: Problem) -> str:
    line, column = problem.place.line, problem.place.column
    key = mask_url(f"{dotted(problem.location)}: ") if problem.location else ""
    source = lines[line - 1] if line <= len(lines) else ""
    if len(source) > _LONGEST_LINE:
        start = max(0, column - _LONGEST_LINE // 2)
        source, column = source[start : start + _LONGEST_LINE], column - start
    source = "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in source)
    # The caret must stay under its character where masking shortens the line, and under wide characters and tabs.
    before = _shown(source[: column - 1])
    pad = "".join("\t" if c == "\t" else "  " if unicodedata.east_asian_width(c) in "WF" else " " for c in before)
    return f"{path}:{line}:{problem.place.column}: {key}{problem.text}\n    {_shown(source)}\n    {pad}^"


_ASSIGNMENT = re.compile(r"""([\w.-]{1,60}["']?\s{0,9}:\s{1,9})(?![\[{#&*|>\s])([^,}]{1,200})""")
_PLAIN_VALUE = re.compile(
    r"""["']?(?:-?\d{0,4}(?:\.\d{0,4})?|true|false|on|off|yes|no|null|~)["']?\s*(?:#.*)?""", re.IGNORECASE
)


_SECRET_UNLESS = {"password_file": "/", "secret_file": "/", "url_file": "/", "url": "://"}
"""A value without this is neither a path nor an address, and may be the secret itself."""


def _shown(line: str) -> str:
    """A line of the file, without secrets: under an unknown name, such as `pasword`, there may be one."""

    def shown(found: re.Match[str]) -> str:
        name = re.split(r"[^\w.-]", found[1])[0]
        # One that is as good as right, such as devise, is shown with its value.
        meant = next(iter(difflib.get_close_matches(name, _setting_names(), n=1, cutoff=0.8)), None)
        is_known = meant is not None and not (meant in _SECRET_UNLESS and _SECRET_UNLESS[meant] not in found[2])
        return found[0] if is_known or _PLAIN_VALUE.fullmatch(found[2]) else f"{found[1]}{MASK}"

    return mask_line(_ASSIGNMENT.sub(shown, line))


@cache
def _setting_names() -> frozenset[str]:
    return frozenset(path.rpartition(".")[2] for path in all_paths(config_schema()))


def dotted(location: Location) -> str:
    """Such as `cameras.door.zones.exit[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def explain(details: ErrorDetails, document: Document, schema: dict[str, Any]) -> Problem:
    """What pydantic found, in words; `schema` is the one of config.yaml."""
    location: Location = details["loc"]
    context = details.get("ctx", {})
    value = details["input"]
    match details["type"]:
        case "extra_forbidden":
            return Problem(document.place_of(location, key=True), location, _unknown_key(location, schema))
        case "missing":
            text = f"is missing; add a line `{location[-1]}: ...`{_about(location, schema)}"
            return Problem(document.place_of(location[:-1], key=True), location, text)
        case "sentence":
            return Problem(document.place_of(location), location, context["problem"])
        case "contradiction":
            location = (*location, *context["key"].split("."))
            return Problem(document.place_of(location), location, context["problem"])
    if location and location[-1] == "[key]":
        location = location[:-1]
        text = f"{_quoted(location[-1])} is not a valid name; it must be {_PATTERN_WORDS[NAME_PATTERN]}"
        return Problem(document.place_of(location, key=True), location, text)
    part = schema_at(location, schema)
    if part.get("pattern") == TOPIC_PREFIX_PATTERN and (levels := _levels_alone(value)):
        text = f"{_quoted(value)} has one / too many, which would create an empty level; write {levels}"
        return Problem(document.place_of(location), location, text)
    text = f"{_what_it_is(value)}; it must be {expected(part, schema)}"
    choices = [str(choice) for choice in part.get("enum", [])]
    if isinstance(value, str) and (nearest := _nearest(value, choices)):
        return Problem(document.place_of(location), location, f'{text}; did you mean "{nearest}"?')
    return Problem(document.place_of(location), location, text + _about(location, schema))


def _levels_alone(prefix: object) -> str | None:
    """A topic's prefix without the slashes that make empty levels; None: that is not what is wrong with it."""
    levels = "/".join(level for level in str(prefix).split("/") if level)
    return levels if levels != prefix and re.fullmatch(TOPIC_PREFIX_PATTERN, levels) else None


def _what_it_is(value: object) -> str:
    match value:
        case None:
            return "has no value"
        case dict():
            return "is a section" if value else "is an empty section"
        case list():
            return f"is a list of {len(value)}" if value else "is an empty list"
    return f"{_quoted(value)} is not valid"


def _quoted(value: object) -> str:
    text = mask_source(str(value))
    return f'"{text[:57]}..."' if len(text) > 60 else f'"{text}"'


def _unknown_key(location: Location, schema: dict[str, Any]) -> str:
    key = str(location[-1])
    names = list(schema_at(location[:-1], schema).get("properties", {}))
    if nearest := _nearest(key, names):
        return f'there is no such setting; did you mean "{nearest}"?'
    elsewhere = [path for path in all_paths(schema) if path.rpartition(".")[2] == key]
    if elsewhere:
        return f'there is no such setting here; did you mean "{elsewhere[0]}"?'
    return f"there is no such setting; valid here: {', '.join(names)}"


def _nearest(word: str, words: list[str]) -> str | None:
    def plain(text: str) -> str:
        return text.lower().replace("-", "_").replace(" ", "_")

    by_plain = {plain(candidate): candidate for candidate in words}
    matches = difflib.get_close_matches(plain(word), by_plain, n=1)
    return by_plain[matches[0]] if matches else None


_PATTERN_WORDS = {
    NAME_PATTERN: "1 to 64 letters A-Z, digits, - and _, beginning with a letter or digit",
    TOPIC_PREFIX_PATTERN: (
        "one or more levels with a single / between them, without spaces, + or #, not beginning with $"
    ),
    HOST_NAME_PATTERN: "a host name without a port, such as cams.example.org",
    BASE_PATH_PATTERN: "a path such as /maskd, without a / at its end, or empty",
    DAY_SPAN_PATTERN: "a part of the day, such as 22:00-06:00, in quotation marks",
}


def expected(part: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a setting accepts, in words."""
    words = _expected_type(part, schema)
    return f"{words}, or null" if part.get("nullable") or "null" in part.get("type", ()) else words


def _expected_type(part: dict[str, Any], schema: dict[str, Any]) -> str:
    if "enum" in part:
        return "one of " + ", ".join(dict.fromkeys(str(choice) for choice in part["enum"]))
    if "pattern" in part:
        return _PATTERN_WORDS[part["pattern"]]
    match part.get("type"):
        case "integer":
            return "a whole number" + _range(part)
        case "number":
            return "a number" + _range(part)
        case "boolean":
            return "true or false"
        case "array" if "prefixItems" in part:
            return f"a list of {len(part['prefixItems'])} numbers, such as [0.25, 0.5]"
        case "array":
            least = f"at least {part['minItems']}: " if "minItems" in part else ""
            return f"a list of {least}{expected(resolved(part['items'], schema), schema)}"
        case "object" if "patternProperties" in part:
            return "a section with at least one name and its settings below it"
        case "object" if "properties" not in part:
            return "a section with `name: value` lines"
        case "object":
            return f"a section with these settings: {', '.join(part['properties'])}"
    return "text that is not empty"


def _range(part: dict[str, Any]) -> str:
    def limit(name: str) -> str | None:
        value = part.get(name)
        return str(int(value) if value == int(value) else value) if value is not None else None

    least, above, most = limit("minimum"), limit("exclusiveMinimum"), limit("maximum")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    limits = [f"{word} {value}" for word, value in (("at least", least), ("above", above), ("at most", most)) if value]
    return f" {' and '.join(limits)}" if limits else ""


def _about(location: Location, schema: dict[str, Any]) -> str:
    description = schema_at(location, schema).get("description", "")
    return f" ({description.removesuffix('.')})" if description else ""
