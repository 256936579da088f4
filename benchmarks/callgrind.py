"""Reads what Valgrind's callgrind writes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"\((\d+)\)(?: (.*))?")
"""A name is written out once, and later given by its number."""


@dataclass(frozen=True, slots=True)
class Counts:
    by_library: Counter[str]
    """Instructions by the file name of the library or program."""

    @property
    def total(self) -> int:
        return self.by_library.total()


def read_counts(path: Path) -> Counts:
    """Of one dump; see "Callgrind Format Specification" in Valgrind's manual."""
    by_library: Counter[str] = Counter()
    names: dict[str, str] = {}
    library, is_of_callee = "", False
    with path.open() as lines:
        for line in lines:
            key, is_assignment, value = line.rstrip("\n").partition("=")
            if is_assignment and key in ("ob", "cob"):
                named = _resolved(value, names)
                library = named if key == "ob" else library
            elif is_assignment:
                is_of_callee = is_of_callee or key == "calls"
            elif line[0] in "0123456789+-*":
                # The line after `calls=` repeats what the called function counts for itself.
                if not is_of_callee:
                    by_library[library] += int(line.split()[1])
                is_of_callee = False
    return Counts(by_library)


def _resolved(value: str, names: dict[str, str]) -> str:
    match = _NAME.fullmatch(value)
    if match is None:
        return Path(value).name
    number, name = match.groups()
    return names.setdefault(number, Path(name or number).name)
