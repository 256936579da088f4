"""Standard streams that are closed, full, or have lost their reader: no traceback, and a status as other programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge.store.record import Record
from tests.support.places import ROOT
from tests.support.transitions import drafts, transition

MASKD = f"{sys.executable} -m edge.cli"
CHECKOUT = ROOT


def shell(line: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-o", "pipefail", "-c", line]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=CHECKOUT)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of a device that has seen 5,000 people."""
    tmp_path = tmp_path_factory.mktemp("device")
    [draft] = drafts(transition())
    payloads = [draft.numbered("0" * 12, seq).payload for seq in range(1, 5001)]
    record = Record(tmp_path / "storage", keep_days=30_000, keep_bytes=100_000_000)
    lines = [(seq, draft.wall_time, payload) for seq, payload in enumerate(payloads, 1)]
    assert record.append(lines, draft.wall_time) == 5000
    config = tmp_path / "config.yaml"
    config.write_text(f"storage: {{path: {tmp_path}/storage}}\n")
    return config


WRITING = ["--version", "--help", "config schema", "config show -c {config}", "events --json -n 5000 -c {config}"]


@pytest.mark.parametrize("arguments", WRITING)
@pytest.mark.parametrize(
    ("redirection", "status", "told"),
    [
        (">&-", 1, "maskd: the output cannot be written: Bad file descriptor\n"),
        (">&- <&-", 1, "maskd: the output cannot be written: Bad file descriptor\n"),
        (">/dev/full", 1, "maskd: the output cannot be written: No space left on device\n"),
        (">&- 2>&-", 1, ""),
        (">/dev/full 2>/dev/full", 1, ""),
    ],
)
def test_what_cannot_be_printed_is_told(
    recorded: Path, arguments: str, redirection: str, status: int, told: str
) -> None:
    run = shell(f"{MASKD} {arguments.format(config=recorded)} {redirection}")
    assert (run.returncode, run.stderr) == (status, told)


@pytest.mark.parametrize("reader", ["head -c 1", "head -n 1", "true"])
def test_a_reader_that_has_enough_ends_it_quietly(recorded: Path, reader: str) -> None:
    run = shell(f"{MASKD} events --json -n 5000 -c {recorded} | {reader}")
    assert (run.returncode, run.stderr) == (141, "")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&- >&- <&-"])
@pytest.mark.parametrize("arguments", ["fly", "run -c /nowhere"])
def test_an_error_that_cannot_be_told_keeps_its_status(arguments: str, redirection: str) -> None:
    assert shell(f"{MASKD} {arguments} {redirection}").returncode == 2


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """What a library writes to its stderr would end up in the outbox."""
    code = (
        "import os\n"
        "from edge.system.standard_streams import StandardStreams\n"
        "StandardStreams()\n"
        f"assert os.open({str(tmp_path / 'file')!r}, os.O_WRONLY | os.O_CREAT) > 2\n"
    )
    (tmp_path / "code.py").write_text(code)
    run = shell(f"PYTHONPATH={CHECKOUT} {sys.executable} {tmp_path}/code.py <&- >&- 2>&-")
    assert run.returncode == 0
