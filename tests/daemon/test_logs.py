"""What a line of the log looks like, under systemd and elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging
from edge.daemon.logs import configure_logging
configure_logging("debug")
log = logging.getLogger("edge.test")
log.debug("fine"), log.info("usual"), log.warning("two\\nlines\\r\\nor three"), log.critical("worst")
try:
    raise OSError("broken")
except OSError:
    log.exception("failed")
"""


def logged_to(stderr: int, journal_stream: str | None) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
    if journal_stream is not None:
        environment["JOURNAL_STREAM"] = journal_stream
    subprocess.run([sys.executable, "-c", PROGRAM], stderr=stderr, env=environment, check=True, timeout=60)


def test_every_line_carries_its_priority_in_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+b") as file:
        status = os.fstat(file.fileno())
        logged_to(file.fileno(), f"{status.st_dev}:{status.st_ino}")
        file.seek(0)
        lines = file.read().decode().splitlines()
    assert lines[:6] == [
        "<7>DEBUG: fine",
        "<6>INFO: usual",
        "<4>WARNING: two",
        "<4>lines",
        "<4>or three",
        "<2>CRITICAL: worst",
    ]
    assert lines[6] == "<3>ERROR: failed"
    assert len(lines) > 8
    assert all(line.startswith("<3>") for line in lines[6:])


def test_elsewhere_lines_have_a_time_and_no_priority(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.touch()
    status = other.stat()
    for journal_stream in (None, f"{status.st_dev}:{status.st_ino}", "nonsense"):
        with (tmp_path / "log").open("w+b") as file:
            logged_to(file.fileno(), journal_stream)
            file.seek(0)
            first = file.read().decode().splitlines()[0]
        assert first.startswith("20")
        assert first.endswith(" DEBUG: fine")
