"""A subscriber that keeps everything a broker ever sent it, for as many brokers as come and go."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

HOST = "127.0.0.1"
_CONNACK, _PUBLISH, _SUBACK = 2, 3, 9
_RETRY_S = 0.05


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came from the broker."""

    at: float
    """Monotonic seconds."""
    topic: str
    payload: bytes
    duplicate: bool = False
    """The broker says that it may have sent this before, to us."""
    retained: bool = False


class Collector:
    """Subscribes with QoS 1 under a fixed name, with a session that outlives the connection (MQTT 3.1.1).

    paho gives a connection up at the first write that fails, with what the broker sent before still unread. A broker
    that is killed has told the daemon that it took those messages, and nobody has them then. So this client writes
    what it can and reads to the end.
    """

    def __init__(self, port: int, topic: str, journal: Path) -> None:
        """`journal` gets one line of JSON for each message."""
        self.arrivals: list[Arrival] = []
        self.subscriptions = 0
        """Times that a broker has confirmed the subscription."""
        self._port = port
        self._topic = topic
        self._journal = journal
        self._stopping = threading.Event()
        self._away = threading.Event()
        self._connected = threading.Lock()
        """Held while there is a connection."""
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(10)

    def leave(self) -> None:
        """Until come_back(): the broker keeps what comes for the session. Returns once the connection is closed."""
        self._away.set()
        with self._connected:
            pass

    def come_back(self) -> None:
        self._away.clear()

    def _run(self) -> None:
        with self._journal.open("a", encoding="utf-8") as journal:
            while not self._stopping.is_set():
                with self._connected:
                    if not self._away.is_set():
                        self._stay_connected(journal)
                self._stopping.wait(_RETRY_S)

    def _stay_connected(self, journal: TextIO) -> None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self._port), 1) as connection:
            self._serve(connection, journal)

    def _serve(self, connection: socket.socket, journal: TextIO) -> None:
        connection.settimeout(0.2)
        connection.sendall(_connect("collector"))
        buffer = bytearray()
        while not self._stopping.is_set() and not self._away.is_set():
            try:
                data = connection.recv(65536)
            except TimeoutError:
                continue
            if not data:
                return
            buffer += data
            while (packet := _take_packet(buffer)) is not None:
                self._handle(connection, *packet, journal)

    def _handle(self, connection: socket.socket, head: int, body: bytes, journal: TextIO) -> None:
        kind = head >> 4
        if kind == _CONNACK:
            connection.sendall(_subscribe(self._topic))
        elif kind == _SUBACK:
            self.subscriptions += 1
        elif kind == _PUBLISH:
            arrival, number = _published(head, body, time.monotonic())
            self.arrivals.append(arrival)
            _write_line(journal, arrival)
            if number is not None:
                # A broker that is gone has sent more before, which is still to be read.
                with contextlib.suppress(OSError):
                    connection.sendall(b"\x40\x02" + struct.pack(">H", number))


def _write_line(journal: TextIO, arrival: Arrival) -> None:
    line = {
        "at": arrival.at,
        "topic": arrival.topic,
        "payload": arrival.payload.decode("utf-8", errors="replace"),
        "duplicate": arrival.duplicate,
        "retained": arrival.retained,
    }
    journal.write(json.dumps(line) + "\n")
    journal.flush()


def _connect(name: str) -> bytes:
    """Without a clean session, and without keep-alive: a frozen broker must not cost the connection."""
    body = _text("MQTT") + bytes([4, 0]) + struct.pack(">H", 0) + _text(name)
    return bytes([0x10, len(body)]) + body


def _subscribe(topic: str) -> bytes:
    body = struct.pack(">H", 1) + _text(topic) + bytes([1])
    return bytes([0x82, len(body)]) + body


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _take_packet(buffer: bytearray) -> tuple[int, bytes] | None:
    """The first packet's first byte, and what follows its length; None where the rest has not come yet."""
    length = 0
    for index in range(1, 5):
        if len(buffer) <= index:
            return None
        length |= (buffer[index] & 0x7F) << 7 * (index - 1)
        if not buffer[index] & 0x80:
            break
    begin, end = index + 1, index + 1 + length
    if len(buffer) < end:
        return None
    packet = buffer[0], bytes(buffer[begin:end])
    del buffer[:end]
    return packet


def _published(head: int, body: bytes, at: float) -> tuple[Arrival, int | None]:
    """The message, and the number that the broker wants to see again with QoS 1."""
    (length,) = struct.unpack(">H", body[:2])
    topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
    number = None
    if head & 0x06:
        (number,) = struct.unpack(">H", rest[:2])
        rest = rest[2:]
    return Arrival(at, topic, rest, duplicate=bool(head & 0x08), retained=bool(head & 0x01)), number
