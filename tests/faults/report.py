"""What the rounds came to, as a table in Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from tests.faults.growth import Growth
from tests.faults.rounds import Result

BEGIN = "<!-- faults: begin (written by python -m tests.faults.run --report) -->"
END = "<!-- faults: end -->"


def table(results: Sequence[Result], *, seed: int, minutes: float, left_out: Sequence[str] = ()) -> str:
    """One row for each fault in the order of their names, and one for all. `left_out`: faults that this machine does
    not allow."""
    names = sorted({result.fault for result in results})
    rounds = len({result.number for result in results})
    failed = len({result.number for result in results if result.problems})
    lines = [
        f"{rounds} rounds with seed {seed}, {failed} of them failed; {minutes:.0f} minutes on "
        f"{datetime.now(timezone.utc):%Y-%m-%d} with maskd {version('maskd')}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores ({platform.machine()}), Linux {platform.release()}."
        + (f" Left out, for want of the right to mount a disk: {', '.join(left_out)}." if left_out else ""),
        *_resent(sum(result.resent for result in results)),
        *_actions(results),
        *_growth([growth for result in results for growth in result.growths]),
        "",
        "| fault | rounds | events | repeats | lost | longest time to quiet |",
        "|---|---:|---:|---:|---:|---:|",
        *(_row(name, [result for result in results if result.fault == name]) for name in names),
        _row("**all**", results),
    ]
    return "\n".join(lines)


def write_between_markers(path: Path, text: str) -> None:
    """Raises ValueError where the file has no place for it."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _growth(growths: Sequence[Growth]) -> list[str]:
    if not growths:
        return []
    return [
        f"Within one start of the daemon, which lived through up to {max(g.rounds for g in growths)} rounds in "
        f"{max(g.over_s for g in growths):.0f} s, memory grew by at most {max(g.rss_mb for g in growths):.1f} MB, "
        f"open files by {max(g.files for g in growths)}, threads by {max(g.threads for g in growths)}."
    ]


def _row(name: str, results: Sequence[Result]) -> str:
    figures = [
        len({result.number for result in results}),
        sum(result.events for result in results),
        sum(result.repeats for result in results),
        sum(result.lost for result in results),
    ]
    longest = max(result.quiet_s for result in results)
    return f"| {name} | {' | '.join(f'{figure:,}' for figure in figures)} | {longest:.1f} s |"


def _resent(count: int) -> list[str]:
    return [f"{count} events were published again on demand, after a broker had lost them."] if count else []


def _actions(results: Sequence[Result]) -> list[str]:
    acted, again = (sum(getattr(result, name) for result in results) for name in ("actions", "actions_again"))
    told = f"A webhook heard of {acted:,} events, of {again:,} more than once and then under the same key."
    return [told] if acted else []
