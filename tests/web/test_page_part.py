"""The page as a part of the daemon: what fails is a problem, what changes takes effect, and the rest goes on."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from edge.payloads.reports import CameraStatus
from edge.payloads.view_fault import VIEW_FAULTS
from edge.system.deadline import Deadline
from edge.view.words import sentence
from edge.web import connection
from edge.web.logins import FILE_NAME, write_logins
from tests.support.mosquitto import HOST
from tests.support.places import ROOT
from tests.support.waiting import wait_until
from tests.support.web_page import (
    LOGINS,
    TOKEN,
    Client,
    a_part,
    a_status,
    is_listening,
    page_config,
    running_page,
)


def test_a_port_that_is_taken_is_a_problem_until_it_is_free(tmp_path: Path) -> None:
    write_logins(tmp_path / FILE_NAME, LOGINS)
    with socket.create_server((HOST, 0)) as other:
        config = page_config(tmp_path, other.getsockname()[1])
        part = a_part(config)
        part.start()
        wait_until(lambda: part.status().problems, what="the problem")
        (problem,) = part.status().problems
        assert problem.startswith(
            f"the page is off: it cannot listen on {HOST}:{config.web.port}: Address already in use"
        )
        assert "set web.port" in problem
    try:
        part.tick(time.monotonic())
        assert part.status().problems, "it is not tried again at once"

        def is_back() -> bool:
            part.tick(time.monotonic() + 3600)
            return is_listening(config.web.port)

        wait_until(is_back, what="the page")
        assert Client(config.web.port).get("/healthz").status == 200
        assert part.status().problems == []
    finally:
        part.stop(Deadline(5))


@pytest.mark.parametrize(
    "tls", [{"cert_file": "/nowhere.pem"}, {"cert_file": str(ROOT / "LICENSE")}], ids=["missing", "none"]
)
def test_a_certificate_that_cannot_be_used_is_a_problem(tmp_path: Path, tls: dict[str, str]) -> None:
    write_logins(tmp_path / FILE_NAME, LOGINS)
    part = a_part(page_config(tmp_path, 1, tls=tls))
    part.start()
    wait_until(lambda: part.status().problems, what="the problem")
    assert f"its certificate {tls['cert_file']} cannot be used" in part.status().problems[0]
    part.stop(Deadline(5))


def test_a_change_takes_effect_and_keeps_who_is_signed_in(tmp_path: Path) -> None:
    with running_page(tmp_path) as page:
        client = page.signed_in
        page.apply(page_config(tmp_path, page.port, base_path="/maskd"))
        page.part.tick(time.monotonic())
        wait_until(lambda: is_listening(page.port), what="the page by its new settings")
        assert client.get("/").status == 404
        assert client.get("/maskd/").status == 200
        page.apply(page_config(tmp_path, page.port, enabled=False))
        page.part.tick(time.monotonic())
        assert not is_listening(page.port)


def test_a_client_that_says_nothing_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FIRST_REQUEST_S", 0.2)
    with running_page(tmp_path) as page:
        for said in (b"", b"GET /sign-in HTTP/1.1\r\nHost: x"):
            with socket.create_connection((HOST, page.port), timeout=30) as client:
                client.sendall(said)
                with suppress(ConnectionResetError):
                    assert client.recv(1) == b""


def test_readiness_names_what_is_wrong(tmp_path: Path) -> None:
    silent = CameraStatus(enabled=True, connected=False, fps=0, frames=0, dropped=0, error=None)
    off = silent.model_copy(update={"enabled": False})
    dark = [f"camera door: {sentence(fault, 32)}" for fault in VIEW_FAULTS]
    status = a_status(problems=[*dark, "the disk is full; free some space"], cameras={"door": silent, "gate": off})
    with running_page(tmp_path, status) as page:
        answer = Client(page.port, headers={"Authorization": f"Bearer {TOKEN}"}).get("/readyz")
        assert answer.status == 503
        reasons = ["the disk is full; free some space", "camera door: gives no pictures"]
        assert answer.json == {"ready": False, "reasons": reasons}


def test_a_daemon_without_a_page_does_not_load_its_libraries() -> None:
    program = (
        "import sys, edge.daemon.parts\n"
        "print(sorted({'starlette', 'uvicorn', 'websockets', 'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_the_part_can_be_stopped_without_a_start(tmp_path: Path) -> None:
    part = a_part(page_config(tmp_path, 1))
    part.stop(Deadline(1))
