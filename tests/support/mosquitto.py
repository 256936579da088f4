"""A real Mosquitto on a free port, and a real subscriber, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.support.programs import find_program
from tests.support.waiting import PATIENCE_S, wait_until

HOST = "127.0.0.1"
RESEND_S = 1.0
"""Mosquitto 2.0.21 (Debian Trixie) sleeps on when a signal comes between two looks at its connections, seen one time in
sixteen; the next signal wakes it up."""
RELOADED = "Reloading config."


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker on 127.0.0.1 whose port stays the same over restarts.

    `users` maps names to passwords and forbids anonymous clients; `tls` makes an authority (`ca_file`) and a
    certificate for localhost; `acl` holds lines of an access list; with `persistence` sessions and queued messages
    outlive a stop() (not a kill()).
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        tls: bool = False,
        acl: Sequence[str] = (),
        persistence: bool = False,
        extra: Sequence[str] = (),
    ) -> None:
        self.host = "localhost" if tls else HOST
        self.port = free_port()
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self._users = users
        self._tls = tls
        self._acl = acl
        self._persistence = persistence
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        path = self.folder / "mosquitto.log"
        return path.read_text() if path.exists() else ""

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def start(self) -> None:
        program = find_program("mosquitto")
        assert program is not None, "mosquitto is not installed"
        assert self._process is None, "the broker is already running"
        if not (self.folder / "mosquitto.conf").exists():
            self._write_configuration()
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self._answers, what="mosquitto listening")

    def stop(self) -> None:
        """Ends the broker as an orderly shutdown does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the broker as a crash does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def allow(self, acl: Sequence[str]) -> None:
        """Replaces the access list of the running broker."""
        assert self._process is not None
        process = self._process
        (self.folder / "acl").write_text("\n".join(acl) + "\n")
        reloads = self.log.count(RELOADED)
        sent_at = 0.0

        def reloaded() -> bool:
            nonlocal sent_at
            if time.monotonic() > sent_at + RESEND_S:
                sent_at = time.monotonic()
                process.send_signal(signal.SIGHUP)
            return self.log.count(RELOADED) > reloads

        wait_until(reloaded, what="the broker reading its access list again")

    def freeze(self) -> None:
        """The broker stops answering, its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        deadline = time.monotonic() + PATIENCE_S
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self._process.kill()
                raise AssertionError(f"mosquitto did not end within {PATIENCE_S:g} s of {how.name}: {self.log}")
            self._process.send_signal(how)
            self._process.send_signal(signal.SIGCONT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=RESEND_S)
        self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"mosquitto ended with status {self._process.returncode}: {self.log}")
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _write_configuration(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [
            "per_listener_settings false",
            # Started by root, mosquitto would change to a user that cannot read a test's folder.
            "user root" if os.getuid() == 0 else "",
            f"listener {self.port} {HOST}",
            f"allow_anonymous {'false' if self._users else 'true'}",
            "max_queued_messages 0",
            f"persistence {'true' if self._persistence else 'false'}",
            f"persistence_location {self.folder}/" if self._persistence else "",
            *self._extra,
        ]
        if self._users:
            lines.append(f"password_file {self._write_passwords(self._users)}")
        if self._acl:
            (self.folder / "acl").write_text("\n".join(self._acl) + "\n")
            (self.folder / "acl").chmod(0o600)
            lines.append(f"acl_file {self.folder / 'acl'}")
        if self._tls:
            self._make_certificates()
            lines += [
                f"cafile {self.ca_file}",
                f"certfile {self.folder}/server.pem",
                f"keyfile {self.folder}/server.key",
            ]
        (self.folder / "mosquitto.conf").write_text("\n".join(line for line in lines if line) + "\n")

    def _write_passwords(self, users: Mapping[str, str]) -> Path:
        path = self.folder / "passwords"
        path.write_text("")
        path.chmod(0o600)
        for name, password in users.items():
            subprocess.run(["mosquitto_passwd", "-b", str(path), name, password], check=True, capture_output=True)
        return path

    def _make_certificates(self) -> None:
        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)

        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl(
            "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority"
        )
        openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)


@dataclass(frozen=True, slots=True)
class Received:
    """A message as a subscriber sees it; the MQTT 5 properties are empty over 3.1.1."""

    topic: str
    payload: bytes
    retained: bool
    content_type: str | None
    user_properties: Mapping[str, str]


class Subscriber:
    """Collects what a broker delivers; as a context manager it is subscribed on entry.

    Its session outlives a disconnection, and it comes back by itself within a fraction of a second.
    """

    def __init__(
        self,
        port: int,
        topic: str = "#",
        *,
        username: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """`ca_file`: of a broker with TLS."""
        self.messages: list[Received] = []
        self.subscribed = threading.Event()
        self._port = port
        self._topic = topic
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"subscriber-{id(self)}", protocol=MQTTProtocolVersion.MQTTv5
        )
        if username is not None:
            self._client.username_pw_set(username, password)
        self._host = HOST
        if ca_file is not None:
            self._host = "localhost"  # the name in the certificate
            self._client.tls_set(str(ca_file))
        self._client.reconnect_delay_set(0.1, 0.1)  # type: ignore[arg-type]  # fractions of a second work
        self._client.on_connect = self._connected
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_message = self._received

    def __enter__(self) -> Subscriber:
        expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        expiry.SessionExpiryInterval = 600
        self._client.connect(self._host, self._port, clean_start=False, properties=expiry)
        self._client.loop_start()
        assert self.subscribed.wait(10), "the subscriber was not let in"
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, count: int, topic_end: str = "") -> list[Received]:
        """At least `count` messages on topics that end so, in the order of arrival."""

        def matching() -> list[Received]:
            return [message for message in self.messages.copy() if message.topic.endswith(topic_end)]

        wait_until(lambda: len(matching()) >= count, what=f"{count} messages on ...{topic_end}")
        return matching()

    def _connected(self, client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, __: Any) -> None:
        if not reason.is_failure:
            client.subscribe(self._topic, qos=1)

    def _received(self, _: Client, __: Any, message: MQTTMessage) -> None:
        properties = message.properties
        self.messages.append(
            Received(
                message.topic,
                bytes(message.payload),
                message.retain,
                getattr(properties, "ContentType", None),
                dict(getattr(properties, "UserProperty", [])),
            )
        )
