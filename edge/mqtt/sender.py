"""Hands committed events to the broker, and deletes them from the outbox once it has acknowledged them."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.config import Config
from edge.mqtt import Acknowledgement, Listener, Message, Receipt
from edge.mqtt.event_message import event_message
from edge.mqtt.refusals import Refusals
from edge.store.outbox import Outbox
from edge.store.outbox_rows import Pending
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.system.worker import Worker

log = logging.getLogger(__name__)

IDLE_S = 1.0
"""Between two looks at the outbox while nothing happens, and between two attempts to write to a disk that refuses."""
FLUSH_S = 1.5
"""Of a stop, for the broker to acknowledge what is left."""
THREAD_STOP_S = 0.5
GATHER_S = 0.01
"""For acknowledgements to come together, so that many cost one commit."""


class Broker(Protocol):
    """What the sender needs of a connection; `edge.mqtt.MqttClient` has it."""

    @property
    def connection(self) -> int | None: ...

    @property
    def in_flight_limit(self) -> int: ...

    problem: str | None

    def add_listener(self, listener: Listener) -> None: ...

    def publish(self, message: Message) -> Receipt | None: ...

    def drop(self, reason: str, *, discard: bool = False) -> None: ...

    def hurry(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _InFlight:
    seq: int
    topic: str
    since: float


class Sender(Part):
    """The thread `outbox`: events in order, at most `in_flight_limit` unacknowledged.

    After a new connection everything unacknowledged is handed over again, so a subscriber may see an event twice, but
    never an older one of the same camera for the first time after a newer one. The exception is a broker that refuses
    one event and takes the next: the refused one is kept, and offered again with growing pauses.
    """

    stop_s = FLUSH_S + THREAD_STOP_S

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        *,
        on_failure: Callable[[BaseException], None],
        refusal_backoff: Callable[[], Backoff] = lambda: Backoff(first_s=1.0, cap_s=300.0),
        acknowledge_timeout_s: float = 60.0,
        event_expiry_s: int | None = None,
        before_events: Callable[[], None] = lambda: None,
    ) -> None:
        """Call it before the broker's connection is started.

        `on_failure` hears, in the sender's thread, of the error that ended it. A broker that is connected but has
        not acknowledged an event for `acknowledge_timeout_s` gets a new connection. `before_events` is called in the
        sender's thread before the first event of a connection, and before the first that was withheld: a
        subscriber that acts on events must know by then that they are sent."""
        self.sent = 0
        """Events that the broker took since the start."""
        self.event_expiry_s = event_expiry_s
        """Seconds that the broker keeps an event for who is absent; None: for ever. Replaced by any thread."""
        # The broker is waited for within limits; a disk may hold the outbox, and its callers, for ever.
        self.doing = f"the disk of {outbox.folder}"
        self._outbox = outbox
        self._broker = broker
        self._acknowledge_timeout_s = acknowledge_timeout_s
        self._answers: queue.SimpleQueue[Acknowledgement] = queue.SimpleQueue()
        """Never longer than what is in flight, plus the few status messages."""
        self._delete_at = math.inf
        """When what was acknowledged is deleted from the outbox; never while there is nothing."""
        self._retry_at = 0.0
        self._connection: int | None = None
        self._in_flight: dict[Receipt, _InFlight] = {}
        self._offered_up_to = 0
        self._refusals = Refusals(refusal_backoff)
        self._forgets_refusals = threading.Event()
        self._handing_over = threading.Lock()
        """Held while an event is handed to the broker."""
        self._withholds = False
        self._before_events = before_events
        self._is_first = threading.Event()
        """No event was handed over since the connection began, or since events are no longer withheld."""
        self._worker = Worker("outbox", self._work, on_failure=on_failure, on_stop=self._finish)
        outbox.on_commit = self._worker.wake
        broker.add_listener(self)

    def start(self) -> None:
        if self.withheld:
            self._log_withheld()
        self._worker.start()

    def apply(self, config: Config) -> None:
        self.withhold(config.privacy == "aggregate")
        self.event_expiry_s = config.mqtt.event_expiry_s

    def stop(self, deadline: Deadline | None = None) -> None:
        """Ends the thread; what is unacknowledged stays in the outbox. With a deadline, the broker may first take what
        is left, and what neither it nor the disk took is given up."""
        if deadline is None:
            self._worker.stop()
            return
        self._broker.hurry()  # it may have come back since the last attempt
        if not self.flush(deadline.within(FLUSH_S, spare=THREAD_STOP_S)) and self._outbox.depth:
            until = "privacy is events again" if self.withheld else "the broker is back"
            log.info("%d events stay in the outbox until %s", self._outbox.depth, until)
        self._worker.stop(deadline.within(THREAD_STOP_S))
        self._outbox.give_up_unsaved()

    def status(self) -> PartStatus:
        return PartStatus(
            fields={
                "outbox": {"withheld": self.withheld},
                "mqtt": {"acknowledged": self.sent, "refused": self._refusals.count},
            }
        )

    def forget_refusals(self) -> None:
        """From any thread, when another broker, or another login, comes next: what waits because it was refused is
        offered at once."""
        self._forgets_refusals.set()

    @property
    def withheld(self) -> int:
        """Events that stay in the outbox because of withhold()."""
        return self._outbox.depth if self._withholds else 0

    def withhold(self, withholds: bool) -> None:
        """From any thread: with True, no event leaves this device from the return of this call on, until it is called
        with False. A connection that may still carry events is given up, so that what the broker has not acknowledged
        is not sent by it."""
        with self._handing_over:
            if withholds == self._withholds:
                return
            self._withholds = withholds
            self._is_first.set()
            if withholds and self._in_flight:
                self._broker.drop(
                    "maskd reconnects without the events that the broker has not acknowledged, because privacy is "
                    "aggregate now",
                    discard=True,
                )
        depth = self._outbox.depth
        if depth and withholds:
            self._log_withheld()
        elif depth:
            log.info("privacy is events, so the %d events that were withheld are sent", depth)
        self._worker.wake()

    def _log_withheld(self) -> None:
        log.warning(
            "%d events recorded before privacy was aggregate are withheld; they stay in the outbox and are sent "
            "once privacy is events again",
            self._outbox.depth,
        )

    def flush(self, deadline: Deadline) -> bool:
        """Waits until the broker has everything; returns whether it has. Does not wait for a broker that is known to be
        absent, nor for events that are withheld."""
        while self._outbox.depth and not self._withholds:
            absent = self._broker.connection is None and self._broker.problem is not None
            if absent or not self._worker.is_alive or deadline.is_past:
                return False
            time.sleep(0.02)
        return not self._outbox.depth

    def connection_changed(self) -> None:
        self._worker.wake()

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        self._answers.put(acknowledgement)
        self._worker.wake()

    def _finish(self) -> None:
        self._take_answers(time.monotonic())
        self._outbox.delete_acknowledged()

    def _work(self, now: float) -> float:
        if now >= self._retry_at:
            self._retry_at = now + IDLE_S
            self._outbox.retry()
        self._take_answers(now)
        if self._forgets_refusals.is_set():
            self._forgets_refusals.clear()
            self._refusals.clear()
            self._offered_up_to = 0
        if now >= self._delete_at:
            self._delete_at = math.inf if self._outbox.delete_acknowledged() else now + IDLE_S
        if self._broker.connection != self._connection:
            self._connection = self._broker.connection
            self._begin_again(now)
        if self._connection is not None:
            if not self._withholds:
                self._offer(now)
            self._expect_answers(now)
        return min(IDLE_S, max(0.0, self._delete_at - time.monotonic()))

    def _take_answers(self, now: float) -> None:
        taken = []
        while not self._answers.empty():
            answer = self._answers.get()
            event = self._in_flight.pop(answer.receipt, None)
            if event is None:
                continue  # a status message, or an event of a connection that is gone
            if answer.refusal is None:
                taken.append(event.seq)
                if self._refusals.accepted(event.topic):
                    self._offered_up_to = 0
            elif answer.is_lasting and event.topic not in self._refusals:
                self._refusals.too_long(event.seq, answer.refusal)
            else:
                self._refusals.refused(event.topic, answer.refusal, now)
        if taken:
            self._outbox.acknowledge(taken)
            self._delete_at = min(self._delete_at, now + GATHER_S)
            self.sent += len(taken)

    def _begin_again(self, now: float) -> None:
        """Nothing that an earlier connection was given can be acknowledged any more."""
        self._in_flight.clear()
        self._offered_up_to = 0
        self._is_first.set()
        self._refusals.begin_again(now)

    def _offer(self, now: float) -> None:
        if self._refusals.is_any_due(now):
            self._offered_up_to = 0
        has_numbered = False
        while (room := self._broker.in_flight_limit - len(self._in_flight)) > 0:
            batch = self._outbox.pending(
                room + len(self._in_flight), after_seq=self._offered_up_to, without_topics=self._refusals.waiting(now)
            )
            if not batch:
                # What the disk does not take, once: events on a topic that waits are not offered even then.
                if has_numbered or not self._outbox.number_unsaved(room):
                    return
                has_numbered = True
                continue
            has_numbered = False
            in_flight = {event.seq for event in self._in_flight.values()}
            for event in batch:
                if len(self._in_flight) >= self._broker.in_flight_limit:
                    break
                waits = event.seq in in_flight or event.topic in self._refusals.waiting(now)
                if not waits and not self._hand_over(event, now):
                    return
                self._offered_up_to = event.seq

    def _hand_over(self, event: Pending, now: float) -> bool:
        message = event_message(event, self.event_expiry_s)
        if self._is_first.is_set() and not self._withholds:
            self._is_first.clear()
            self._before_events()
        with self._handing_over:
            receipt = None if self._withholds else self._broker.publish(message)
            if receipt is None:
                return False
            self._in_flight[receipt] = _InFlight(event.seq, event.topic, now)
        self._refusals.offered(event.topic)
        return True

    def _expect_answers(self, now: float) -> None:
        oldest = min((event.since for event in self._in_flight.values()), default=now)
        if now - oldest > self._acknowledge_timeout_s:
            self._broker.drop(
                f"the broker has not acknowledged an event for {self._acknowledge_timeout_s:g} s, so maskd "
                "reconnects; see the broker's log"
            )
