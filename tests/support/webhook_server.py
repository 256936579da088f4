"""What a webhook calls: keeps every request, and answers as the test says."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    at: float
    """Monotonic seconds."""
    path: str
    headers: Mapping[str, str]
    """By lower-case names."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


class WebhookServer:
    """Listens while it is entered, on the same port each time; `status` and `headers` are what it answers."""

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.calls: list[Call] = []
        self.status = 200
        self.answer = b"{}"
        self.headers: dict[str, str] = {}
        self.hangs = threading.Event()
        """While it is set, nothing is answered."""
        self.loses_answers = False
        """It takes a call, and the caller does not hear of it."""
        self.accepted: list[Call] = []
        """Those that were answered with 2xx, or would have been."""
        self._certificate, self._key = certificate, key
        self._port = 0
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"{'http' if self._certificate is None else 'https'}://localhost:{self._port}/hooks/s3cret?token=t0ken"

    @property
    def is_there(self) -> bool:
        return self._server is not None

    def __enter__(self) -> WebhookServer:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:  # the caller was killed in the middle of it
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(time.monotonic(), self.path, headers, body)
                outer.calls.append(call)
                while outer.hangs.is_set():
                    time.sleep(0.01)
                if 200 <= outer.status < 300:
                    outer.accepted.append(call)
                if outer.loses_answers:
                    self.close_connection = True
                    return
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(outer.answer)))
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server calls it so
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                """The caller has gone."""

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        if self._certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate, self._key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hangs.clear()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
