"""Publishes what is retained: the device's status, who is there, and the counts of each window."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence

from edge.config import Config
from edge.mqtt import Acknowledgement, Message, MqttClient, Receipt
from edge.payloads.payload import timestamp
from edge.payloads.reports import Presence, Status, Window
from edge.people.presence import PresenceCounts
from edge.people.transition import Transition
from edge.people.windows import WindowCounts
from edge.system.deadline import Deadline
from edge.system.part import Part
from edge.system.worker import Worker

LOOK_S = 1.0
"""How often the device's state is looked at for news."""
PRESENCE_PAUSE_S = 0.1
"""Least time between two messages about who is before a camera."""
UNACKNOWLEDGED_LIMIT = 20
"""Messages about presence that a broker may leave unanswered before it gets no more of them."""
PRESENCE_REFRESH_S = 3600.0
"""Presence is said again, since the broker forgets it after `EXPIRY_S`."""
EXPIRY_S = 24 * 3600
"""A device that was taken away leaves nothing behind at the broker for longer (MQTT 5)."""


class Publisher(Part):
    """The thread `status`.

    A status goes out every `mqtt.status_interval_s`, on every new connection and within a second of news, and with it
    whether each camera gives pictures; presence on every change and every new connection; each window at its end. A
    window that ends while there is no connection is published on the next one, unless a newer one has ended by then.
    The thread also sees to it that the connection's own thread lives.
    """

    doing = "what is published about people and windows"

    def __init__(
        self,
        client: MqttClient,
        config: Config,
        status: Callable[[], Status],
        *,
        on_failure: Callable[[BaseException], None],
        on_window: Callable[[], None] = lambda: None,
    ) -> None:
        """Call it before the client is started.

        `status` is called in this thread, and `on_window` when a window has ended; `on_failure` hears, in this thread,
        of the error that ended it."""
        self._client = client
        self._config = config
        self._status = status
        self._on_window = on_window
        self._lock = threading.Lock()
        """Guards what follows, which the vision thread adds to."""
        self._counts = WindowCounts(
            config.device, _enabled(config), window_s=config.counting_window_s, now=time.monotonic()
        )
        self._presence = PresenceCounts(config.device)
        self._presence_due = set(config.cameras)
        """Cameras whose presence is to be published."""
        self._unpublished: dict[str, Window] = {}
        """The latest window of each camera that has not been handed over."""
        self._answered: queue.SimpleQueue[Receipt] = queue.SimpleQueue()
        """Emptied at least each `LOOK_S`."""
        self._unanswered: set[Receipt] = set()
        self._connection: int | None = None
        self._next_presence_at = 0.0
        self._next_refresh_at = 0.0
        self._next_look_at = 0.0
        self._next_status_at = 0.0
        self._telling = threading.Lock()
        """Held while a status is made and handed over, so that an older one never follows a newer one."""
        self._told: object = None
        """The news of the latest status."""
        self._worker = Worker("status", self._work, on_failure=on_failure, on_stop=self._finish)
        client.add_listener(self)

    def start(self) -> None:
        self._worker.start()

    def stop(self, deadline: Deadline | None = None) -> None:
        """Ends the thread. Last it publishes the window that is not over yet, so that a short run leaves its counts,
        and the status, where it has news: what was lost at the end."""
        self._worker.stop(deadline)

    def apply(self, config: Config) -> None:
        """From any thread: from now on this configuration holds."""
        with self._lock:
            if config.mqtt.status_interval_s != self._config.mqtt.status_interval_s:
                self._next_status_at = 0.0
            self._config = config
            self._counts.window_s = config.counting_window_s
            self._counts.watch(_enabled(config))
            self._presence_due = set(config.cameras)
            self._next_look_at = self._next_presence_at = 0.0
        self._worker.wake()

    def republish(self) -> None:
        """From any thread: says status and presence again."""
        with self._lock:
            self._presence_due = set(self._config.cameras)
            self._told = None
            self._next_look_at = 0.0
        self._worker.wake()

    def tell_status(self) -> None:
        """From any thread: the status, as it is now, is handed to the broker before this returns, if there is one."""
        with self._telling:
            self._tell(self._status())

    def observe(self, transitions: Sequence[Transition]) -> None:
        """From any thread."""
        if not transitions:
            return
        with self._lock:
            for transition in transitions:
                self._counts.observe(transition)
                self._presence.observe(transition)
                self._presence_due.add(transition.camera)
        self._worker.wake()

    def connection_changed(self) -> None:
        self._worker.wake()

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        self._answered.put(acknowledgement.receipt)

    def _work(self, now: float) -> float:
        self._step(now)
        return PRESENCE_PAUSE_S if self._presence_due and self._connection is not None else LOOK_S

    def _finish(self) -> None:
        self._close_window(time.monotonic())
        self._publish_windows()
        self._publish_presence()
        with self._telling:
            status = self._status()
            if _news(status) != self._told:
                self._tell(status)

    def _step(self, now: float) -> None:
        self._client.ensure_alive()
        while not self._answered.empty():
            self._unanswered.discard(self._answered.get())
        if self._counts.is_over(now):
            self._close_window(now)
        if self._client.connection != self._connection:
            self._connection = self._client.connection
            self._next_status_at = self._next_refresh_at = now
            self._unanswered.clear()
        if self._connection is None:
            return
        if now >= self._next_refresh_at:
            self._next_refresh_at = now + PRESENCE_REFRESH_S
            with self._lock:
                self._presence_due = set(self._config.cameras)
        self._publish_windows()
        if now >= self._next_presence_at:
            self._next_presence_at = now + PRESENCE_PAUSE_S
            self._publish_presence()
        if now >= min(self._next_look_at, self._next_status_at):
            self._publish_status(now)

    def _publish_status(self, now: float) -> None:
        self._next_look_at = now + LOOK_S
        with self._telling:
            status = self._status()
            if now >= self._next_status_at or _news(status) != self._told:
                self._tell(status)
                self._next_status_at = now + self._config.mqtt.status_interval_s

    def _tell(self, status: Status) -> None:
        topics, validity_s = self._client.topics, 2 * self._config.mqtt.status_interval_s
        self._retain(topics.status, status, validity_s)
        for name, camera in status.cameras.items():
            self._retain_text(topics.camera(name), b"online" if camera.connected else b"offline", validity_s)
        self._told = _news(status)

    def _publish_presence(self) -> None:
        topics = self._client.topics
        for camera in sorted(self._presence_due):
            if len(self._unanswered) >= UNACKNOWLEDGED_LIMIT:
                return  # a newer state takes the place of what waits
            with self._lock:
                self._presence_due.discard(camera)
                is_private = self._config.privacy == "aggregate" or camera not in self._config.cameras
                presence = None if is_private else self._presence.presence(camera, timestamp(time.time()))
            receipt = self._retain(topics.presence(camera), presence)
            if receipt is None:
                return  # all of them are due on the next connection
            self._unanswered.add(receipt)

    def _close_window(self, now: float) -> None:
        with self._lock:
            windows = self._counts.close(now, wall_offset=time.time() - now)
            windows = [window for window in windows if window.camera in self._config.cameras]
        self._unpublished.update({window.camera: window for window in windows})
        self._on_window()

    def _publish_windows(self) -> None:
        for camera, window in list(self._unpublished.items()):
            validity_s = 2 * self._config.counting_window_s
            if self._retain(self._client.topics.compliance(camera), window, validity_s) is None:
                return
            del self._unpublished[camera]

    def _retain(self, topic: str, payload: Status | Presence | Window | None, validity_s: float = 0) -> Receipt | None:
        """None where there is no connection. Without a payload the topic is cleared."""
        if payload is None:
            return self._client.publish(Message(topic, b"", retain=True))
        expiry_s = _expiry_s(validity_s)
        message = Message(topic, payload.to_json(), retain=True, schema=payload.schema_name, expiry_s=expiry_s)
        return self._client.publish(message)

    def _retain_text(self, topic: str, text: bytes, validity_s: float) -> None:
        self._client.publish(
            Message(topic, text, retain=True, content_type="text/plain", expiry_s=_expiry_s(validity_s))
        )


def _expiry_s(validity_s: float) -> int:
    return min(max(EXPIRY_S, math.ceil(validity_s)), 2**32 - 1)


def _enabled(config: Config) -> list[str]:
    return [name for name, camera in config.cameras.items() if camera.enabled]


def _news(status: Status) -> object:
    """What is worth a status at once when it changes."""
    cameras = {name: (camera.enabled, camera.connected) for name, camera in status.cameras.items()}
    return status.problems, status.privacy, cameras
