"""Publishes events of the local record again, on demand, for a subscriber whose broker lost them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge.config import Config
from edge.errors import MaskdError
from edge.mqtt.event_message import event_message
from edge.mqtt.messages import Acknowledgement
from edge.mqtt.sender import Broker
from edge.payloads.payload import timestamp
from edge.payloads.resend import ResendState
from edge.store.outbox import Outbox
from edge.store.resend_job import ResendFile, ResendJob, ResendRequest
from edge.store.resend_source import Found, ResendSource
from edge.system.deadline import Deadline
from edge.system.part import Part
from edge.system.worker import Worker

PER_SECOND = 50.0
"""Events at most."""
IN_FLIGHT = 5
"""Events without an acknowledgement. While new events wait, one: they never wait behind more of these."""
SAVE_S = 5.0
"""Between two notes on the disk of how far it has come; so much is published once more after a crash."""
IDLE_S = 1.0
AGGREGATE = "privacy is aggregate, so no event about a single person is published"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Item:
    """An event that was handed over, in order."""

    found: Found
    is_done: bool = False


class Resender(Part):
    """The thread `resend`, with at most one resend at a time, which goes on after a restart."""

    doing = "the local record, which is published again"

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        config: Config,
        *,
        on_failure: Callable[[BaseException], None],
        before_events: Callable[[], None] = lambda: None,
    ) -> None:
        """Before the broker's connection is started. `before_events`: called before the first event of a connection.
        `on_failure` hears, in this thread, of the error that ended it."""
        self.on_news: Callable[[], None] = lambda: None
        """Called in any thread: a resend has begun, or has come to its end."""
        self._outbox = outbox
        self._broker = broker
        self._source = ResendSource(config.storage.path, config.mqtt.prefix)
        self._file = ResendFile(config.storage.path)
        self._before_events = before_events
        self._expiry_s = config.mqtt.event_expiry_s
        self._is_aggregate = config.privacy == "aggregate"
        self._lock = threading.RLock()
        """Guards what follows; held while an event is handed over."""
        self._job: ResendJob | None = None
        self._state = _IDLE
        self._rest: Iterator[Found] = iter(())
        self._again: deque[Found] = deque()
        """Handed over on a connection that is gone."""
        self._items: deque[_Item] = deque()
        self._receipts: dict[object, _Item] = {}
        self._connection: int | None = None
        self._next_at = 0.0
        self._save_at = 0.0
        self._answers: deque[Acknowledgement] = deque()
        """Filled while a resend runs."""
        self._worker = Worker("resend", self._work, on_failure=on_failure)
        broker.add_listener(self)

    @property
    def state(self) -> ResendState:
        """From any thread."""
        with self._lock:
            changes = {} if self._job is None else {"sent": self._job.sent, "refused": self._job.refused}
            return self._state.model_copy(update={**changes, "time": timestamp(time.time())})

    def apply(self, config: Config) -> None:
        """From its return on, nothing more is published in `aggregate`."""
        with self._lock:
            self._expiry_s = config.mqtt.event_expiry_s
            self._is_aggregate = config.privacy == "aggregate"
            if self._is_aggregate and self._job is not None:
                if self._receipts:
                    self._broker.drop(
                        "maskd reconnects without the events that it was publishing again, because privacy is "
                        "aggregate now",
                        discard=True,
                    )
                self._end("stopped", AGGREGATE)

    def start(self) -> None:
        """After the store."""
        with self._lock:
            job = self._file.read()
            if job is not None and self._is_aggregate:
                self._begin(job)
                self._end("stopped", AGGREGATE)
            elif job is not None:
                self._begin(job)
                _log.info("goes on publishing events again, from number %d: %d are done", job.begin, job.sent)
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        """What is left goes on after the next start."""
        self._worker.stop(deadline)
        with self._lock:
            if self._job is not None:
                self._file.write(self._job)
                _log.info("publishing events again from number %d goes on after the next start", self._job.begin)

    def begin(self, request: ResendRequest) -> ResendJob:
        """From any thread. Raises MaskdError."""
        self._require_free()
        counted = self._outbox.counted
        try:
            job = self._source.find(request, epoch=counted.epoch, last_row=counted.row)
        except OSError as error:
            raise MaskdError(f"the local record cannot be read: {error.strerror or error}; check that disk") from None
        with self._lock:
            self._require_free()
            self._begin(job)
            self._file.write(job)
        up_to = "the newest" if job.end is None else f"number {job.end}"
        _log.info("publishes events of the record again, from number %d to %s", job.begin, up_to)
        self._worker.wake()
        self.on_news()
        return job

    def cancel(self) -> bool:
        """From any thread; returns whether there was a resend."""
        with self._lock:
            if self._job is None:
                return False
            self._end("stopped", "it was asked to stop")
            return True

    def connection_changed(self) -> None:
        self._worker.wake()

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        if self._job is not None:
            self._answers.append(acknowledgement)
            self._worker.wake()

    def _require_free(self) -> None:
        """Raises MaskdError."""
        if self._is_aggregate:
            raise MaskdError(AGGREGATE)
        if (job := self._job) is not None:
            raise MaskdError(
                f"events are being published again from number {job.begin}, {job.sent} of them so far; wait for its "
                "end, or stop it: maskd resend --stop"
            )

    def _begin(self, job: ResendJob) -> None:
        self._job = job
        self._rest = self._source.rest(job)
        self._again.clear()
        self._items.clear()
        self._receipts.clear()
        self._answers.clear()
        self._state = _IDLE.model_copy(
            update={"state": "running", "epoch": job.epoch, "begin": job.begin, "end": job.end}
        )

    def _end(self, state: str, error: str | None = None) -> None:
        job = self._job
        assert job is not None
        self._state = self.state.model_copy(update={"state": state, "error": error})
        self._job = None
        self._receipts.clear()
        self._file.write(None)
        refused = f", {job.refused} were refused by the broker" if job.refused else ""
        why = "" if error is None else f", stopped: {error}"
        _log.info("published %d events again, from number %d%s%s", job.sent, job.begin, refused, why)
        self.on_news()

    def _work(self, now: float) -> float:
        with self._lock:
            if self._job is None:
                return IDLE_S
            self._take_answers()
            self._follow_connection()
            if self._job is not None and now >= self._save_at:
                self._save_at = now + SAVE_S
                self._file.write(self._job)
            try:
                return self._offer(now) if self._connection is not None else IDLE_S
            except OSError as error:
                self._end("stopped", f"the local record cannot be read: {error.strerror or error}")
                return IDLE_S

    def _take_answers(self) -> None:
        job = self._job
        assert job is not None
        while self._answers:
            answer = self._answers.popleft()
            item = self._receipts.pop(answer.receipt, None)
            if item is not None:
                item.is_done = True
                key = "sent" if answer.refusal is None else "refused"
                job = job.model_copy(update={key: getattr(job, key) + 1})
        while self._items and self._items[0].is_done:
            found = self._items.popleft().found
            job = job.model_copy(update={"day": found.day, "row": found.event.seq})
        self._job = job

    def _follow_connection(self) -> None:
        if self._broker.connection != self._connection:
            self._connection = self._broker.connection
            self._again.extendleft(item.found for item in reversed(self._items) if not item.is_done)
            self._items.clear()
            self._receipts.clear()
            if self._connection is not None:
                self._before_events()

    def _offer(self, now: float) -> float:
        if now < self._next_at:
            return self._next_at - now
        if len(self._receipts) >= (1 if self._outbox.depth else IN_FLIGHT):
            return IDLE_S  # an answer wakes it
        found = self._again.popleft() if self._again else next(self._rest, None)
        if found is None:
            if not self._receipts:
                self._end("done")
            return IDLE_S
        if self._waits_in_outbox(found):
            return 0.0  # it is published for the first time anyway
        receipt = self._broker.publish(event_message(found.event, self._expiry_s, resent=True))
        if receipt is None:
            self._again.appendleft(found)
            return IDLE_S
        item = _Item(found)
        self._items.append(item)
        self._receipts[receipt] = item
        self._next_at = now + 1 / PER_SECOND
        return 1 / PER_SECOND

    def _waits_in_outbox(self, found: Found) -> bool:
        row = found.event.seq
        return any(one.seq == row for one in self._outbox.pending(1, after_seq=row - 1))


_IDLE = ResendState(state="idle", epoch=None, begin=None, end=None, sent=0, refused=0, error=None, time=timestamp(0.0))
