"""A network camera for tests: a real HTTP server that streams MJPEG, and can fall silent, hang up or go away."""

from __future__ import annotations

import http.server
import itertools
import threading
from collections.abc import Sequence
from types import TracebackType

import cv2
import numpy as np

_BOUNDARY = "maskdframe"


def two_halves() -> bytes:
    """A JPEG of 64x48 pixels, red on the left half and blue on the right."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = (0, 0, 255)  # BGR, as OpenCV writes it
    picture[:, 32:] = (255, 0, 0)
    return cv2.imencode(".jpg", picture)[1].tobytes()


class MjpegServer:
    """Streams JPEG pictures, one after another and again from the first, on http://127.0.0.1:<port>/."""

    def __init__(self, port: int = 0, fps: float = 25.0, pictures: Sequence[bytes] = ()) -> None:
        """Without `pictures` it streams two_halves()."""
        self.silent = threading.Event()
        self.sent = 0
        """Pictures sent, to all readers together."""
        self._pictures = pictures or [two_halves()]
        self._stopping = threading.Event()
        self._interval = 1 / fps
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.serve(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server calls it so
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/stream.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> MjpegServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def serve(self, request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        request.end_headers()
        try:
            for jpeg in itertools.cycle(self._pictures):
                if self._stopping.wait(self._interval):
                    return
                if not self.silent.is_set():
                    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    request.wfile.write(head.encode() + jpeg + b"\r\n")
                    self.sent += 1
        except OSError:
            pass  # the reader has gone
