"""What a test starts ends with it. Each test here runs a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.guardian import is_running
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end
from tests.support.waiting import wait_until

CHECKOUT = ROOT
TESTS = """
import os, subprocess, sys, time
from pathlib import Path
from tests.support.guardian import is_running
from tests.support.leftovers import guarded, nothing_left_running
from tests.support.mosquitto import Mosquitto

def test_a_broker_is_left_by_a_failure():
    broker = Mosquitto(Path({folder!r}) / "broker")
    broker.start()
    Path({folder!r}, "pid").write_text(str(broker.pid))
    assert not broker.pid, "on purpose"

def test_it_is_gone():
    assert not is_running(int(Path({folder!r}, "pid").read_text()))

def test_that_is_killed():
    middle = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", middle], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        broker = Mosquitto(Path({folder!r}) / "broker")
        broker.start()
        line = process.stdout.readline().decode()
        Path({folder!r}, "pids.new").write_text(f"{{broker.pid}} {{process.pid}} {{line}}")
        Path({folder!r}, "pids.new").rename(Path({folder!r}, "pids"))
        time.sleep(600)
"""


def pytest_on(folder: Path, *selected: str) -> list[str]:
    path = folder / "test_inner.py"
    path.write_text(TESTS.format(folder=str(folder)))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    return [*command, "--rootdir", str(folder), *(f"{path}::{name}" for name in selected)]


def test_a_test_that_fails_leaves_no_broker(mosquitto_folder: Path, tmp_path: Path) -> None:
    command = pytest_on(tmp_path, "test_a_broker_is_left_by_a_failure", "test_it_is_gone")
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120)
    assert "AssertionError: on purpose" in done.stdout
    assert "left running by the test, and killed: " in done.stdout
    assert "mosquitto -c" in done.stdout
    assert "1 failed, 1 passed, 1 error" in done.stdout


def test_what_is_killed_leaves_no_process(mosquitto_folder: Path, tmp_path: Path) -> None:
    command = pytest_on(tmp_path, "test_that_is_killed")
    with killed_at_the_end(subprocess.Popen(command, cwd=CHECKOUT)) as running:
        wait_until((tmp_path / "pids").exists, what="a broker, and a process with one of its own")
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert all(map(is_running, pids))
        running.kill()
        wait_until(lambda: not any(map(is_running, pids)), what="the end of all of them")
