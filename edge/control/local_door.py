"""A Unix socket by which commands on this device ask the running daemon."""

from __future__ import annotations

import json
import logging
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.errors import MaskdError
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus

SOCKET_NAME = "control.sock"
RUNTIME_FOLDER = Path("/run/maskd")
"""Where systemd/maskd.service has the socket; started otherwise, it lies in `storage.path`."""
LINE_LIMIT = 4096
"""Bytes of a request."""
PATIENCE_S = 2.0
"""For a client that does not write, or does not read."""
SCHEMA = "maskd.control/1"
SO_PEERGROUPS = 59
"""The groups of the process at the other end: linux/asm-generic/socket.h, which Python has no name for."""
GROUPS_BYTES = 1024
"""Room for 256 groups; Python's getsockopt() takes no more."""


class NotRunningError(MaskdError):
    """No daemon is running."""

    exit_status = 3


Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Takes the fields of a request and returns those of the answer; raises MaskdError for one that it refuses."""

_log = logging.getLogger(__name__)


class LocalDoor(Part):
    """The thread `control`: one request after another, each a line of JSON that names a command, answered by a line.

    Only root, maskd's own user and members of its group get in.
    """

    doing = "an answer to a command on this device"

    def __init__(self, config: Config, answers: Mapping[str, Answer], folder: Path | None = None) -> None:
        """`answers`: by command. `folder`: of the socket; None: as the service manager says."""
        self._storage = config.storage.path
        self._answers = answers
        runtime = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
        self.path = (folder or (Path(runtime) if runtime else self._storage)) / SOCKET_NAME
        self._server: _Server | None = None
        self._is_serving = False
        self._problem: str | None = None

    def start(self) -> None:
        """Where the socket cannot be made, the status says so, and all else goes on."""
        try:
            self.path.unlink(missing_ok=True)  # of a daemon that was killed; its folder is ours by now
            self._server = _Server(self.path, self._answer)
            threading.Thread(target=self._server.serve_forever, args=(0.2,), name="control", daemon=True).start()
            self._is_serving = True
        except OSError as error:
            why = "its path is too long" if "too long" in str(error) else error.strerror or error
            self._problem = f"commands on this device cannot ask maskd: {self.path} cannot be made: {why}"
            _log.warning("%s", self._problem)

    def stop(self, _deadline: Deadline) -> None:
        if self._server is not None:
            if self._is_serving:  # else the system started no thread for it, and shutdown() would wait for ever
                self._server.shutdown()
            self._server.server_close()
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def status(self) -> PartStatus:
        return PartStatus(() if self._problem is None else (self._problem,))

    def _answer(self, line: bytes) -> Mapping[str, Any]:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict) or not isinstance(fields.get("command"), str):
            return {"error": 'a request is one line of JSON, such as {"command": "status"}'}
        answer = self._answers.get(fields["command"])
        if answer is None:
            known = ", ".join(sorted(self._answers))
            return {"error": f"this maskd knows no command {fields['command'][:40]!a}, only: {known}"}
        try:
            return {"storage": str(self._storage), **answer(fields)}
        except MaskdError as error:
            return {"error": str(error)}


class _Handler(socketserver.StreamRequestHandler):
    timeout = PATIENCE_S

    def handle(self) -> None:
        with suppress(OSError):  # a client that goes, or waits, costs only itself
            server = self.server
            assert isinstance(server, _Server)
            line = self.rfile.readline(LINE_LIMIT)
            answer = {"schema": SCHEMA, **server.answer(line)}
            self.wfile.write(json.dumps(answer).encode() + b"\n")


class _Server(socketserver.UnixStreamServer):
    request_queue_size = 16

    def __init__(self, path: Path, answer: Callable[[bytes], Mapping[str, Any]]) -> None:
        """Raises OSError where the socket cannot be made."""
        super().__init__(str(path), _Handler)
        self.answer = answer
        path.chmod(0o660)

    def verify_request(self, request: Any, _client_address: Any) -> bool:
        return _is_allowed(request)

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        _log.exception("an error while answering a command on this device; please report it")


def _is_allowed(client: socket.socket) -> bool:
    """The file's mode says the same; but a folder may have been opened to others, or the socket handed on."""
    _, user, group = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    groups = {group}
    with suppress(OSError):  # an old kernel, or more groups than fit
        raw = client.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, GROUPS_BYTES)
        groups |= set(struct.unpack(f"{len(raw) // 4}I", raw))
    return user in (0, os.geteuid()) or os.getegid() in groups


def ask(config: Config, command: str, *, patience_s: float = 5 * PATIENCE_S, **fields: Any) -> Mapping[str, Any]:
    """What the daemon that uses this configuration's `storage.path` answers.

    Raises NotRunningError where none is running, MaskdError where this user may not ask it, it refuses, or does not
    answer within `patience_s`.
    """
    refusal: MaskdError | None = None
    for folder in dict.fromkeys((config.storage.path, RUNTIME_FOLDER)):
        try:
            answer = _ask_at(folder / SOCKET_NAME, {"command": command, **fields}, patience_s)
        except PermissionError:
            refusal = MaskdError(
                f"this user may not ask maskd at {folder / SOCKET_NAME}; use sudo, or join maskd's group"
            )
            continue
        except TimeoutError:
            refusal = MaskdError(
                f"maskd does not answer within {patience_s:g} s at {folder / SOCKET_NAME}; see its log"
            )
            continue
        except OSError:
            continue
        if answer.get("storage", str(config.storage.path)) != str(config.storage.path):
            continue  # another maskd on this device
        if "error" in answer:
            raise MaskdError(f"maskd refuses: {answer['error']}")
        return answer
    raise refusal or NotRunningError(
        f"no maskd is running with storage.path {config.storage.path}; start it (sudo systemctl start maskd), or name "
        "its configuration with -c"
    )


def _ask_at(path: Path, request: Mapping[str, Any], patience_s: float) -> dict[str, Any]:
    """Raises OSError if there is no answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(patience_s)
        client.connect(str(path))
        client.sendall(json.dumps(request).encode() + b"\n")
        with client.makefile("rb") as lines:
            line = lines.readline()
    try:
        answer = json.loads(line)
    except ValueError:
        raise ConnectionResetError from None  # it went, or would not have us
    if not isinstance(answer, dict):
        raise ConnectionResetError
    return answer
