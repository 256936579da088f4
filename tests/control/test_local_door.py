"""The socket by which commands on this device ask the running daemon."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.control import local_door
from edge.control.local_door import LINE_LIMIT, LocalDoor, ask
from edge.errors import MaskdError
from edge.system.deadline import Deadline
from tests.support.pictures import numbered, write_photo
from tests.support.processes import killed_at_the_end
from tests.support.waiting import wait_until


def a_config(folder: Path) -> Config:
    return Config.model_validate({"storage": {"path": str(folder)}})


def refuse(_: object) -> dict[str, Any]:
    raise MaskdError("the moon is full; wait")


@pytest.fixture
def door(tmp_path: Path) -> Iterator[LocalDoor]:
    answers: dict[str, local_door.Answer] = {"echo": lambda fields: {"told": fields.get("word")}, "refuse": refuse}
    door = LocalDoor(a_config(tmp_path), answers, tmp_path)
    door.start()
    yield door
    door.stop(Deadline(1))
    assert not door.path.exists()


def say(door: LocalDoor, data: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(door.path))
        client.sendall(data)
        answer: dict[str, Any] = json.loads(client.makefile("rb").readline())
        return answer


def test_a_command_is_answered_or_refused_in_words(door: LocalDoor, tmp_path: Path) -> None:
    assert ask(a_config(tmp_path), "echo", word="hello")["told"] == "hello"
    with pytest.raises(MaskdError, match="maskd refuses: the moon is full; wait"):
        ask(a_config(tmp_path), "refuse")
    with pytest.raises(MaskdError, match="knows no command 'dance', only: echo, refuse"):
        ask(a_config(tmp_path), "dance")


@pytest.mark.parametrize(
    "data", [b"\n", b"\xff\n", b"[]\n", b"{}\n", b'{"command": 1}\n', b"[" * LINE_LIMIT, b"x" * LINE_LIMIT + b"\n"]
)
def test_what_is_no_request_is_refused_and_the_next_is_answered(door: LocalDoor, tmp_path: Path, data: bytes) -> None:
    assert "a request is one line of JSON" in say(door, data)["error"]
    assert ask(a_config(tmp_path), "echo", word=1)["told"] == 1


def test_who_says_nothing_does_not_keep_others_out_for_long(
    door: LocalDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_door._Handler, "timeout", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(door.path))
        assert ask(a_config(tmp_path), "echo", word=1)["told"] == 1


def test_only_its_own_user_group_and_root_get_in(door: LocalDoor, tmp_path: Path) -> None:
    """No other user gets an answer from the control socket, even where its file is open to all."""
    assert stat.S_IMODE(door.path.stat().st_mode) == 0o660
    python = shutil.which("python3", path="/usr/bin:/bin")
    if os.geteuid() != 0 or python is None:
        pytest.skip("only root can become another user, who needs a Python in /usr/bin")
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)
    door.path.chmod(0o666)  # as if somebody had opened it
    knock = (
        "import socket, sys; c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]); "
        'c.sendall(b\'{"command": "echo"}\\n\'); print(c.recv(4096))'
    )
    stranger = subprocess.run(
        [python, "-c", knock, str(door.path)],
        user=65534, group=65534, extra_groups=[], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "told" not in stranger.stdout
    member = subprocess.run(
        [python, "-c", knock, str(door.path)],
        user=65534, group=65534, extra_groups=[os.getegid()], capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "told" in member.stdout


def test_without_a_daemon_the_way_to_start_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(MaskdError, match="no maskd is running with"):
        ask(a_config(tmp_path), "status")


def test_a_folder_that_has_no_room_for_a_socket_is_a_problem_and_no_end(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    door = LocalDoor(a_config(deep), {}, deep)
    door.start()
    (problem,) = door.status().problems
    assert "its path is too long" in problem
    door.stop(Deadline(1))


def test_the_status_of_a_running_daemon(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_photo(tmp_path / "photos" / "1.png", numbered(1))
    config = tmp_path / "config.yaml"
    config.write_text(
        f"device: lobby\ncameras: {{door: {{source: {tmp_path}/photos, loop: true}}, gate: {{source: '0', "
        f"enabled: false}}}}\nmqtt: {{enabled: false}}\nstorage: {{path: {tmp_path}/s}}\n"
    )
    maskd = [sys.executable, "-c", "import sys; from edge.cli import main; sys.exit(main())"]

    def status(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*maskd, "status", "-c", str(config), *options], capture_output=True, text=True, timeout=60, check=False
        )

    assert status().returncode == 3
    with killed_at_the_end(subprocess.Popen([*maskd, "run", "-c", str(config)])):
        wait_until(lambda: "pictures a second" in status().stdout, what="the status")
        told = status()
        assert told.returncode == 0, told
        assert "camera    gate: off\n" in told.stdout
        assert told.stdout.endswith("problems  none\n")
        assert json.loads(status("--json").stdout)["cameras"]["door"]["connected"] is True
