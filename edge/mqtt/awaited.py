"""Publishes a message and waits for the broker's answer, for whoever has a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from enum import Enum, auto

from edge.mqtt.client import MqttClient
from edge.mqtt.messages import Acknowledgement, Message


class _Sign(Enum):
    CHANGED = auto()
    """The connection began or ended."""
    INTERRUPTED = auto()


class Unanswered(Enum):
    """Why there is no answer."""

    NO_CONNECTION = auto()
    """Nothing was sent."""
    LOST = auto()
    """The connection ended."""
    LATE = auto()
    INTERRUPTED = auto()


class Wait:
    """One wait at a time, which another thread may interrupt."""

    def __init__(self) -> None:
        self.signs: queue.SimpleQueue[Acknowledgement | _Sign] = queue.SimpleQueue()

    def interrupt(self) -> None:
        """From any thread."""
        self.signs.put(_Sign.INTERRUPTED)

    def begin(self) -> None:
        """What came before counts no more."""
        while not self.signs.empty():
            self.signs.get()


class AwaitedPublisher:
    """Listens to the client; make it before the client is started."""

    def __init__(self, client: MqttClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        """Guards changes of what follows; the connection's thread takes no lock, and reads it as it is."""
        self._waits: tuple[Wait, ...] = ()
        self._watchers: tuple[Callable[[], None], ...] = ()
        client.add_listener(self)

    @property
    def is_connected(self) -> bool:
        return self._client.connection is not None

    def watch(self, watcher: Callable[[], None]) -> None:
        """`watcher` is called in the connection's thread whenever the connection begins or ends."""
        with self._lock:
            self._watchers = (*self._watchers, watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        with self._lock:
            self._watchers = tuple(each for each in self._watchers if each != watcher)

    def publish(self, message: Message, wait: Wait, timeout_s: float) -> Acknowledgement | Unanswered:
        """Returns the broker's answer, or why there is none. Call `wait.begin` before it."""
        with self._lock:
            self._waits = (*self._waits, wait)
        try:
            return self._publish(message, wait, time.monotonic() + timeout_s)
        finally:
            with self._lock:
                self._waits = tuple(each for each in self._waits if each is not wait)

    def discard(self, reason: str) -> None:
        """What was handed over and has not been sent is not sent: the connection ends."""
        self._client.drop(reason, discard=True)

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        for wait in self._waits:
            wait.signs.put(acknowledgement)

    def connection_changed(self) -> None:
        for wait in self._waits:
            wait.signs.put(_Sign.CHANGED)
        for watcher in self._watchers:
            watcher()

    def _publish(self, message: Message, wait: Wait, until: float) -> Acknowledgement | Unanswered:
        receipt = self._client.publish(message)
        if receipt is None:
            return Unanswered.NO_CONNECTION
        while True:
            try:
                sign = wait.signs.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return Unanswered.LATE
            if isinstance(sign, Acknowledgement):
                if sign.receipt == receipt:
                    return sign
            elif sign is _Sign.INTERRUPTED:
                return Unanswered.INTERRUPTED
            elif self._client.connection != receipt.connection:
                return Unanswered.LOST
