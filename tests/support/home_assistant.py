"""A real Home Assistant of its own environment, connected to a broker by its configuration flow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.mosquitto import HOST, free_port
from tests.support.places import ROOT
from tests.support.waiting import wait_until

VERSION = "2025.4.4"
PYTHON = "3.13"
"""That this release needs."""
PACKAGES = ("home-assistant-frontend==20250411.0", "paho-mqtt==2.1.0", "PyTurboJPEG==1.7.5")
"""What the parts of it that are used here would otherwise install at their first start."""
START_S = 300.0
_SOCKET = ROOT / "tests/support/home_assistant_socket.py"


def install(folder: Path) -> str | None:
    """Puts it into an environment in `folder`, unless it is there; returns why that cannot be done here."""
    done = folder / f"installed-{VERSION}"
    if done.exists():
        return None
    python = _python()
    if python is None:
        return f"Home Assistant {VERSION} needs Python {PYTHON}, which is not installed"
    steps = [
        [python, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin/pip"), "install", "--quiet", "--no-deps", f"homeassistant=={VERSION}"],
    ]
    for step in steps:
        if problem := _problem_of(step):
            return problem
    constraints = next(folder.glob("lib/python*/site-packages/homeassistant/package_constraints.txt"))
    packages = [f"homeassistant=={VERSION}", *PACKAGES]
    if problem := _problem_of([str(folder / "bin/pip"), "install", "--quiet", "-c", str(constraints), *packages]):
        return problem
    done.touch()
    return None


def _python() -> str | None:
    """An interpreter that really is of that version: a launcher of pyenv's may stand for one that is not active."""
    versions = sorted(Path.home().glob(f".pyenv/versions/{PYTHON}*/bin/python"), reverse=True)
    for candidate in (shutil.which(f"python{PYTHON}"), *map(str, versions)):
        if candidate and subprocess.run([candidate, "-c", "import venv"], capture_output=True).returncode == 0:
            return candidate
    return None


def _problem_of(command: Sequence[str]) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"Home Assistant could not be installed: {said[-1] if said else command}"


class HomeAssistant:
    """`sections`: more of its configuration; `broker_port`: that of a broker on this machine."""

    def __init__(self, environment: Path, folder: Path, broker_port: int, sections: Mapping[str, Any]) -> None:
        self.port = free_port()
        self.folder = folder
        self._environment = environment
        self._broker_port = broker_port
        self._sections = sections
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        self._login: dict[str, Any] = {}

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "output.log").read_text(encoding="utf-8")

    def start(self) -> None:
        """Ready, with its owner and its broker."""
        self.folder.mkdir(parents=True)
        configuration = {
            "homeassistant": {"name": "Home", "time_zone": "UTC", "unit_system": "metric"},
            "frontend": None,
            "http": {"server_host": HOST, "server_port": self.port},
            "logger": {"default": "warning"},
            **self._sections,
        }
        (self.folder / "configuration.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._environment / "bin/hass"), "-c", str(self.folder)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": f"{self._environment / 'bin'}:{os.environ['PATH']}"},
            )
        wait_until(self._answers, what="Home Assistant answering", timeout=START_S)
        self._onboard()
        flow = self.request("config/config_entries/flow", {"handler": "mqtt", "show_advanced_options": False})
        entry = self.request(
            f"config/config_entries/flow/{flow['flow_id']}", {"broker": HOST, "port": self._broker_port}
        )
        assert entry["type"] == "create_entry", entry

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=60)
            finally:
                self._process.kill()
                self._process.wait()

    def request(self, path: str, data: object = None) -> Any:
        """Of its REST interface; `data` None: GET."""
        body = None if data is None else json.dumps(data).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}/api/{path}", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def states(self) -> dict[str, dict[str, Any]]:
        """By entity id: `state`, `attributes` and more."""
        return {each["entity_id"]: each for each in self.request("states")}

    def state(self, entity_id: str) -> str | None:
        """None where there is no such entity."""
        found = self.states().get(entity_id)
        return None if found is None else str(found["state"])

    def act(self, action: str, **data: Any) -> None:
        """Such as `select.select_option`."""
        self.request(f"services/{action.replace('.', '/')}", data)

    def ask(self, kind: str, **fields: Any) -> Any:
        """One request over its websocket, and the answer."""
        done = subprocess.run(self._socket_command(kind, fields), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def subscribed(self, kind: str, **fields: Any) -> Iterator[subprocess.Popen[str]]:
        """Its second line will be the first event."""
        command = self._socket_command(kind, fields)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "subscribed\n"
                yield process
            finally:
                process.kill()

    def notifications(self) -> list[str]:
        """What automations have said, oldest first."""
        told = self.ask("persistent_notification/get")
        return [each["message"] for each in sorted(told, key=lambda each: str(each["created_at"]))]

    def picture(self, chromium: str, files: Mapping[str, Path]) -> None:
        """Draws its pages; `files`: by the path of each page. Installs the package that leads the browser."""
        problem = _problem_of([str(self._environment / "bin/pip"), "install", "--quiet", "playwright"])
        assert problem is None, problem
        pages = [f"{path}={file}" for path, file in files.items()]
        command = [str(self._environment / "bin/python"), str(ROOT / "tools/home_assistant_pictures.py")]
        subprocess.run([*command, self.address, json.dumps(self._login), chromium, *pages], check=True, timeout=300)

    def _socket_command(self, kind: str, fields: dict[str, Any]) -> list[str]:
        url, request = f"ws://{HOST}:{self.port}/api/websocket", json.dumps({"type": kind, **fields})
        return [str(self._environment / "bin/python"), str(_SOCKET), url, self._token, request]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            with urllib.request.urlopen(f"{self.address}/api/onboarding", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.5)
            return False

    def _onboard(self) -> None:
        client = f"{self.address}/"
        owner = {"name": "Ada", "username": "ada", "password": "of this test", "language": "en", "client_id": client}
        self._token = "none yet"
        code = self.request("onboarding/users", owner)["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": client}
        with urllib.request.urlopen(f"{self.address}/auth/token", urllib.parse.urlencode(form).encode()) as answer:
            self._login = json.loads(answer.read())
        self._token = self._login["access_token"]
        for step in ("core_config", "analytics"):
            self.request(f"onboarding/{step}", {})
        self.request("onboarding/integration", {"client_id": client, "redirect_uri": f"{client}?auth_callback=1"})
