"""The page as it runs in the daemon, and a client that asks it over a real connection."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from edge.config import Config
from edge.config.file import load_config
from edge.config.settable import Settable
from edge.control.audit import By
from edge.control.changes import Changes
from edge.payloads.events import ModelNames
from edge.payloads.reports import InferenceMs, MqttStatus, OutboxStatus, Status, Totals
from edge.people.observations import ObservationLog
from edge.system.deadline import Deadline
from edge.vision.thresholds import Recommendations
from edge.web.device import Device
from edge.web.logins import FILE_NAME, Logins, write_logins
from edge.web.part import WebPage
from edge.web.passwords import password_hash, token_hash
from tests.support.mosquitto import HOST, free_port
from tests.support.waiting import wait_until

LABELS = ("with_mask", "without_mask", "mask_weared_incorrect")
RECOMMENDED = Recommendations(min_score=0.5, min_confidence=0.5)
PASSWORD = "correct horse"
VIEW_PASSWORD = "only looking"
TOKEN = "a-token-of-a-machine"
LOGINS = Logins(owner=password_hash(PASSWORD), view=password_hash(VIEW_PASSWORD), tokens={"robot": token_hash(TOKEN)})


def a_status(**changes: Any) -> Status:
    fields: dict[str, Any] = {
        "device": "lobby",
        "version": "1",
        "uptime_s": 1.0,
        "models": ModelNames(detector="face 1", classifier="mask 1"),
        "privacy": "events",
        "problems": [],
        "cameras": {},
        "inference_ms": InferenceMs(detect=None, classify=None),
        "temperature_c": None,
        "outbox": OutboxStatus(depth=0, withheld=0, oldest_unsent_s=None, lost=0, epoch="e", latest_seq=0),
        "mqtt": MqttStatus(connections=1, acknowledged=0, refused=0),
        "time": "2026-11-20T12:00:00.000Z",
    }
    return Status(**{**fields, **changes})


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """`name=value` of the one that it sets."""
        return self.headers["set-cookie"].partition(";")[0]


@dataclass
class Client:
    """Keeps the cookie that it is given, as a browser does."""

    port: int
    tls: ssl.SSLContext | None = None
    cookie: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every request; one that is empty is left out."""

    @property
    def origin(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://{HOST}:{self.port}"

    def ask(self, method: str, path: str, body: bytes = b"", /, **headers: str) -> Answer:
        sent = {"Host": f"{HOST}:{self.port}", "Origin": "" if method in ("GET", "HEAD") else self.origin}
        sent |= {"Cookie": self.cookie or ""} | self.headers | {k.replace("_", "-"): v for k, v in headers.items()}
        connection = (
            http.client.HTTPConnection(HOST, self.port, timeout=30)
            if self.tls is None
            else http.client.HTTPSConnection(HOST, self.port, timeout=30, context=self.tls)
        )
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            if body or method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            got = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()
        if "set-cookie" in got.headers:
            self.cookie = got.cookie
        return got

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def sign_in(self, password: str = PASSWORD, path: str = "/sign-in", **headers: str) -> Answer:
        form = urlencode({"password": password}).encode()
        return self.ask("POST", path, form, Content_Type="application/x-www-form-urlencoded", **headers)


@dataclass
class RunningPage:
    part: WebPage
    port: int
    folder: Path
    notes: list[tuple[str, str, str | None]] = field(default_factory=list)
    """What it had noted in the log of changed settings: what was done, how, and by whom."""

    def apply(self, config: Config) -> None:
        """What a reload does."""
        self.part._device.changes.apply_all(config, By("command"))

    @property
    def client(self) -> Client:
        return Client(self.port)

    @property
    def signed_in(self) -> Client:
        client = self.client
        assert client.sign_in().status == 303
        return client


def page_config(
    folder: Path, port: int, privacy: str = "events", cameras: Mapping[str, Any] | None = None, **web: Any
) -> Config:
    return Config.model_validate(
        {
            "device": "lobby",
            "privacy": privacy,
            "cameras": cameras or {"door": {"source": "demo"}},
            "storage": {"path": str(folder)},
            "web": {"port": port, **web},
        }
    )


def a_part(
    config: Config,
    status: Status | None = None,
    totals: Sequence[Totals] = (),
    file: Path | None = None,
    note: Callable[[str, str, By], None] = lambda *_: None,
) -> WebPage:
    """A change from the page reaches it at once, as in the daemon. `file`: where the configuration is from.
    `note`: adds a line to the log of changed settings."""
    changes = Changes(config, file)
    device = Device(
        changes,
        value_in_effect,
        ObservationLog(LABELS, config),
        RECOMMENDED,
        lambda: status or a_status(),
        lambda: totals,
        on_change=lambda: None,
        note=note,
    )
    part = WebPage(device)
    changes.on_change = part.apply
    return part


def value_in_effect(config: Config, camera: str | None, setting: str) -> bool | float | str:
    value = Settable(setting, camera).configured_in(config)
    return 0.5 if value is None else value


@contextmanager
def running_page(
    folder: Path,
    status: Status | None = None,
    *,
    logins: Logins = LOGINS,
    totals: Sequence[Totals] = (),
    text: str | None = None,
    **web: Any,
) -> Iterator[RunningPage]:
    """Waits until it listens. `text`: of a config.yaml in the folder, without storage and page."""
    write_logins(folder / FILE_NAME, logins)
    port = free_port()
    file = None
    if text is None:
        config = page_config(folder, port, **web)
    else:
        file = folder / "config.yaml"
        file.write_text(f"{text}storage: {{path: {folder}}}\nweb: {{port: {port}}}\n", encoding="utf-8")
        config = load_config(file)
    notes: list[tuple[str, str, str | None]] = []
    part = a_part(config, status, totals, file, lambda setting, new, by: notes.append((setting, new, by.who)))
    part.start()
    try:
        wait_until(lambda: is_listening(port), what=f"the page ({part.status().problems})")
        yield RunningPage(part, port, folder, notes)
    finally:
        part.stop(Deadline(5))


def is_listening(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=5).close()
    except OSError:
        time.sleep(0.02)
        return False
    return True
