from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def notify_socket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A listening socket as systemd makes it, and its name in the environment."""
    name = f"@maskd-{secrets.token_hex(8)}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1))
        listener.settimeout(5)
        yield listener, name


def test_states_reach_systemd(notify_socket: tuple[socket.socket, str]) -> None:
    listener, name = notify_socket
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready()
    notifier.status("2 cameras,\n1 person")
    notifier.watchdog()
    notifier.reloading()
    notifier.stopping()
    received = [listener.recv(4096).decode() for _ in range(5)]
    assert received[:3] == ["READY=1", "STATUS=2 cameras, 1 person", "WATCHDOG=1"]
    reloading, time_line = received[3].split("\n")
    assert reloading == "RELOADING=1"
    assert time_line.removeprefix("MONOTONIC_USEC=").isdigit()
    assert received[4] == "STOPPING=1"


def test_silent_without_a_socket_and_with_one_that_is_gone(tmp_path: Path) -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_wants_a_sign_twice_per_interval(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_interval_s == seconds
