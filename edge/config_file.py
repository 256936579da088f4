"""config.yaml -> Config, and what is wrong with it, said so that a person can mend it at once."""

from __future__ import annotations

import difflib
import logging
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from edge.config import NAME_PATTERN, TOPIC_PREFIX_PATTERN, Config
from edge.errors import UsageError
from edge.masking import mask_line, mask_url
from edge.yaml_source import Document, Location, Problem, SyntaxProblem, read_yaml

__all__ = [
    "SEARCH_PATHS",
    "config_from_values",
    "config_schema",
    "decode_config",
    "find_config",
    "load_config",
    "mask_url",
    "parse_config",
    "read_config",
    "show_config",
]

SEARCH_PATHS = (Path("config.yaml"), Path("/etc/maskd/config.yaml"))

_FILES_TO_READ: tuple[Location, ...] = (
    ("mqtt", "username_file"),
    ("mqtt", "password_file"),
    ("mqtt", "tls", "ca_file"),
    ("mqtt", "tls", "cert_file"),
    ("mqtt", "tls", "key_file"),
)

_LONGEST_LINE = 160
"""Characters of a line that a report shows."""

_log = logging.getLogger(__name__)


def load_config(path: Path | None) -> Config:
    """Reads and checks a configuration; None: the first of SEARCH_PATHS that exists, or else the defaults.

    Raises UsageError, whose text lists every problem with file, line, column and the line itself.
    """
    path = path or find_config()
    if path is None:
        places = " or ".join(str(candidate) for candidate in SEARCH_PATHS)
        _log.info("no configuration at %s: every setting has its default", places)
        return Config()
    config = parse_config(decode_config(read_config(path), path), path)
    _log.info("configuration: %s", path)
    return config


def parse_config(text: str, path: Path) -> Config:
    """The configuration that `text` stands for; `path` is named where something is wrong with it.

    Raises UsageError, whose text lists every problem with file, line, column and the line itself.
    """
    try:
        document = read_yaml(text)
    except SyntaxProblem as error:
        raise _report(path, text, [Problem(error.place, (), str(error))]) from None
    if document.value is None:
        raise UsageError(
            f"{path} is empty; copy the commented config.yaml there, or remove the file to use the defaults"
        )
    if not isinstance(document.value, dict):
        problem = Problem(
            document.place_of(()), (), "the file must consist of `name: value` lines, such as `device: lobby`"
        )
        raise _report(path, text, [problem])
    config, problems = _validate(document)
    if problems or config is None:
        raise _report(path, text, problems)
    return config


def config_from_values(values: dict[str, Any]) -> Config:
    """The configuration of values that come from no file, such as `Config.model_dump()` with a value changed.

    Raises UsageError with the first problem, in one sentence.
    """
    config, problems = _validate(Document(value=values))
    if problems or config is None:
        raise UsageError(f"{_dotted(problems[0].location)}: {problems[0].text}")
    return config


def find_config() -> Path | None:
    """The first of SEARCH_PATHS that exists; None: there is none, and every setting has its default."""
    return next((candidate for candidate in SEARCH_PATHS if candidate.exists()), None)


def config_schema() -> dict[str, Any]:
    """JSON Schema of config.yaml, with every setting described: editors complete and check with it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(),
        "title": "config.yaml of maskd",
    }


def show_config(config: Config) -> str:
    """The configuration in effect, as YAML; passwords in addresses are masked."""
    return yaml.safe_dump(
        _masked(config.model_dump(mode="json")), sort_keys=False, allow_unicode=True, default_flow_style=False
    )


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_masked(child) for child in value]
    return mask_url(value) if isinstance(value, str) else value


def read_config(path: Path) -> bytes:
    """The file's content. Raises UsageError where it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no configuration file {path}; check the path given with -c") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; give the configuration file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the configuration file {path} cannot be read: {reason}") from None


