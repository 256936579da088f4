"""Waits until the tests' process is gone, then kills what it has left: `python guardian.py MARK`.

What the tests have started has the mark in its environment. Runs by itself, without the project's packages.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

VARIABLE = "MASKD_TESTS_GUARDED_BY"
ROUNDS = 50
"""A process may start another one while it is being looked for."""


def main() -> None:
    sys.stdin.buffer.read()  # ends when the tests' process does
    entry = f"{VARIABLE}={sys.argv[1]}".encode()
    for _ in range(ROUNDS):
        marked = processes_with(entry)
        for pid in marked:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if not marked:
            break
        time.sleep(0.1)


def processes_with(entry: bytes) -> list[int]:
    """The numbers of the processes that were started with this entry in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            entries = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is someone else's
            continue
        if entry in entries:
            found.append(int(process.name))
    return found


def is_running(pid: int) -> bool:
    """Also false for one that has ended and whose status was not asked for."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def started_at(pid: int) -> float:
    """In seconds of CLOCK_BOOTTIME, to one tick of the kernel's clock; 0 for one that has ended."""
    fields = _stat(pid)
    return int(fields[19]) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third, the state, on (man 5 proc); empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def command_of(pid: int) -> str:
    """Its command line; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
