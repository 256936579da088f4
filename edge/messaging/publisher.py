"""Publishes what is retained: the device's status and the counts of each window."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from edge.compliance import Transition
from edge.messaging.mqtt import Acknowledgement, Message, MqttClient
from edge.messaging.reports import Status, Window
from edge.messaging.windows import WindowCounts


class Publisher:
    """The thread `status`: a status every `status_interval_s` and on every new connection, and each window at its end.

    A window that ends while there is no connection is published on the next one, unless a newer one has ended by then.
    """

    def __init__(
        self,
        client: MqttClient,
        counts: WindowCounts,
        status: Callable[[], Status],
        *,
        status_interval_s: float,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """`status` is called in this thread; `on_failure` hears, in this thread, of the error that ended it."""
        self._client = client
        self._counts = counts
        self._status = status
        self._status_interval_s = status_interval_s
        self._on_failure = on_failure
        self._lock = threading.Lock()
        """Guards the counts, which the vision thread adds to."""
        self._unpublished: dict[str, Window] = {}
        """The latest window of each camera that has not been handed over."""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._connection: int | None = None
        self._next_status_at = 0.0
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        """Before the client is started."""
        self._client.add_listener(self)
        self._thread.start()

    def stop(self, timeout: float = 1.0) -> None:
        """Publishes the window that is not over yet, so that a short run leaves its counts, and ends the thread."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def observe(self, transitions: Sequence[Transition]) -> None:
        """From any thread."""
        with self._lock:
            for transition in transitions:
                self._counts.observe(transition)

    def connection_changed(self) -> None:
        self._wake.set()

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        """Nothing hangs on these: a newer status follows soon."""

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step(time.monotonic())
                self._wake.wait(1.0)
                self._wake.clear()
            self._close_window(time.monotonic())
            self._publish_windows()
        except BaseException as error:  # noqa: BLE001
            self._on_failure(error)

    def _step(self, now: float) -> None:
        if self._counts.is_over(now):
            self._close_window(now)
        if self._client.connection != self._connection:
            self._connection = self._client.connection
            self._next_status_at = now
        if self._connection is None:
            return
        self._publish_windows()
        if now >= self._next_status_at:
            status = self._status()
            self._client.publish(
                Message(self._client.topics.status, status.to_json(), retain=True, schema=status.schema_name)
            )
            self._next_status_at = now + self._status_interval_s

    def _close_window(self, now: float) -> None:
        with self._lock:
            windows = self._counts.close(now, wall_offset=time.time() - now)
        self._unpublished.update({window.camera: window for window in windows})

    def _publish_windows(self) -> None:
        for camera, window in list(self._unpublished.items()):
            topic = self._client.topics.compliance(camera)
            message = Message(topic, window.to_json(), retain=True, schema=window.schema_name)
            if self._client.publish(message) is None:
                return
            del self._unpublished[camera]