def decode_config(data: bytes, path: Path) -> str:
    """The file's text, without a byte-order mark. Raises UsageError where it is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: the file is not UTF-8 text; save it with the encoding UTF-8") from None


def _validate(document: Document) -> tuple[Config | None, list[Problem]]:
    problems = [*document.problems, *_unreadable_files(document)]
    config: Config | None = None
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        schema = config_schema()
        problems += [_explain(details, document, schema) for details in error.errors(include_url=False)]
    else:
        problems += _shared_devices(config, document)
    return config, problems


def _report(path: Path, text: str, problems: list[Problem]) -> UsageError:
    lines = text.splitlines()
    return UsageError("\n".join(_entry(path, lines, problem) for problem in sorted(problems, key=lambda p: p.place)))


def _entry(path: Path, lines: list[str], problem: Problem) -> str:
    line, column = problem.place.line, problem.place.column
    key = f"{_dotted(problem.location)}: " if problem.location else ""
    source = lines[line - 1] if line <= len(lines) else ""
    if len(source) > _LONGEST_LINE:
        start = max(0, column - _LONGEST_LINE // 2)
        source, column = source[start : start + _LONGEST_LINE], column - start
    source = "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in source)
    # The caret must stay under its character where masking shortens the line, and under wide characters and tabs.
    before = mask_line(source[: column - 1])
    pad = "".join("\t" if c == "\t" else "  " if unicodedata.east_asian_width(c) in "WF" else " " for c in before)
    return f"{path}:{line}:{problem.place.column}: {key}{problem.text}\n    {mask_line(source)}\n    {pad}^"


def _dotted(location: Location) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _explain(details: ErrorDetails, document: Document, schema: dict[str, Any]) -> Problem:
    location: Location = details["loc"]
    context = details.get("ctx", {})
    value = details["input"]
    match details["type"]:
        case "extra_forbidden":
            return Problem(document.place_of(location, key=True), location, _unknown_key(location, schema))
        case "missing":
            text = f"is missing; add a line `{location[-1]}: ...`{_about(location, schema)}"
            return Problem(document.place_of(location[:-1], key=True), location, text)
        case "zone":
            return Problem(document.place_of(location), location, context["problem"])
        case "contradiction":
            location = (*location, context["key"])
            return Problem(document.place_of(location), location, context["problem"])
    if location and location[-1] == "[key]":
        location = location[:-1]
        text = f"{_quoted(location[-1])} is not a valid name; it must be {_PATTERN_WORDS[NAME_PATTERN]}"
        return Problem(document.place_of(location, key=True), location, text)
    part = _schema_at(location, schema)
    text = f"{_what_it_is(value)}; it must be {_expected(part, schema)}"
    choices = [str(choice) for choice in part.get("enum", [])]
    if isinstance(value, str) and (nearest := _nearest(value, choices)):
        return Problem(document.place_of(location), location, f'{text}; did you mean "{nearest}"?')
    return Problem(document.place_of(location), location, text + _about(location, schema))


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
    text = mask_url(str(value))
    return f'"{text[:57]}..."' if len(text) > 60 else f'"{text}"'


def _unknown_key(location: Location, schema: dict[str, Any]) -> str:
    key = str(location[-1])
    names = list(_schema_at(location[:-1], schema).get("properties", {}))
    if nearest := _nearest(key, names):
        return f'there is no such setting; did you mean "{nearest}"?'
    elsewhere = [path for path in _all_paths(schema) if path.rpartition(".")[2] == key]
    if elsewhere:
        return f'there is no such setting here; did you mean "{elsewhere[0]}"?'
    return f"there is no such setting; valid here: {', '.join(names)}"


def _nearest(word: str, words: list[str]) -> str | None:
    def plain(text: str) -> str:
        return text.lower().replace("-", "_").replace(" ", "_")

    by_plain = {plain(candidate): candidate for candidate in words}
    matches = difflib.get_close_matches(plain(word), by_plain, n=1)
    return by_plain[matches[0]] if matches else None


def _all_paths(schema: dict[str, Any]) -> Iterator[str]:
    """Every setting's dotted path; <name> stands where a person chooses the name."""

    def walk(part: dict[str, Any], prefix: str) -> Iterator[str]:
        part = _resolved(part, schema)
        for name, child in part.get("properties", {}).items():
            yield prefix + name
            yield from walk(child, f"{prefix}{name}.")
        for child in part.get("patternProperties", {}).values():
            yield from walk(child, f"{prefix}<name>.")

    return walk(schema, "")


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follows references, and of `this or null` takes this; keeps the outer description."""
    while True:
        if "$ref" in part:
            inner = schema["$defs"][part["$ref"].rpartition("/")[2]]
        elif "allOf" in part:  # pydantic before 2.9 wraps a reference so where it has a default or a description
            inner = part["allOf"][0]
        elif "anyOf" in part:
            inner = next(choice for choice in part["anyOf"] if choice.get("type") != "null") | {"nullable": True}
        else:
            return part
        outside = {key: value for key, value in part.items() if key not in {"$ref", "allOf", "anyOf"}}
        part = inner | outside


def _schema_at(location: Location, schema: dict[str, Any]) -> dict[str, Any]:
    """The part of the schema that describes this setting; empty where nothing does."""
    part = _resolved(schema, schema)
    for step in location:
        if isinstance(step, int):
            items = part.get("prefixItems")
            part = items[min(step, len(items) - 1)] if items else part.get("items", {})
        elif "patternProperties" in part:
            part = next(iter(part["patternProperties"].values()))
        else:
            part = part.get("properties", {}).get(step, {})
        part = _resolved(part, schema)
    return part


_PATTERN_WORDS = {
    NAME_PATTERN: "1 to 64 letters A-Z, digits, - and _, beginning with a letter or digit",
    TOPIC_PREFIX_PATTERN: "text without spaces, + and #, not beginning with / or $",
}


def _expected(part: dict[str, Any], schema: dict[str, Any]) -> str:
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
            return f"a list of {least}{_expected(_resolved(part['items'], schema), schema)}"
        case "object" if "patternProperties" in part:
            return "a section with at least one name and its settings below it"
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
    description = _schema_at(location, schema).get("description", "")
    return f" ({description.removesuffix('.')})" if description else ""


def _unreadable_files(document: Document) -> Iterator[Problem]:
    """Files that must exist before anything starts; whether their content is right shows when they are used."""
    for location in _FILES_TO_READ:
        value = document.value
        for step in location:
            value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, str):
            continue
        problem = _why_unreadable(value)
        if problem:
            yield Problem(document.place_of(location), location, problem)


def _why_unreadable(name: str) -> str | None:
    try:
        path = Path(name)
        if path.is_dir():
            return f"{name or '.'} is a folder; give a file"
        if not path.exists():
            return f"there is no file {name}; create it, or correct the path"
        return None if os.access(path, os.R_OK) else f"{name} cannot be read; give this user the right to read it"
    except (OSError, ValueError):
        return "is not a path of a file"


def _shared_devices(config: Config, document: Document) -> Iterator[Problem]:
    """A V4L2 device serves one reader, so two cameras on one would take turns failing."""
    owners: dict[str, str] = {}
    for name, camera in config.cameras.items():
        device = f"/dev/video{camera.source}" if camera.source.isdigit() else camera.source
        if not camera.enabled or not (device == "auto" or device.startswith("/dev/")):
            continue
        owner = owners.setdefault(device, name)
        if owner != name:
            location = ("cameras", name, "source")
            text = f'the camera "{owner}" uses {device} already, and only one can; give each camera its own device'
            yield Problem(document.place_of(location), location, text)
