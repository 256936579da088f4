"""A broker of a few lines, for what no real one can be made to say."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from tests.support.mosquitto import HOST

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ = 0x10, 0x20, 0x30, 0x40, 0x82, 0x90, 0xC0


class FakeBroker:
    """Answers each packet of each client, one client after another, with what `answer(kind, body)` returns: raw bytes,
    or None to close the connection. `kind` is the packet's first byte, of a PUBLISH without its flags."""

    def __init__(self, answer: Callable[[int, bytes], bytes | None], *, pause_s: float = 0.0) -> None:
        """`pause_s`: after each byte that it sends."""
        self.kinds: list[int] = []
        """Of every packet that came."""
        self._answer = answer
        self._pause_s = pause_s
        self._listener = socket.create_server((HOST, 0))
        self.host, self.port = self._listener.getsockname()
        self._thread = threading.Thread(target=self._serve, name="fake-broker", daemon=True)

    def __enter__(self) -> FakeBroker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._talk(connection)
                except (OSError, IndexError):
                    continue

    def _talk(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while True:
            kind = stream.read(1)[0]
            length, shift, byte = 0, 0, 128
            while byte & 128:
                byte = stream.read(1)[0]
                length |= (byte & 127) << shift
                shift += 7
            body = stream.read(length)
            kind = PUBLISH if kind & 0xF0 == PUBLISH else kind
            self.kinds.append(kind)
            answer = self._answer(kind, body)
            if answer is None:
                return
            if not self._pause_s:
                connection.sendall(answer)
                continue
            for byte in answer:
                connection.sendall(bytes([byte]))
                time.sleep(self._pause_s)


def connack(reason: int = 0, properties: bytes = b"") -> bytes:
    """An MQTT 5 broker's word on whether it lets a client in."""
    body = bytes([0, reason, len(properties)]) + properties
    return bytes([CONNACK, len(body)]) + body


def suback(subscribe: bytes, reason: int) -> bytes:
    """The answer to the body of a SUBSCRIBE for one topic (MQTT 5)."""
    return bytes([SUBACK, 4]) + subscribe[:2] + bytes([0, reason])


def puback(publish: bytes) -> bytes:
    """The answer to the body of a PUBLISH with QoS 1 (MQTT 5)."""
    topic_length = int.from_bytes(publish[:2], "big")
    return bytes([PUBACK, 2]) + publish[2 + topic_length : 4 + topic_length]
