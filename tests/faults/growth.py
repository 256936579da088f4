"""Whether the daemon's memory, open files and threads come back to where they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

RSS_GROWTH_MB = 15.0
FILES_GROWTH = 5
THREADS_GROWTH = 2
WARM_UP_S = 8.0
"""After the daemon's start, until it uses what it always uses."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the daemon's process uses."""

    start: int
    """The number of the daemon's start: figures of one start can be compared."""
    age_s: float
    rss_mb: float
    files: int
    threads: int


@dataclass(frozen=True, slots=True)
class Growth:
    """From the first look at one start of the daemon to the last."""

    over_s: float
    rounds: int
    rss_mb: float
    files: int
    threads: int


def growth(samples: Iterable[Usage]) -> list[Growth]:
    """Of each start of the daemon that was looked at more than once."""
    by_start: dict[int, list[Usage]] = defaultdict(list)
    for sample in samples:
        if sample.age_s >= WARM_UP_S:
            by_start[sample.start].append(sample)
    return [
        Growth(
            over_s=usages[-1].age_s - usages[0].age_s,
            rounds=len(usages),
            rss_mb=usages[-1].rss_mb - usages[0].rss_mb,
            files=usages[-1].files - usages[0].files,
            threads=usages[-1].threads - usages[0].threads,
        )
        for usages in by_start.values()
        if len(usages) > 1
    ]


def check_growth(growths: Iterable[Growth]) -> list[str]:
    """Memory, open files and threads come back to where they were."""
    problems = []
    for grown in growths:
        limits = (
            ("memory", grown.rss_mb, RSS_GROWTH_MB, "MB"),
            ("open files", grown.files, FILES_GROWTH, "files"),
            ("threads", grown.threads, THREADS_GROWTH, "threads"),
        )
        problems += [
            f"{what} grew by {by:g} {unit} in {grown.over_s:.0f} s" for what, by, most, unit in limits if by > most
        ]
    return problems
