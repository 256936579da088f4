"""Whatever a broker sends, memory and log stay small, and the connection comes back once it behaves."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.hostile_broker import HOSTILITIES, HostileBroker, Hostility
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end
from tests.support.waiting import wait_until

GROWTH_MB = 5.0
LOG_LINES = 15


def resident_mb(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


@pytest.mark.timeout(300)
@pytest.mark.parametrize("hostility", HOSTILITIES, ids=lambda hostility: hostility.name)
def test_a_hostile_broker_is_borne(hostility: Hostility) -> None:
    lines: list[str] = []
    with HostileBroker(hostility) as broker:
        command = [sys.executable, "-m", "tests.support.hostile_client", str(broker.port)]
        pipe = subprocess.PIPE
        with killed_at_the_end(subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True, cwd=ROOT)) as client:
            assert client.stderr is not None
            assert client.stdin is not None
            threading.Thread(target=lines.extend, args=(client.stderr,), daemon=True).start()
            wait_until(lambda: any("started" in line for line in lines), what="the client")
            before = resident_mb(client.pid)
            wait_until(lambda: broker.floods >= 1, what="the flood", timeout=200)
            broker.hostility = None
            broker.hang_up()
            wait_until(
                lambda: b"maskd/lobby/availability" in broker.published, what="the client at a broker that behaves"
            )
            grown = resident_mb(client.pid) - before
            client.stdin.close()
            assert client.wait(30) == 0
    assert grown < GROWTH_MB
    assert not [line for line in lines if "Traceback" in line], lines
    assert len(lines) <= LOG_LINES, lines
