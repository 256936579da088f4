"""Counts visits and violations, keeps the counts on disk, and publishes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime

from edge.config import Config
from edge.mqtt import Message, MqttClient
from edge.payloads.payload import timestamp
from edge.payloads.reports import Totals
from edge.people.totals import VisitTotals
from edge.people.transition import Transition
from edge.store.totals_file import TotalsFile
from edge.system.deadline import Deadline
from edge.system.part import Part
from edge.system.worker import Worker

IDLE_S = 1.0
SAVE_PAUSE_S = 10.0
"""Least time between two writes to the disk, which a power cut may lose the counts of."""
EXPIRY_S = 2 * 24 * 3600
"""The counts are published at least once a day; what was taken away is not kept for much longer (MQTT 5)."""


class TotalsPublisher(Part):
    """The thread `totals`.

    Counts are published once they are saved, so that a power cut never makes smaller what was published. With
    `privacy: aggregate` they move at the end of a window only.
    """

    doing = "the counts of visits"

    def __init__(
        self,
        client: MqttClient,
        config: Config,
        *,
        on_failure: Callable[[BaseException], None],
        today: Callable[[], date] = lambda: datetime.now().astimezone().date(),
        save_pause_s: float = SAVE_PAUSE_S,
    ) -> None:
        """Call it before the client is started.

        `on_failure` hears, in this thread, of the error that ended it. `today`: the day in the device's time zone."""
        self._client = client
        self._config = config
        self._file = TotalsFile(config.storage.path)
        self._today = today
        self._save_pause_s = save_pause_s
        self._lock = threading.Lock()
        """Guards what follows, which the thread of the events adds to."""
        self._totals = VisitTotals(None, today())
        self._is_changed = True
        """The totals differ from what was saved."""
        self._may_show = True
        """Not between a switch to `aggregate` and the end of the window, for what was counted just before."""
        self._is_due = threading.Event()
        """What was saved is to be published."""
        self._saved: list[Totals] = []
        self._connection: int | None = None
        self._save_at = 0.0
        self._worker = Worker("totals", self._work, on_failure=on_failure, on_stop=self._finish)
        client.add_listener(self)

    def start(self) -> None:
        """After the folder of the state was opened."""
        kept = self._file.read()
        with self._lock:
            self._totals = VisitTotals(kept, self._today())
        self._worker.start()

    def apply(self, config: Config) -> None:
        """From any thread."""
        with self._lock:
            self._is_changed = self._is_changed or config.cameras.keys() != self._config.cameras.keys()
            if config.privacy != self._config.privacy:
                self._may_show = config.privacy == "events"
            self._config = config
        self._worker.wake()

    def stop(self, deadline: Deadline | None = None) -> None:
        """Saves and publishes what was counted last."""
        self._worker.stop(deadline)

    def observe(self, transitions: Sequence[Transition]) -> None:
        """From any thread."""
        with self._lock:
            for transition in transitions:
                self._totals.observe(transition)
            if self._config.privacy == "events":
                self._settle()

    def window_closed(self) -> None:
        """From any thread: what was observed until now may show."""
        with self._lock:
            self._settle()
            self._may_show = True

    @property
    def saved(self) -> Sequence[Totals]:
        """From any thread: what was published last, or would be; with `aggregate`, of closed windows alone."""
        return self._saved

    def republish(self) -> None:
        """From any thread."""
        self._is_due.set()
        self._worker.wake()

    def connection_changed(self) -> None:
        self._worker.wake()

    def acknowledged(self, acknowledgement: object) -> None:
        """The counts come again with every connection, and with every change."""

    def _settle(self) -> None:
        self._is_changed = self._totals.settle(timestamp(time.time())) or self._is_changed

    def _work(self, now: float) -> float:
        with self._lock:
            self._is_changed = self._totals.turn(self._today(), now) or self._is_changed
        if now >= self._save_at:
            self._save(now)
        if self._client.connection != self._connection:
            self._connection = self._client.connection
            self._is_due.set()
        self._publish()
        return IDLE_S

    def _finish(self) -> None:
        self.window_closed()
        self._save(time.monotonic())
        self._publish()

    def _save(self, now: float) -> None:
        with self._lock:
            if not (self._is_changed and self._may_show):
                return
            self._is_changed = False
            device, moment = self._client.topics.device, timestamp(time.time())
            totals = [self._totals.totals(device, camera, moment) for camera in self._config.cameras]
            kept = self._totals.kept.model_copy(deep=True)
        self._save_at = now + self._save_pause_s
        self._file.write(kept)
        self._saved = totals
        self._is_due.set()

    def _publish(self) -> None:
        if self._connection is None or not self._is_due.is_set():
            return
        self._is_due.clear()
        for totals in self._saved:
            topic = self._client.topics.totals(totals.camera)
            message = Message(topic, totals.to_json(), retain=True, schema=totals.schema_name, expiry_s=EXPIRY_S)
            if self._client.publish(message) is None:
                return  # all of them are due on the next connection
