"""A broker that lets a client in and then sends what no broker should."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.support.fake_broker import CONNECT, PUBLISH, SUBSCRIBE, connack, puback, suback
from tests.support.mosquitto import HOST

SET_TOPIC = b"maskd/lobby/door/min_score/set"
Flood = Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Hostility:
    name: str
    flood: Flood
    """Made for each connection."""
    reads: bool = True
    """Whether it takes what the client sends meanwhile."""


class HostileBroker:
    """Answers as MQTT 5 wants it, and floods each client once it has subscribed to something. One client at a time."""

    def __init__(self, hostility: Hostility) -> None:
        self.hostility: Hostility | None = hostility
        """None: it behaves from the next connection on."""
        self.floods = 0
        """Times that a flood was sent to its end, or ended with its connection."""
        self.sent = 0
        """Bytes of all floods."""
        self.published: list[bytes] = []
        """Topics of what it was sent since it behaves."""
        self._listener = socket.create_server((HOST, 0))
        self.host, self.port = self._listener.getsockname()
        self._thread = threading.Thread(target=self._serve, name="hostile-broker", daemon=True)
        self._connection: socket.socket | None = None
        self._hung_up = threading.Event()
        if not hostility.reads:  # else the kernel would take megabytes of answers before the client has to keep one
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def __enter__(self) -> HostileBroker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        self._thread.join(10)

    def hang_up(self) -> None:
        self._hung_up.set()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                self._connection, _ = self._listener.accept()
            except OSError:
                return
            with self._connection:
                self._talk(self._connection, self.hostility)

    def _talk(self, connection: socket.socket, hostility: Hostility | None) -> None:
        subscribed = threading.Event()
        reader = threading.Thread(target=self._read, args=(connection, hostility, subscribed), daemon=True)
        reader.start()
        if hostility is not None:
            subscribed.wait(30)
            try:
                for data in hostility.flood():
                    connection.sendall(data)
                    self.sent += len(data)
            except OSError:
                pass
            self.floods += 1
        reader.join()

    def _read(self, connection: socket.socket, hostility: Hostility | None, subscribed: threading.Event) -> None:
        stream = connection.makefile("rb")
        try:
            while True:
                kind, body = _packet(stream)
                if kind & 0xF0 == PUBLISH and hostility is None:
                    self.published.append(body[2 : 2 + int.from_bytes(body[:2], "big")])
                answer = connack() if kind == CONNECT else suback(body, 1) if kind == SUBSCRIBE else b""
                connection.sendall(puback(body) if kind & 0xF0 == PUBLISH else answer)
                if kind == SUBSCRIBE:
                    subscribed.set()
                    if hostility is not None and not hostility.reads:
                        connection.recv(1, socket.MSG_PEEK)
                        self._hung_up.wait(60)
        except (OSError, IndexError, ValueError):
            subscribed.set()


def _packet(stream: object) -> tuple[int, bytes]:
    read: Callable[[int], bytes] = stream.read  # type: ignore[attr-defined]
    kind = read(1)[0]
    length, shift, byte = 0, 0, 128
    while byte & 128:
        byte = read(1)[0]
        length |= (byte & 127) << shift
        shift += 7
    return kind, read(length)


def packet(kind: int, body: bytes) -> bytes:
    length, size = b"", len(body)
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([kind]) + length + body


def publish(payload: bytes, *, qos: int = 0, mid: int = 1, retain: bool = False, properties: bytes = b"") -> bytes:
    """Of MQTT 5, on a topic that commands come by."""
    number = mid.to_bytes(2, "big") if qos else b""
    head = len(SET_TOPIC).to_bytes(2, "big") + SET_TOPIC + number + _length(len(properties)) + properties
    return packet(0x30 | qos << 1 | retain, head + payload)


def _length(size: int) -> bytes:
    return packet(0, bytes(size))[1 : -size or None]


def _ids(kind: int, rest: bytes, count: int = 15_000) -> Flood:
    return lambda: (packet(kind, mid.to_bytes(2, "big") + rest) for mid in range(1, count))


def _same(data: bytes, count: int) -> Flood:
    return lambda: (data * 100 for _ in range(count // 100))


def _unreleased() -> Iterator[bytes]:
    for mid in range(1, 10_000):
        yield publish(bytes(4000), qos=2, mid=mid)


def _released() -> Iterator[bytes]:
    for mid in range(1, 8_000):
        yield publish(bytes(4000), qos=2, mid=mid) + packet(0x62, mid.to_bytes(2, "big"))


def _garbage() -> Iterator[bytes]:
    yield random.Random(1).randbytes(1_000_000)


_USER_PROPERTY = b"\x26\x00\x01k" + (50_000).to_bytes(2, "big") + b"v" * 50_000

HOSTILITIES = [
    Hostility("QoS 2 that is never released", _unreleased),
    Hostility("QoS 2", _released),
    Hostility("PUBREL for unknown ids", _ids(0x62, b"")),
    Hostility("SUBACK for unknown ids", _ids(0x90, b"\x00\x01")),
    Hostility("SUBACK without an answer", _ids(0x90, b"\x00")),
    Hostility("UNSUBACK for unknown ids", _ids(0xB0, b"\x00\x00")),
    Hostility("PUBACK for unknown ids", _ids(0x40, b"")),
    Hostility("PUBREC for unknown ids", _ids(0x50, b"")),
    Hostility("PUBCOMP for unknown ids", _ids(0x70, b"")),
    Hostility("PINGRESP", _same(b"\xd0\x00", 60_000)),
    Hostility("PINGREQ", _same(b"\xc0\x00", 60_000)),
    Hostility("PINGREQ, and nothing is read", _same(b"\xc0\x00", 300_000), reads=False),
    Hostility("CONNACK again and again", _same(connack(), 1_000)),
    Hostility("AUTH", _same(b"\xf0\x02\x18\x00", 1_000)),
    Hostility("DISCONNECT for an unknown reason", lambda: [b"\xe0\x01\x7e"]),
    Hostility("a packet of 256 MB", lambda: [b"\x30\xff\xff\xff\x7f" + bytes(4_000_000)]),
    Hostility("properties of 50 KB", _same(publish(b"0.5", properties=_USER_PROPERTY), 500)),
    Hostility("unknown properties", _same(publish(b"0.5", properties=b"\x7f\x00"), 1_000)),
    Hostility("a topic alias", _same(publish(b"0.5", properties=b"\x23\x00\x05"), 15_000)),
    Hostility("an alias without a topic", _same(packet(0x30, b"\x00\x00\x03\x23\x00\x050.5"), 15_000)),
    Hostility("a topic that is no text", _same(packet(0x30, b"\x00\x02\xff\xfe\x000.5"), 15_000)),
    Hostility("retained messages", _same(publish(bytes(4000), retain=True), 15_000)),
    Hostility("messages over 4 KiB", _same(publish(bytes(6000), qos=1, mid=7), 30_000)),
    Hostility("QoS 3", _same(packet(0x36, b"\x00\x01a\x00\x01\x00"), 1_000)),
    Hostility("garbage", _garbage),
]
