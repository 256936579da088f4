"""No process that a test starts outlives it: whether the test passes, fails, or the whole of pytest is killed.

A plugin of fixtures that every test gets: `tests/conftest.py` has them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import guardian

ENDING_S = 10.0
"""A process that was told to end may take so long on a busy machine."""
CLOCK_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
KEPT = "multiprocessing.resource_tracker"
"""A helper of Python's that stays as long as the process that it was started for."""


@pytest.fixture(scope="session", autouse=True)
def guarded() -> Iterator[None]:
    """Another process kills what this one has left, however this one ends."""
    mark = f"{os.getpid()}-{time.time_ns()}"
    command = [sys.executable, "-I", "-S", guardian.__file__, mark]
    # In a session of its own: what is sent to the group of the tests' processes does not reach it.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        os.environ[guardian.VARIABLE] = mark
        yield
        del os.environ[guardian.VARIABLE]
        process.kill()  # the fixture below has cleared up


@pytest.fixture(autouse=True)
def nothing_left_running(guarded: None) -> Iterator[None]:
    """Fails a test that leaves a process running, and kills it."""
    before = children()
    started_at = time.clock_gettime(time.CLOCK_BOOTTIME)
    yield
    # The kernel's list of children may miss one while another ends, so the times decide as well.
    left = {
        pid: command
        for pid, command in children().items()
        if pid not in before and guardian.started_at(pid) >= started_at - CLOCK_TICK_S
    }
    deadline = time.monotonic() + ENDING_S
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        left = {pid: command for pid, command in left.items() if pid in children()}
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"left running by the test, and killed: {'; '.join(left.values())}"


def children() -> dict[int, str]:
    """The command of each process that this one has started and that has not ended, by its number."""
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        try:
            pids = [int(pid) for pid in (thread / "children").read_text().split()]
        except FileNotFoundError:  # the thread has ended
            continue
        for pid in pids:
            command = guardian.command_of(pid)  # empty while the program is being loaded
            if guardian.is_running(pid) and KEPT not in command:
                found[pid] = command
    return found
