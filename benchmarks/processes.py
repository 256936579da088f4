"""What a process takes of the machine, from Linux's /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    cpu_s: float
    """Processor time since the process began, in seconds."""
    rss_mb: float
    """Memory that is resident, in millions of bytes."""
    open_files: int
    threads: int


def usage(pid: int | str = "self") -> Usage:
    """Raises OSError where there is no such process."""
    process = Path("/proc") / str(pid)
    # The name, in brackets, may hold spaces; the fields are counted from behind it.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    resident_pages = int((process / "statm").read_text().split()[1])
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) * _TICK_S,
        rss_mb=resident_pages * _PAGE_BYTES / 1e6,
        open_files=len(list((process / "fd").iterdir())),
        threads=int(fields[17]),
    )


def machine() -> str:
    """The processor and the memory, in a few words."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ":")
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return f"{cpu.partition(':')[2].strip() or 'unknown processor'}, {os.cpu_count()} cores, {memory_kb / 1e6:.0f} GB"


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed; nan where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
