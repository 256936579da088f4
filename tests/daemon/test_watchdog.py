"""What proves that the daemon works, to who asks and to the process itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main
from edge.config import Config
from edge.control.local_door import LocalDoor
from edge.daemon.watchdog import HANG_S, HangEnd, Watchdog
from edge.system.deadline import Deadline
from edge.system.part import Part


class Working(Part):
    done = 0

    @property
    def progress(self) -> int:
        return self.done


def test_health_is_that_of_the_threads_on_which_vision_depends() -> None:
    now = 100.0
    part, told = Working(), list[float]()
    watchdog = Watchdog(told.append, clock=lambda: now)
    watchdog.watch([Part(), part])
    assert watchdog.health({}) == {"problem": "maskd is still starting"}
    part.done += 1
    assert watchdog.look(now)
    assert watchdog.health({}) == {"problem": None}
    now += HANG_S + 1
    assert not watchdog.look(now)
    assert watchdog.health({}) == {"problem": "maskd has hung for 31 s; restart it, and see its log"}
    part.done += 1
    assert watchdog.look(now)
    assert watchdog.health({}) == {"problem": None}
    assert told == [100.0, 131.0]


@pytest.mark.parametrize(
    ("problem", "status", "said"),
    [(None, 0, "maskd works\n"), ("maskd is still starting", 1, "maskd is still starting\n")],
)
def test_check_health_says_it_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], problem: str | None, status: int, said: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"storage: {{path: {tmp_path}}}\n")
    door = LocalDoor(
        Config.model_validate({"storage": {"path": str(tmp_path)}}),
        {"health": lambda _: {"problem": problem}},
        tmp_path,
    )
    door.start()
    try:
        assert main(["check", "--health", "-c", str(config)]) == status
        assert capsys.readouterr().out == said
    finally:
        door.stop(Deadline(1))
    assert main(["check", "--health", "-c", str(config)]) == 1
    assert capsys.readouterr().out.startswith("no maskd is running with storage.path")


def hanging(lines: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = f"import time\nfrom edge.daemon.watchdog import HangEnd\nend = HangEnd()\n{lines}\n"
    without = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env={**without, **environment}
    )


def test_a_process_that_hangs_ends_and_says_where() -> None:
    done = hanging("end.got_on(0.0)\ntime.sleep(600)", WATCHDOG_USEC="300000")
    assert done.returncode == 1
    assert "Timeout (0:00:00.300000)!" in done.stderr
    assert 'File "<string>", line 5 in <module>' in done.stderr


@pytest.mark.parametrize(
    ("lines", "environment"),
    [
        ("end.got_on(0.0)\nend.end()\ntime.sleep(0.5)", {"WATCHDOG_USEC": "100000"}),
        ("end.got_on(0.0)\ntime.sleep(0.5)", {}),
        ("end.got_on(0.0)\ntime.sleep(0.5)", {"WATCHDOG_USEC": "100000", "NOTIFY_SOCKET": "/run/of-systemd"}),
    ],
)
def test_it_goes_on_while_it_stops_and_where_nobody_or_systemd_watches(lines: str, environment: dict[str, str]) -> None:
    done = hanging(lines, **environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_limit_is_read_as_systemd_writes_it() -> None:
    HangEnd({"WATCHDOG_USEC": "soon"}).got_on(0.0)
