"""config.schema.json: what an editor accepts is what maskd accepts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from edge.config.editor_schema import editor_schema, editor_schema_text
from edge.config.file import parse_config
from edge.config.yaml_source import read_yaml
from edge.errors import UsageError
from tests.support.places import ROOT

SHIPPED = (ROOT / "config.yaml").read_text(encoding="utf-8")
VALIDATOR = jsonschema.Draft202012Validator(editor_schema())


class EditorLoader(yaml.SafeLoader):
    """YAML 1.2, as editors read it: on, yes and 1:30 are words."""


EditorLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp", ":int"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
EditorLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("true|false|True|False|TRUE|FALSE"), list("tTfF")
)
EditorLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))


def editor_says(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yaml.load(text, EditorLoader))]


def maskd_says(text: str) -> list[str]:
    try:
        parse_config(text, Path("config.yaml"))
    except UsageError as error:
        return [str(error)]
    return []


def test_the_file_is_up_to_date() -> None:
    """If not: maskd config schema > config.schema.json"""
    assert (ROOT / "config.schema.json").read_text(encoding="utf-8") == editor_schema_text()
    jsonschema.Draft202012Validator.check_schema(editor_schema())


def test_the_shipped_file_names_the_schema_next_to_it() -> None:
    assert SHIPPED.startswith("# yaml-language-server: $schema=config.schema.json\n")


def commented_examples() -> Iterator[tuple[str, str]]:
    """The shipped file with one commented example at a time in place: a name for it, and the text."""
    lines = SHIPPED.splitlines()
    for index, line in enumerate(lines):
        if not (match := re.fullmatch(r"(\s*)# ( *)(\w+):(?: .*)?", line)) or match[3] not in known_names():
            continue
        if match[2] and lines[index - 1].lstrip().startswith("# "):
            continue  # part of the section above
        block = [line]
        for following in lines[index + 1 :]:
            if not following.startswith(match[1] + "#  "):
                break
            block.append(following)
        yield match[3], "\n".join(with_example(lines, index, block, match[3]))


def known_names() -> set[str]:
    return {name for part in editor_schema()["$defs"].values() for name in part["properties"]}


def with_example(lines: list[str], index: int, block: list[str], name: str) -> Iterator[str]:
    """The line that sets it goes."""
    indent = block[0].index("#")
    for number, line in enumerate(lines):
        if index <= number < index + len(block):
            bare = line[:indent] + line[indent + 2 :]
            yield bare
        elif not line.startswith(" " * indent + f"{name}:"):
            yield line


EXAMPLES = dict(commented_examples())


def test_the_examples_are_found() -> None:
    assert "tls" in EXAMPLES
    assert "min_version: 1.2" in EXAMPLES["tls"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_commented_example_is_valid_to_both(name: str) -> None:
    text = EXAMPLES[name]
    assert isinstance(read_yaml(text).value, dict)
    assert maskd_says(text) == []
    assert editor_says(text) == []


SOURCES = re.findall(
    r"^    # (\S.*?)\s{4,}", SHIPPED.partition("camera:\n")[2].partition("source: auto")[0], re.MULTILINE
)


@pytest.mark.parametrize("source", SOURCES)
def test_every_commented_source_is_valid_to_both(source: str) -> None:
    text = (
        f"cameras: {{door: {{source: '{source}'}}}}" if ": " in source else f"cameras:\n  door:\n    source: {source}\n"
    )
    text = text.replace("gst: ...", "gst: v4l2src")
    assert maskd_says(text) == []
    assert editor_says(text) == []


@pytest.mark.parametrize(
    "line",
    [
        "mqtt: {port: 1883}",
        'mqtt: {port: "1883"}',
        "mqtt: {port: 0}",
        "mqtt: {port: 1883.5}",
        'mqtt: {port: "80a"}',
        "mqtt: {port: on}",
        "mqtt: {protocol: 5}",
        'mqtt: {protocol: "5"}',
        "mqtt: {protocol: 3.1.1}",
        "mqtt: {protocol: 4}",
        "mqtt: {tls: {min_version: 1.2}}",
        'mqtt: {tls: {min_version: "1.3"}}',
        "mqtt: {tls: {min_version: 1.1}}",
        "mqtt: {tls: }",
        "mqtt: {tls: {}}",
        "mqtt: {username: 1234}",
        "mqtt: {client_id: true}",
        "mqtt: {enabled: on}",
        "mqtt: {enabled: yes}",
        'mqtt: {enabled: "false"}',
        "mqtt: {enabled: 1}",
        "mqtt: {enabled: 2}",
        "mqtt: {enabled: maybe}",
        "mqtt: {commands: off}",
        "mqtt: {commands: null}",
        "mqtt: {event_expiry_s: '60'}",
        "mqtt: {homeassistant: }",
        "mqtt: {prot: 1}",
        "mqtt:",
        "detector:",
        "detector: {min_score: '0.4'}",
        "detector: {min_score: .4}",
        "detector: {min_score: 2}",
        "detector: {kind: yunet}",
        "detector: {kind: other}",
        "detector: 5",
        "compliance: {compliant: [with_mask, 5]}",
        "runtime: {delegate: edgetpu, delegate_options: {device: 0, fast: true}}",
        "cameras: {door: {source: 0}}",
        "cameras: {door: {source: 0, rotate: 90}}",
        "cameras: {door: {source: 0, rotate: '90'}}",
        "cameras: {door: {source: 0, rotate: 45}}",
        "cameras: {door: {source: 0, zones: {a: {corners: [['0', 0], [1, 0.5], [1, 1]]}}}}",
        "cameras: {door: }",
        "cameras: {}",
        "cameras:",
        "device: 12",
        "device: null",
        "device: a b",
        "log_level: debug",
        "log_level: loud",
        "privacy: aggregate",
        "storage: {path: 5}",
        "storage: {keep_days: 1e1}",
    ],
)
def test_an_editor_accepts_what_maskd_accepts_and_nothing_else(line: str) -> None:
    assert (editor_says(line) == []) == (maskd_says(line) == [])


def test_every_section_and_setting_is_described() -> None:
    schema: dict[str, Any] = editor_schema()
    parts = [schema, *schema["$defs"].values()]
    assert [name for part in parts for name, each in part["properties"].items() if not each.get("description")] == []
