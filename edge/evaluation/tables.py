"""Tables for people: aligned text for a terminal, Markdown for a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` are cells of text below `header`, equally many in each; the first column is set to the left."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def as_text(self) -> str:
        lines = [*([self.title] if self.title else []), aligned([self.header, *self.rows])]
        return "\n".join([*lines, *([self.note] if self.note else [])])

    def as_markdown(self) -> str:
        """A heading of the third level, the table, and the note below it."""
        rule = ["---", *["--:"] * (len(self.header) - 1)]
        rows = "\n".join("| " + " | ".join(map(_escaped, row)) + " |" for row in (self.header, rule, *self.rows))
        parts = [f"### {self.title}"] if self.title else []
        return "\n\n".join([*parts, rows, *([self.note] if self.note else [])])


def aligned(rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """Rows of equally many cells as lines: the first `words` columns set to the left, those of numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
