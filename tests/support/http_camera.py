"""Network cameras for tests that speak HTTP in their own ways: a single picture, odd parts, errors, redirects."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import re
import threading
from collections.abc import Callable
from types import TracebackType

from tests.support.mjpeg_server import two_halves

Request = http.server.BaseHTTPRequestHandler


class HttpCamera:
    """Answers every GET on `url` by calling `answer`; counts them."""

    def __init__(self, answer: Callable[[Request], None]) -> None:
        self.asked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                with contextlib.suppress(OSError):  # the reader has gone
                    answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server calls it so
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/video"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> HttpCamera:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def picture(request: Request, jpeg: bytes = b"") -> None:
    """One JPEG and the end, as a camera's snapshot address gives it."""
    reply(request, jpeg or two_halves(), kind="image/jpeg")


def page(request: Request) -> None:
    reply(request, b"<!doctype html><title>Camera</title>" + b"<p>Log in</p>" * 100, kind="text/html")


def status(code: int) -> Callable[[Request], None]:
    def answer(request: Request) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def _ask_for_login(request: Request, challenge: str) -> None:
    request.send_response(401)
    request.send_header("WWW-Authenticate", challenge)
    request.send_header("Content-Length", "0")
    request.end_headers()


def with_login(user: str, password: str, answer: Callable[[Request], None]) -> Callable[[Request], None]:
    """Asks for a login by Basic first."""
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def check(request: Request) -> None:
        if request.headers["Authorization"] == expected:
            answer(request)
            return
        _ask_for_login(request, 'Basic realm="a camera"')

    return check


def with_digest(user: str, password: str, answer: Callable[[Request], None]) -> Callable[[Request], None]:
    """Asks for a login by Digest, as most cameras do."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    def check(request: Request) -> None:
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', request.headers["Authorization"] or ""))
        secret, asked = md5(f"{user}:a camera:{password}"), md5(f"GET:{fields.get('uri')}")
        counted = f"{fields.get('nc')}:{fields.get('cnonce')}:{fields.get('qop')}"
        if fields.get("response") == md5(f"{secret}:nonce1:{counted}:{asked}"):
            answer(request)
            return
        _ask_for_login(request, 'Digest realm="a camera", nonce="nonce1", qop="auth", algorithm=MD5')

    return check


def stream(part_header: str, *, seconds: float = 0.02) -> Callable[[Request], None]:
    """MJPEG whose parts have this header; `{length}` in it is the picture's."""

    def answer(request: Request) -> None:
        jpeg = two_halves()
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
        request.end_headers()
        head = f"--part\r\n{part_header.format(length=len(jpeg))}\r\n".encode()
        pause = threading.Event()
        while not pause.wait(seconds):
            request.wfile.write(head + jpeg + b"\r\n")

    return answer


def reply(request: Request, body: bytes, kind: str) -> None:
    request.send_response(200)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
