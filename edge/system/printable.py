"""Names of files, which may hold any bytes, as text that a terminal and a log can carry."""

from __future__ import annotations

from pathlib import Path


def one_line(text: str | Path) -> str:
    """The text with everything that does not print, line breaks included, escaped: `\\n`, `\\x1b`, and `\\udcff` for
    a byte of FF that is not UTF-8."""
    return _printable(str(text), kept="")


def lines(text: str) -> str:
    """The same for text of several lines: line breaks and tabs stay."""
    return _printable(text, kept="\n\t")


def _printable(text: str, kept: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
