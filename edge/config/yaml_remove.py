"""Takes one entry out of YAML text, or gives it another name, so that everything else stays."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import yaml

from edge.config.yaml_edit import LINE_END, CannotEdit, end_of, in_style
from edge.config.yaml_source import SyntaxProblem, compose, read_yaml

Entry = tuple[yaml.Node, yaml.Node]


def remove_from_yaml(text: str, location: tuple[str, ...]) -> str:
    """Without the entry, the lines that it has and the comments on them; comments above and below stay. A section that
    was left without entries is `{}`. Raises CannotEdit, also where there is no such entry."""
    section = _section_at(text, location[:-1])
    index = _index_of(section, location[-1])
    if section.flow_style:
        edited = _without_flow_entry(text, section.value, index)
    elif len(section.value) > 1:
        edited = _without_lines(text, section.value[index])
    else:
        edited = _emptied(text, location[:-1], section.value[0])
    expected = copy.deepcopy(read_yaml(text).value)
    del _values_at(expected, location[:-1])[location[-1]]
    return _checked(edited, expected)


def rename_in_yaml(text: str, location: tuple[str, ...], name: str) -> str:
    """With another name for the entry. Raises CannotEdit, also where there is no such entry, or one of that name."""
    section = _section_at(text, location[:-1])
    key = section.value[_index_of(section, location[-1])][0]
    expected = copy.deepcopy(read_yaml(text).value)
    values = _values_at(expected, location[:-1])
    if name in values:
        raise CannotEdit
    values[name] = values.pop(location[-1])
    return _checked(text[: key.start_mark.index] + in_style(name, key.style) + text[key.end_mark.index :], expected)


def _section_at(text: str, location: Sequence[str]) -> yaml.MappingNode:
    node = compose(text)
    for key in location:
        node = next((value for name, value in _entries(node) if name.value == key), None)
    if not isinstance(node, yaml.MappingNode):
        raise CannotEdit
    return node


def _entries(node: yaml.Node | None) -> list[Entry]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _index_of(section: yaml.MappingNode, key: str) -> int:
    found = next((index for index, (name, _) in enumerate(section.value) if name.value == key), None)
    if found is None:
        raise CannotEdit
    return found


def _values_at(values: Any, location: Sequence[str]) -> dict[str, Any]:
    for key in location:
        values = values[key]
    assert isinstance(values, dict)
    return values


def _without_flow_entry(text: str, entries: Sequence[Entry], index: int) -> str:
    start, end = entries[index][0].start_mark.index, end_of(entries[index])
    if index + 1 < len(entries):
        end = entries[index + 1][0].start_mark.index
    elif index:
        start = end_of(entries[index - 1])
    if "#" in text[start:end]:
        raise CannotEdit
    return text[:start] + text[end:]


def _without_lines(text: str, entry: Entry) -> str:
    start, end = _lines_of(text, entry)
    return text[:start] + text[end:]


def _lines_of(text: str, entry: Entry) -> tuple[int, int]:
    """From the start of the key's line to that of the line after the entry."""
    key = entry[0].start_mark
    start = key.index - key.column
    if text[start : key.index].strip(" "):
        raise CannotEdit  # a key behind `? `, or behind an anchor
    end = end_of(entry)
    if end and text[end - 1] in "\n\r":
        return start, end  # a block of text includes its last line's end
    match = LINE_END.search(text, end)
    return start, match.end() if match else len(text)


def _emptied(text: str, location: Sequence[str], entry: Entry) -> str:
    """The section at `location`, which has this entry alone, without it."""
    if not location:
        raise CannotEdit
    above = _section_at(text, location[:-1])
    key = above.value[_index_of(above, location[-1])][0]
    start, end = _lines_of(text, entry)
    colon = text.find(":", key.end_mark.index, start)
    if colon < 0:
        raise CannotEdit
    return text[: colon + 1] + " {}" + text[colon + 1 : start] + text[end:]


def _checked(edited: str, expected: Any) -> str:
    try:
        is_faithful = read_yaml(edited).value == expected
    except SyntaxProblem:
        is_faithful = False
    if not is_faithful:
        raise CannotEdit
    return edited
