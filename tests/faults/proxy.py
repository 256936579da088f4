"""A TCP proxy that misbehaves on request, between the daemon and the broker."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

HOST = "127.0.0.1"
_CHUNK = 4096
REFUSAL = b"\x20\x02\x00\x01"
"""A CONNACK that says "unacceptable protocol version", as in MQTT 3.1.1."""
T = TypeVar("T")


class Direction(Enum):
    TO_BROKER = "to the broker"
    TO_DAEMON = "to the daemon"


BOTH_WAYS = frozenset(Direction)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The state of the network."""

    listening: bool = True
    """False: connecting is refused, and what was open is reset."""
    held: frozenset[Direction] = frozenset()
    """Nothing comes through that way, until it is opened again: a black hole."""
    swallowed: frozenset[Direction] = frozenset()
    """What is sent that way is gone for good."""
    delay_s: float = 0.0
    """Before each piece of up to 4 KiB is passed on."""
    bytes_per_s: float | None = None
    refuses_5: bool = False
    """A connection that asks for MQTT 5 is refused as a broker does that speaks 3.1.1 alone."""
    cut_after: Mapping[Direction, int] = field(default_factory=dict)
    """Bytes that each connection, from now on, carries that way before it is reset."""


class Proxy:
    """Leads connections to `port` on to another port of this machine. All methods may be called from any thread."""

    def __init__(self, upstream_port: int) -> None:
        self.port = 0
        self.connections = 0
        """Connections that were led through to the other side so far."""
        self._upstream_port = upstream_port
        self._conditions = Conditions()
        self._gate_open = True
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._call(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self.apply(Conditions(listening=False))
        self._call(self._finish)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def apply(self, conditions: Conditions) -> None:
        """From now on, for connections that are open and for new ones."""
        self._call(lambda: self._apply(conditions))

    def shut_gate(self) -> None:
        """Resets what is open and what comes, whatever the conditions are, until open_gate()."""
        self._call(lambda: self._set_gate(False))

    def open_gate(self) -> None:
        self._call(lambda: self._set_gate(True))

    def reset(self) -> None:
        """Cuts every connection, once."""
        self._call(self._reset)

    def inject(self, data: bytes) -> None:
        """Sends this to the daemon, as if the broker did."""
        self._call(lambda: self._inject(data))

    @property
    def conditions(self) -> Conditions:
        return self._conditions

    def _call(self, step: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await step()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _apply(self, conditions: Conditions) -> None:
        self._conditions = conditions
        for link in self._links:
            link.carried = dict.fromkeys(Direction, 0)
        if conditions.listening:
            await self._listen()
        elif self._server is not None:
            self._server.close()
            self._server = None
            await self._reset()
        self._tell()

    async def _set_gate(self, is_open: bool) -> None:
        self._gate_open = is_open
        if not is_open:
            await self._reset()

    async def _reset(self) -> None:
        for link in self._links.copy():
            link.reset()

    async def _inject(self, data: bytes) -> None:
        for link in self._links.copy():
            link.daemon.write(data)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _finish(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tell(self) -> None:
        """Wakes whoever waits for other conditions."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._gate_open:
            _abort(writer)
            return
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(HOST, self._upstream_port)
        except OSError:
            _abort(writer)
            return
        self.connections += 1
        link = _Link(writer, upstream_writer)
        if not (self._gate_open and self._conditions.listening):
            link.reset()
            return
        self._links.add(link)
        pumps = [
            asyncio.ensure_future(self._pump(link, Direction.TO_BROKER, reader, upstream_writer)),
            asyncio.ensure_future(self._pump(link, Direction.TO_DAEMON, upstream_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._links.discard(link)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            link.close()

    async def _pump(
        self, link: _Link, way: Direction, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        """Until either side hangs up, or the connection is to be cut."""
        try:
            while True:
                await self._until_open(way)
                data = await source.read(_CHUNK)
                await self._until_open(way)
                conditions = self._conditions
                seconds = conditions.delay_s + (len(data) / conditions.bytes_per_s if conditions.bytes_per_s else 0)
                if seconds:
                    await asyncio.sleep(seconds)
                if not data:
                    return
                if way in self._conditions.swallowed:
                    continue
                if self._conditions.refuses_5 and way is Direction.TO_BROKER and _asks_for_5(data):
                    link.daemon.write(REFUSAL)
                    await link.daemon.drain()
                    return
                limit = self._conditions.cut_after.get(way)
                if limit is not None and link.carried[way] + len(data) > limit:
                    target.write(data[: limit - link.carried[way]])
                    await target.drain()
                    link.reset()
                    return
                link.carried[way] += len(data)
                target.write(data)
                await target.drain()
        except OSError:
            return

    async def _until_open(self, way: Direction) -> None:
        while way in self._conditions.held:
            await self._changed.wait()


class _Link:
    """A connection that is led through."""

    def __init__(self, daemon: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.carried = dict.fromkeys(Direction, 0)
        """Bytes since the conditions were last changed."""
        self.daemon = daemon
        self._sides = (daemon, broker)

    def reset(self) -> None:
        for side in self._sides:
            _abort(side)

    def close(self) -> None:
        """Lets what was passed on arrive."""
        for side in self._sides:
            side.close()


def _asks_for_5(data: bytes) -> bool:
    """Whether a packet is a CONNECT of MQTT 5; its length takes a byte or two."""
    return data[:1] == b"\x10" and b"\x00\x04MQTT\x05" in data[:10]


def _abort(writer: asyncio.StreamWriter) -> None:
    """Closes with a reset, as a router does that has forgotten the connection."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
