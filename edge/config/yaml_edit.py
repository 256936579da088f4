"""Sets one value in YAML text by replacing or inserting a single piece of it, so that everything else stays."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import yaml

from edge.config.yaml_source import SyntaxProblem, compose, read_yaml

Value = bool | int | float | str | None
AnyValue = Value | list[Any] | dict[str, Any]

_BARE = "{}"
_STEP = "  "
"""One level of indentation, where a section has none of its own yet."""
LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_SAFE_IN_QUOTES = re.compile(r"[\w.+-]+", re.ASCII)
_PLAIN_WORD = re.compile(r"(?!(?:null|true|false|yes|no|on|off)$)[A-Za-z][\w-]*", re.ASCII | re.IGNORECASE)


class CannotEdit(Exception):  # noqa: N818 - the caller that edits a file makes a sentence of it
    """The value finds no place without changing more than itself."""


def edit_yaml(text: str, location: tuple[str, ...], value: AnyValue) -> str:
    """A text that edge.config.yaml_source reads without problems, with one value set.

    The place comes from PyYAML's marks. The result is read again, and must say what the text said before but for this
    value; otherwise raises CannotEdit: for one if the value is an alias, because its marks are the anchor's.
    """
    before: dict[str, Any] = read_yaml(text).value
    if _is_set(before, location, value):
        return text
    root = compose(text)
    assert isinstance(root, yaml.MappingNode)
    edited = _Edit(text).set(root, location, value)
    try:
        is_faithful = read_yaml(edited).value == _with_value(before, location, value)
    except SyntaxProblem:
        is_faithful = False
    if not is_faithful:
        raise CannotEdit
    return edited


def as_yaml(value: AnyValue) -> str:
    """A value, or a name, on one line."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return value if _PLAIN_WORD.fullmatch(value) else json.dumps(value)
        case list():
            return f"[{', '.join(map(as_yaml, value))}]"
        case dict():
            return f"{{{', '.join(f'{as_yaml(key)}: {as_yaml(each)}' for key, each in value.items())}}}"
    return repr(value)


class _Edit:
    """One replacement in a text that YAML has parsed."""

    def __init__(self, text: str) -> None:
        self._text = text

    def set(self, section: yaml.MappingNode, location: tuple[str, ...], value: AnyValue) -> str:
        key, below = location[0], location[1:]
        for key_node, node in section.value:
            if key_node.value == key:
                return self._set_entry(section, key_node, node, below, value)
        return self._add_entry(section, location, value)

    def _set_entry(
        self, section: yaml.MappingNode, key: yaml.Node, node: yaml.Node, below: tuple[str, ...], value: AnyValue
    ) -> str:
        if below and isinstance(value, list) and _is_bare(node, self._text) and not section.flow_style:
            # `{}` makes room for lines.
            start = node.start_mark.index
            emptied = _Edit(self._text[:start].rstrip(" ") + self._text[start + len(_BARE) :])
            return emptied._insert_lines(key.end_mark.index, _as_lines(below, value, self._indent_of(key) + _STEP))
        if below and isinstance(node, yaml.MappingNode):
            return self.set(node, below, value)
        if isinstance(node, yaml.SequenceNode) and not below:
            return self._replace_list(key, node, value)
        is_null = node.tag == "tag:yaml.org,2002:null"
        if not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">") or (below and not is_null):
            raise CannotEdit
        start, end = node.start_mark.index, node.end_mark.index
        if start == end and below and not section.flow_style:
            # Into the lines below, where commented-out settings may be.
            indent = self._indent_of(key) + _STEP
            return self._insert_lines(end, _as_lines(below, value, indent))
        new = _as_flow(below, value) if below else in_style(value, node.style)
        if start == end:
            has_colon = ":" in self._text[key.end_mark.index : start]
            new = f" {new}" if has_colon else f": {new}"
        return self._text[:start] + new + self._text[end:]

    def _replace_list(self, key: yaml.Node, node: yaml.SequenceNode, value: AnyValue) -> str:
        start, end = key.end_mark.index, _last_of(node)
        if "#" in self._text[start:end]:
            raise CannotEdit  # a comment inside it would go
        if node.flow_style:
            start = node.start_mark.index
            return self._text[:start] + as_yaml(value) + self._text[end:]
        return f"{self._text[:start]}: {as_yaml(value)}{self._text[end:]}"

    def _add_entry(self, section: yaml.MappingNode, location: tuple[str, ...], value: AnyValue) -> str:
        if section.flow_style:
            # `{}` inside out: the braces stay, and so does everything between them.
            if section.value:
                at, separator = end_of(section.value[-1]), ", "
            else:
                at, separator = section.end_mark.index - 1, ""
            return self._text[:at] + separator + _as_flow(location, value)[1:-1] + self._text[at:]
        indent = self._indent_of(section.value[0][0])
        return self._insert_lines(end_of(section.value[-1]), _as_lines(location, value, indent))

    def _indent_of(self, key: yaml.Node) -> str:
        start: int = key.start_mark.index
        indent = self._text[start - key.start_mark.column : start]
        if indent.strip(" "):
            raise CannotEdit  # a key behind `? `, or behind an anchor
        return indent

    def _insert_lines(self, after: int, lines: list[str]) -> str:
        """Below the line of the character before `after`."""
        if after and self._text[after - 1] in "\n\r":
            at = after  # a block of text includes its last line's end
        else:
            match = LINE_END.search(self._text, after)
            at = match.end() if match else len(self._text)
        above = self._text[:at]
        line_ends = LINE_END.findall(above)
        newline = line_ends[-1] if line_ends else "\n"
        inserted = newline.join(lines)
        is_last_line_open = not LINE_END.fullmatch(above[-1:])
        return above + (newline + inserted if is_last_line_open else inserted + newline) + self._text[at:]


