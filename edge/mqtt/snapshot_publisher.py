"""Publishes the latest snapshot of each camera, retained, and clears it where it is not to be there any more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge.config import Config
from edge.mqtt import Acknowledgement, Message, MqttClient, Receipt
from edge.store.snapshots import Snapshot
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.system.worker import Worker

IDLE_S = 1.0
PATIENCE = 2
"""Snapshots in a row that the broker may refuse, or lose its connection over, before there are pauses."""
LEAST_PAUSE_S = 30.0
"""The broker may end the connection over each attempt (MQTT 3.1.1), and events are on it, too."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class _Sent:
    camera: str
    jpeg: bytes
    """Empty: the topic is cleared."""


class SnapshotPublisher(Part):
    """The thread `snapshot-sender`. One picture of each camera waits at most, and one is on its way, so that events on
    the same connection never wait behind more than that."""

    doing = "the snapshots for the broker"
    stop_s = 0.5

    def __init__(
        self,
        client: MqttClient,
        config: Config,
        *,
        on_failure: Callable[[BaseException], None],
        backoff: Backoff | None = None,
    ) -> None:
        """Call it before the client is started."""
        self._client = client
        self._config = config
        self._lock = threading.Lock()
        """Guards what follows."""
        self._due: dict[str, bytes] = {}
        """By camera, what its topic is to hold."""
        self._held_since: dict[str, float | None] = {}
        """Cameras whose topic may hold a picture; when the broker took it, in monotonic seconds."""
        self._backoff = backoff or Backoff(first_s=60.0, cap_s=600.0)
        self._not_before = 0.0
        self._failures = 0
        self._problem: str | None = None
        self._answers: queue.SimpleQueue[Acknowledgement] = queue.SimpleQueue()
        """Emptied at least each `IDLE_S`."""
        self._sent: tuple[Receipt, _Sent] | None = None
        self._worker = Worker("snapshot-sender", self._work, on_failure=on_failure)
        client.add_listener(self)

    def apply(self, config: Config) -> None:
        """From any thread: a picture that is not to be published any more is cleared before anything else is sent."""
        with self._lock:
            before, self._config = self._config, config
            gone = set(before.cameras) if not config.publishes_snapshots else set(before.cameras) - set(config.cameras)
            if before.publishes_snapshots:
                self._due.update(dict.fromkeys(gone, b""))
            self._not_before = 0.0
        self._worker.wake()

    def start(self) -> None:
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        """Sends what waits, if there is a connection."""
        self._worker.stop(deadline)

    def take(self, snapshot: Snapshot) -> None:
        """From any thread. Returns at once."""
        with self._lock:
            if self._config.publishes_snapshots and snapshot.camera in self._config.cameras:
                self._due[snapshot.camera] = snapshot.jpeg
        self._worker.wake()

    def status(self) -> PartStatus:
        return PartStatus([self._problem] if self._problem is not None else [])

    def connection_changed(self) -> None:
        self._worker.wake()

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        self._answers.put(acknowledgement)
        if self._sent is not None:
            self._worker.wake()

    def _work(self, now: float) -> float:
        with self._lock:
            self._take_answers(now)
            self._clear_old(now)
            if self._sent is None and self._due and self._client.connection is not None and now >= self._not_before:
                self._send()
        return IDLE_S

    def _send(self) -> None:
        # What is to be cleared comes first.
        camera = min(self._due, key=lambda name: (len(self._due[name]) > 0, name))
        jpeg = self._due.pop(camera)
        expiry_s = min(round(self._config.snapshots.keep_days * DAY_S), 2**32 - 1) if jpeg else None
        message = Message(self._client.topics.snapshot(camera), jpeg, retain=True, expiry_s=expiry_s)
        self._held_since[camera] = None
        receipt = self._client.publish(message)
        if receipt is None:
            self._due[camera] = jpeg
        else:
            self._sent = receipt, _Sent(camera, jpeg)

    def _take_answers(self, now: float) -> None:
        while not self._answers.empty():
            answer = self._answers.get()
            if self._sent is None or self._sent[0] != answer.receipt:
                continue
            sent, self._sent = self._sent[1], None
            if answer.refusal is not None:
                self._fail(sent, answer.refusal, now)
                continue
            self._failures, self._problem = 0, None
            self._backoff.reset()
            if sent.jpeg:
                self._held_since[sent.camera] = now
            else:
                self._held_since.pop(sent.camera, None)
        if self._sent is not None and self._client.connection != self._sent[0].connection:
            sent, self._sent = self._sent[1], None
            self._due.setdefault(sent.camera, sent.jpeg)
            self._fail(sent, "the connection was lost over it", now)

    def _fail(self, sent: _Sent, reason: str, now: float) -> None:
        self._failures += 1
        if self._failures >= PATIENCE:
            self._not_before = now + LEAST_PAUSE_S + self._backoff.next()
            self._problem = (
                f"the broker does not take snapshots on {self._client.topics.snapshot(sent.camera)}: {reason}; let "
                "this device's user write there, raise the broker's limit on packets, or set snapshots.publish to false"
            )

    def _clear_old(self, now: float) -> None:
        """What the device has deleted by its age, the broker has not to keep either (MQTT 3.1.1 knows no expiry)."""
        keep_s = self._config.snapshots.keep_days * DAY_S
        for camera, since in self._held_since.items():
            if since is not None and now - since > keep_s and camera not in self._due:
                self._due[camera] = b""
