"""The result of a check."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Result = Literal["ok", "warn", "FAIL", "skipped"]
Figure = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Row:
    result: Result
    what: str
    """Its name, which stays the same from version to version."""
    detail: str
    problem: str | None = None
    """With a FAIL or a warn: what is wrong and how to fix it, one sentence per line."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """What was measured, for programs."""


def judged(
    what: str,
    detail: str,
    *,
    failures: Sequence[str] = (),
    warnings: Sequence[str] = (),
    figures: Mapping[str, Figure] | None = None,
) -> Row:
    """A row that fails where anything failed, and warns where there is anything else to say."""
    result: Result = "FAIL" if failures else "warn" if warnings else "ok"
    return Row(result, what, detail, "\n".join([*failures, *warnings]) or None, figures or {})


def as_dict(row: Row) -> dict[str, object]:
    """As `maskd check --json` prints it."""
    return {**dataclasses.asdict(row), "figures": dict(row.figures)}


def as_table(rows: Sequence[Row]) -> str:
    """Columns result, what and detail; a problem is printed below its row."""
    width = max(len(row.what) for row in rows)
    lines = [f"{'result':<8} {'what':<{width}} detail"]
    for row in rows:
        lines.append(f"{row.result:<8} {row.what:<{width}} {row.detail}")
        lines += [f"{'':<8} {line}" for line in (row.problem or "").splitlines()]
    counts = {result: sum(row.result == result for row in rows) for result in ("ok", "warn", "FAIL", "skipped")}
    summary = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    return "\n".join([*lines, "", summary])


def megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
