"""A small MQTT broker inside the demo's own process, and a subscriber for it.

Only for the demo: it keeps everything in memory, lets everyone in and listens on loopback. amqtt speaks MQTT 3.1.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import socket
from types import TracebackType
from typing import Any, NamedTuple

from edge.commands.demo.loop_thread import LoopThread
from edge.errors import MaskdError

HOST = "127.0.0.1"
PROTOCOL = "3.1.1"
"""What a client of this broker has to speak."""
QUEUE_LENGTH = 10_000
ATTEMPTS = 5
DRAIN_S, DRAIN_POLL_S = 5.0, 0.02


class Message(NamedTuple):
    topic: str
    payload: bytes


class Broker:
    """An amqtt broker on a free port of 127.0.0.1, from `start` (or `with`) to `stop`."""

    def __init__(self) -> None:
        self.port = 0
        self._thread = LoopThread("demo-broker")
        self._broker: Any = None

    def start(self) -> None:
        """Returns when clients can connect. Raises MaskdError where amqtt is missing or no port is to be had."""
        _require_amqtt()
        self._thread.start()
        for attempt in range(ATTEMPTS):
            self.port = _free_port()
            try:
                self._broker = self._thread.call(self._open(self.port), timeout_s=15)
            except Exception as error:
                # Another program may have taken the port since it was found free.
                if attempt == ATTEMPTS - 1:
                    self._thread.stop()
                    raise MaskdError(
                        f"the demo's broker cannot listen on {HOST}: {error}; check that loopback networking is allowed"
                    ) from error
            else:
                return

    def stop(self) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            # From Python 3.12 on it waits for every client to go by itself; what is left is cancelled below.
            with contextlib.suppress(Exception):
                self._thread.call(broker.shutdown(), timeout_s=3)
        self._thread.stop()

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _open(self, port: int) -> Any:
        broker = _thorough_broker()(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        return broker


def _thorough_broker() -> Any:
    """amqtt's broker, which passes on what it has acknowledged even if the sender then leaves.

    By itself it forgets such messages (seen with amqtt 0.11.3 and 0.12.1 as soon as the machine is busy), and the
    daemon's last messages are the `ended` of the people still in view.
    """
    from amqtt.broker import Broker as AmqttBroker

    class ThoroughBroker(AmqttBroker):  # type: ignore[misc]
        async def stream_connected(self, reader: Any, writer: asyncio.StreamWriter, listener_name: str) -> None:
            try:
                await super().stream_connected(reader, writer, listener_name)
            finally:
                writer.close()  # amqtt leaves it open where it is cancelled

        async def _client_message_loop(self, session: Any, handler: Any) -> None:
            wait_disconnect = handler.wait_disconnect

            async def wait_until_all_is_passed_on() -> Any:
                packet = await wait_disconnect()
                for _ in range(round(DRAIN_S / DRAIN_POLL_S)):
                    if session.delivered_message_queue.empty():
                        break
                    await asyncio.sleep(DRAIN_POLL_S)
                # The last one has left the queue and is on its way.
                await asyncio.sleep(DRAIN_POLL_S)
                return packet

            handler.wait_disconnect = wait_until_all_is_passed_on
            await super()._client_message_loop(session, handler)

    return ThoroughBroker


class Subscriber:
    """Collects what is published on some topics of the demo's broker, from `start` (or `with`) to `stop`."""

    def __init__(self, port: int, *topics: str) -> None:
        self.messages: queue.Queue[Message] = queue.Queue(QUEUE_LENGTH)
        self.dropped = 0
        """Messages that came while the queue was full."""
        self._port = port
        self._topics = topics
        self._thread = LoopThread("demo-subscriber")
        self._client: Any = None

    def start(self) -> None:
        """Returns when the subscription holds. Raises MaskdError if amqtt is missing or there is no answer."""
        _require_amqtt()
        self._thread.start()
        try:
            self._client = self._thread.call(self._connect(), timeout_s=15)
        except Exception as error:
            self._thread.stop()
            raise MaskdError(f"the demo's broker does not answer on {HOST}, port {self._port}: {error}") from error
        self._thread.spawn(self._collect())

    def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                self._thread.call(client.disconnect(), timeout_s=3)
        self._thread.stop()

    def __enter__(self) -> Subscriber:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _connect(self) -> Any:
        from amqtt.client import MQTTClient

        client = MQTTClient(
            config={
                "auto_reconnect": False,
                # Without a list of plug-ins amqtt takes every one that is installed, and warns about it.
                "plugins": {"amqtt.plugins.logging_amqtt.PacketLoggerPlugin": {}},
            }
        )
        await client.connect(f"mqtt://{HOST}:{self._port}/")
        await client.subscribe([(topic, 1) for topic in self._topics])
        return client

    async def _collect(self) -> None:
        while True:
            message = await self._client.deliver_message()
            if message is None:
                return
            try:
                self.messages.put_nowait(Message(message.topic, bytes(message.data)))
            except queue.Full:
                self.dropped += 1


def _require_amqtt() -> None:
    try:
        import amqtt
    except ImportError as error:
        raise MaskdError("the demo needs the small broker amqtt, which is not installed: pip install amqtt") from error
    # It reports every client that goes as a warning, and each plug-in that it loads.
    for name in (amqtt.__name__, "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
