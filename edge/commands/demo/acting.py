"""What the demo's rule acts through: a voice, a small server, and pins that are not there."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

HOST = "127.0.0.1"
LONGEST_BODY = 65_536


class DemoActing:
    """Settings and environment of a daemon that acts, and the server that its webhook calls. `told` is called in the
    server's thread with a line for each call."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self.environment = {"GPIOZERO_PIN_FACTORY": "mock"}
        """Of the daemon: it switches pins that are not there."""
        self._server = _Server((HOST, 0), _handler(told))
        self._thread = threading.Thread(target=self._server.serve_forever, name="demo-webhook", daemon=True)

    @property
    def settings(self) -> dict[str, Any]:
        """The sections `rules` and `outputs` of the configuration."""
        port = self._server.server_address[1]
        return {
            "rules": {"remind": {"when": {"compliant": False, "dwell_s": 1.0}, "do": ["voice", "chat", "lamp"]}},
            "outputs": {
                "sound": {"voice": {"say": "Please put on your mask."}},
                "webhook": {"chat": {"url": f"http://{HOST}:{port}/", "template": '{"text": "{text}"}'}},
                "gpio": {"lamp": {"pin": 17, "mode": "while"}},
            },
        }

    def __enter__(self) -> DemoActing:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class LogFollower:
    """Lines of the daemon's log in which an output tells what it does, as they are written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_lines(self) -> list[str]:
        """What the outputs did since the last call, in their words."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            complete, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(complete) + len(newline)
        lines = complete.decode("utf-8", "replace").splitlines()
        return [told for line in lines if (told := line.partition(": outputs.")[2])]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def _handler(told: Callable[[str], None]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), LONGEST_BODY))
            told(f"webhook chat: {json.loads(body)['text']}")
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server calls it so
            pass

    return Handler
