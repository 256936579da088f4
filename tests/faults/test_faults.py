"""One short round; `make every-fault` plays each fault once, `make faults` is the long run."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.catalogue import PAIRS, SINGLE
from tests.faults.growth import Growth
from tests.faults.report import BEGIN, END, table, write_between_markers
from tests.faults.rounds import Result
from tests.faults.run import plan
from tests.support.programs import BROKER, need

ROUNDS = len(SINGLE)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_fault_loses_no_event(tmp_path: Path) -> None:
    """Each run draws another fault; what it prints on failure has the seed that draws it again."""
    pytest.importorskip("skimage", reason="the pictures are made from scikit-image's portrait")
    need(*BROKER)
    command = [sys.executable, "-m", "tests.faults.run", "--brief", "--rounds", "1"]
    command += ["--seed", str(random.randrange(10**6)), "--folder", str(tmp_path / "rigs")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert sum(f"| {fault.name} |" in run.stdout for fault in SINGLE) == 1


def test_every_fault_has_its_turn() -> None:
    faults = [*SINGLE, *PAIRS]
    names = [fault.name for fault in faults]
    assert len(set(names)) == len(names)
    assert {name for _, name in plan(SINGLE, 1, range(1, ROUNDS + 1))} == {fault.name for fault in SINGLE}
    assert {name for _, name in plan(faults, 1, range(1, len(faults) + 1))} == set(names)
    assert plan(faults, 1, range(5, 8)) == plan(faults, 1, range(1, 100))[4:7]
    assert plan(faults, 1, range(1, 20)) != plan(faults, 2, range(1, 20))


def test_the_table_takes_its_place_in_the_page(tmp_path: Path) -> None:
    results = [
        Result(1, "none", events=1200, quiet_s=0.5, growths=[Growth(60, 7, 3.21, 1, 0), Growth(80, 5, -2, 2, -1)]),
        Result(2, "network: cut", events=10, repeats=3, lost=1, quiet_s=31.5, problems=["lost"]),
    ]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_between_markers(page, table(results, seed=7, minutes=3))
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "2 rounds with seed 7, 1 of them failed" in text
    assert "up to 7 rounds in 80 s, memory grew by at most 3.2 MB, open files by 2, threads by 0." in text
    assert "Left out" not in text
    assert "to mount a disk: disk full." in table(results, seed=7, minutes=3, left_out=["disk full"])
    assert "| network: cut | 1 | 10 | 3 | 1 | 31.5 s |" in text
    assert "| **all** | 2 | 1,210 | 3 | 1 | 31.5 s |" in text
    page.write_text("no place\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        write_between_markers(page, "table")