def end_of(entry: tuple[yaml.Node, yaml.Node]) -> int:
    """Where an entry's last character of content ends; the mark of a block is that of whatever comes after it."""
    return _last_of(entry[1])


def _last_of(node: yaml.Node) -> int:
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    end: int = node.end_mark.index
    return end


def _is_bare(node: yaml.Node, text: str) -> bool:
    return text[node.start_mark.index : node.end_mark.index] == _BARE


def in_style(value: AnyValue, quote: str | None) -> str:
    """A value that replaces another one, in the quotes that the old value had; null means nothing only without."""
    text = as_yaml(value)
    return f"{quote}{text}{quote}" if quote and value is not None and _SAFE_IN_QUOTES.fullmatch(text) else text


def _as_flow(location: tuple[str, ...], value: AnyValue) -> str:
    text = as_yaml(value)
    for key in reversed(location):
        text = f"{{{as_yaml(key)}: {text}}}"
    return text


def _as_lines(location: tuple[str, ...], value: AnyValue, indent: str) -> list[str]:
    sections = [f"{indent}{_STEP * depth}{as_yaml(key)}:" for depth, key in enumerate(location)]
    return [*sections[:-1], f"{sections[-1]} {as_yaml(value)}"]


def _is_set(values: dict[str, Any], location: tuple[str, ...], value: AnyValue) -> bool:
    section: Any = values
    for key in location[:-1]:
        section = section.get(key) if isinstance(section, dict) else None
    return isinstance(section, dict) and location[-1] in section and section[location[-1]] == _as_read(value)


def _with_value(values: dict[str, Any], location: tuple[str, ...], value: AnyValue) -> dict[str, Any]:
    changed = copy.deepcopy(values)
    section = changed
    for key in location[:-1]:
        if section.get(key) is None:
            section[key] = {}
        section = section[key]
    section[location[-1]] = _as_read(value)
    return changed


def _as_read(value: AnyValue) -> Any:
    """As edge.config.yaml_source reads it, which leaves all scalars text."""
    if isinstance(value, list):
        return [_as_read(each) for each in value]
    return None if value is None else value if isinstance(value, str) else as_yaml(value)
