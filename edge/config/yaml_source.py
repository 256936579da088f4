"""YAML text -> plain values, with the place of each in the text.

Plain scalars stay text: `on`, `5`, `1:30` and `3.1.1` mean what the setting that they are given to makes of them, so
none of YAML 1.1's surprises (on is true, 1:30 is 90) reaches a person. Only null becomes None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

MAX_DEPTH = 20
"""Levels of nesting; the deepest setting lies on level 6."""
MAX_VALUES = 10_000
"""Values after aliases are expanded: otherwise a small file can expand to billions."""
MAX_CHARACTERS = 1_000_000

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_TAG + name for name in ("null", "bool", "int", "float", "str", "timestamp", "value", "seq", "map")}

Location = tuple[str | int, ...]
"""Keys and list positions from the top: ("cameras", "door", "zones", "exit", 0)."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in the text; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place; `location` is empty for a problem of the whole file."""

    place: Place
    location: Location
    text: str


class SyntaxProblem(Exception):  # noqa: N818 - it carries a Problem, as its siblings in a Document are
    """The text is not YAML that maskd reads."""

    def __init__(self, text: str, place: Place = Place(1, 1)) -> None:
        super().__init__(text)
        self.place = place


@dataclass(slots=True)
class Document:
    """A parsed file: its values, the place of each value and key, and problems that parsing can survive."""

    value: Any = None
    values: dict[Location, Place] = field(default_factory=dict)
    keys: dict[Location, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place_of(self, location: Location, *, key: bool = False) -> Place:
        """The place of the value (or its key); for a missing one, that of the nearest level above it."""
        if key and location in self.keys:
            return self.keys[location]
        if location in self.values:
            return self.values[location]
        return self.place_of(location[:-1], key=True) if location else Place(1, 1)


def read_yaml(text: str) -> Document:
    """Parses one document. Raises SyntaxProblem, with one sentence and the place."""
    document = Document()
    node = compose(text)
    try:
        if node is not None:
            document.value = _Builder(document).build(node, ())
    except RecursionError as error:
        raise SyntaxProblem(f"is not valid YAML: {error}") from None
    return document


@lru_cache(maxsize=4)  # an edit looks at the text before it and after it several times
def compose(text: str) -> yaml.Node | None:
    """The nodes of one document, to be left as they are; None: it is empty. Raises SyntaxProblem as read_yaml."""
    if len(text) > MAX_CHARACTERS:
        raise SyntaxProblem(f"is longer than {MAX_CHARACTERS:,} characters, too long for a configuration of maskd")
    try:
        loader = _ShallowLoader(text)
        try:
            node: yaml.Node | None = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        raise SyntaxProblem(f"the character U+{ord(text[error.position]):04X} is not allowed in YAML", place) from None
    except yaml.MarkedYAMLError as error:
        if "<stream end>" in (error.problem or "") and loader.opened:
            raise SyntaxProblem("a bracket that opens here is never closed", loader.opened[-1]) from None
        raise _in_words(error) from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise SyntaxProblem(f"is not valid YAML: {error}") from None
    return node


class _ShallowLoader(yaml.SafeLoader):
    """Refuses what nests too deeply, before composing recurses into it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.opened: list[Place] = []

    def get_event(self) -> Any:
        event = super().get_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.CollectionStartEvent):
            self.opened.append(_place(event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            self.opened.pop()
        if len(self.opened) > MAX_DEPTH:
            raise SyntaxProblem(f"is nested more than {MAX_DEPTH} levels deep; no setting is", self.opened[-1])
        return event


class _Builder:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0

    def build(self, node: yaml.Node, location: Location) -> Any:
        self._count += 1
        # The depth counts again here, since an alias may contain itself.
        if self._count > MAX_VALUES or len(location) > MAX_DEPTH:
            raise SyntaxProblem(
                f"its aliases (*name) expand to more than {MAX_VALUES:,} values or {MAX_DEPTH} levels; write the "
                "settings out instead"
            )
        self._document.values[location] = _place(node.start_mark)
        if node.tag not in _PLAIN_TAGS:
            self._report(node, location, f"the tag {node.tag.replace(_TAG, '!!')} has no meaning here; remove it")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*location, i)) for i, child in enumerate(node.value)]
        return None if node.tag == _TAG + "null" else node.value

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str):
                self._report(key_node, location, "a list or section cannot be the name of a setting")
                continue
            here = (*location, key)
            if key_node.tag == _TAG + "merge":
                self._report(key_node, location, "merging with << is not supported; write the settings out instead")
            elif key in values:
                first = self._document.keys[here].line
                text = f"appears twice, first on line {first}; remove one of the two"
                self._report(key_node, here, text)
            else:
                self._document.keys[here] = _place(key_node.start_mark)
                values[key] = self.build(value_node, here)
        return values

    def _report(self, node: yaml.Node, location: Location, text: str) -> None:
        self._document.problems.append(Problem(_place(node.start_mark), location, text))


def _place(mark: Any) -> Place:
    """`mark` is PyYAML's, of its Python or its C reader, or None."""
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


def _in_words(error: yaml.MarkedYAMLError) -> SyntaxProblem:
    problem, context = error.problem or "it cannot be parsed", error.context or ""
    here, began = _place(error.problem_mark or error.context_mark), _place(error.context_mark or error.problem_mark)
    if "\\t" in problem:
        return SyntaxProblem("there is a tab where YAML allows only spaces; replace it with spaces", here)
    if "mapping values are not allowed" in problem:
        text = (
            "there is a colon where no value can begin; check this line and the one before, or quote a text with ': '"
        )
        return SyntaxProblem(text, here)
    if "expected a single document" in context:
        return SyntaxProblem("a second YAML document begins here (---); a configuration is one document", here)
    if "could not find expected ':'" in problem:
        return SyntaxProblem("a name has no colon and space after it", began)
    if "end of stream" in problem:
        return SyntaxProblem("a quote that opens here is never closed", began)
    while_doing = f" {context}" if context else ""
    return SyntaxProblem(f"is not valid YAML{while_doing}: {problem}; check indentation, quotes and brackets", here)
