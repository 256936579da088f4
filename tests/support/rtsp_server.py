"""A network camera for tests: a real RTSP server with H.264, from the package `rtsp`, behind a gate that can ask for a
login, refuse a transport or the path, fall silent in the middle of a picture, or say nothing from the start."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Literal

from tests.support.mosquitto import HOST, free_port

REALM, NONCE = "a camera", "0a4f113b"
_STEP_S = 0.05


class RtspServer:
    """Streams red on the left and blue on the right, 320x240, on `url`; `path` is without host and login."""

    def __init__(
        self,
        *,
        user: str = "",
        password: str = "",
        scheme: Literal["Basic", "Digest"] = "Digest",
        port: int = 0,
        tcp: Literal["served", "refused", "mute", "cut"] = "served",
        describe: str = "",
    ) -> None:
        """With a `user` it asks for a login. `port` 0: a free one, which stays the same over restarts.

        `tcp`: what comes of pictures over TCP; `mute`: it agrees, and sends none; `cut`: it hangs up. `describe`: the
        status with which it answers DESCRIBE, such as `404 Not Found`; otherwise the stream is served.
        """
        self.port = port or free_port()
        self.url = f"rtsp://{HOST}:{self.port}/live"
        self.silent = threading.Event()
        """Nothing more passes towards the reader, not even the rest of a packet."""
        self.requests: list[str] = []
        """What readers asked for, with `401` before the ones that were turned away."""
        self.transports: set[str] = set()
        self._user, self._password, self._scheme = user, password, scheme
        self._tcp, self._describe = tcp, describe
        self._server_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._listening: socket.socket | None = None
        self._stopping = threading.Event()
        self._open: list[socket.socket] = []

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Returns once readers are served."""
        self._stopping = threading.Event()
        arguments = [sys.executable, "-m", "tests.support.rtsp_server", str(self._server_port)]
        self._process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not _answers(self._server_port):
            assert time.monotonic() < deadline, "the RTSP server does not start"
            assert self._process.poll() is None, "the RTSP server has ended"
            time.sleep(_STEP_S)
        self._listening = socket.create_server((HOST, self.port), reuse_port=True)
        threading.Thread(target=self._accept, args=(self._listening, self._stopping), daemon=True).start()

    def kill(self) -> None:
        """As when the camera loses power: every connection ends."""
        self._stopping.set()
        if self._listening is not None:
            _shut(self._listening)
        for connection in self._open:
            _shut(connection)
        self._open.clear()
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _accept(self, listening: socket.socket, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                reader, _ = listening.accept()
                server = socket.create_connection((HOST, self._server_port))
            except OSError:
                return
            self._open += [reader, server]
            threading.Thread(target=self._to_server, args=(reader, server), daemon=True).start()
            threading.Thread(target=self._to_reader, args=(server, reader, stopping), daemon=True).start()

    def _to_reader(self, server: socket.socket, reader: socket.socket, stopping: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while received := server.recv(700):  # less than a packet
                while self.silent.is_set() and not stopping.wait(_STEP_S):
                    pass
                start = received.find(b"$\0") if self._tcp == "mute" else -1
                reader.sendall(received if start < 0 else received[:start])
                if start >= 0:
                    stopping.wait()
        _shut(reader)

    def _to_server(self, reader: socket.socket, server: socket.socket) -> None:
        """One request after another; those without the login are answered here."""
        waiting = b""
        with contextlib.suppress(OSError):
            while received := reader.recv(4096):
                waiting += received
                while waiting.startswith(b"$") and len(waiting) >= 4:  # a receiver's report, not a request
                    waiting = waiting[4 + int.from_bytes(waiting[2:4], "big") :]
                while b"\r\n\r\n" in waiting and not waiting.startswith(b"$"):
                    request, waiting = waiting.split(b"\r\n\r\n", 1)
                    text = request.decode()
                    method = text.split(" ", 1)[0]
                    if method == "DESCRIBE" and self._describe:
                        reader.sendall(_answer(text, self._describe))
                    elif method == "SETUP" and "/TCP" in _header(text, "Transport") and self._tcp in ("refused", "cut"):
                        self.transports.add("RTP/AVP/TCP")
                        if self._tcp == "cut":
                            _shut(reader)
                            return
                        reader.sendall(_answer(text, "461 Unsupported Transport"))
                    elif self._may(text):
                        self.requests.append(method)
                        if method == "SETUP":
                            self.transports.add(_header(text, "Transport").split(";")[0])
                        server.sendall(request + b"\r\n\r\n")
                    else:
                        self.requests.append(f"401 {method}")
                        while self.silent.is_set() and not self._stopping.wait(_STEP_S):
                            pass
                        reader.sendall(self._refusal(text).encode())
        _shut(server)

    def _refusal(self, request: str) -> str:
        nonce = f', nonce="{NONCE}"' if self._scheme == "Digest" else ""
        sequence = _header(request, "CSeq")
        challenge = f'WWW-Authenticate: {self._scheme} realm="{REALM}"{nonce}'
        return f"RTSP/1.0 401 Unauthorized\r\nCSeq: {sequence}\r\n{challenge}\r\n\r\n"

    def _may(self, request: str) -> bool:
        given = _header(request, "Authorization")
        if not self._user or request.startswith("OPTIONS"):
            return True
        if self._scheme == "Basic":
            return given == "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        fields = dict(re.findall(r'(\w+)="([^"]*)"', given))
        first = _md5(f"{self._user}:{REALM}:{self._password}")
        second = _md5(f"{request.split(' ', 1)[0]}:{fields.get('uri')}")
        return fields.get("response") == _md5(f"{first}:{NONCE}:{second}")


class SilentServer:
    """Accepts connections and never says a word: a camera that has crashed while its network goes on."""

    def __enter__(self) -> SilentServer:
        self._listening = socket.create_server((HOST, 0))
        self.port = self._listening.getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()


def _header(request: str, name: str) -> str:
    found = re.search(rf"^{name}: *(.*?)\r?$", request, re.MULTILINE | re.IGNORECASE)
    return found.group(1) if found else ""


def _answer(request: str, status: str) -> bytes:
    return f"RTSP/1.0 {status}\r\nCSeq: {_header(request, 'CSeq')}\r\n\r\n".encode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def serve(port: int) -> None:
    """Runs in a process of its own: PyAV and OpenCV each bring an FFmpeg."""
    import rtsp
    from PIL import Image

    picture = Image.new("RGB", (320, 240), (255, 0, 0))
    picture.paste((0, 0, 255), (160, 0, 320, 240))
    with rtsp.Source(f"rtsp://{HOST}:{port}/live", fps=15) as source:
        source.put(picture)
        source.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
