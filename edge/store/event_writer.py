"""Turns what happened to people into events that are safe on the disk, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.config import Config
from edge.payloads.events import Draft, Event, ModelNames, draft_events
from edge.payloads.topics import Topics
from edge.people.transition import Transition
from edge.people.visits import AnnouncedVisits
from edge.store.outbox import Outbox
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.system.worker import Worker

QUEUE_LIMIT = 1000
"""Transitions that wait for the disk before the vision thread does: minutes of a busy entrance."""
IDLE_S = 1.0
WAITED_LATELY_S = 30.0
"""For so long it is a problem that the vision thread had to wait."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Round:
    """What happened in one round of all cameras."""

    transitions: tuple[Transition, ...]
    wall_offset: float
    """Seconds from monotonic time to seconds since 1970, read when it happened: the clock may be set while it waits."""


class EventWriter(Part):
    """The thread `events`.

    The vision thread hands over what happened and goes on; here it is committed, in that order and without a loss, and
    only then announced. A disk that is slower than people come and go fills the queue, and then the vision thread waits
    as well.
    """

    stop_s = 2.5

    def __init__(
        self,
        outbox: Outbox,
        topics: Topics,
        models: ModelNames,
        privacy: Literal["events", "aggregate"],
        *,
        on_committed: Sequence[Callable[[Sequence[Transition]], None]] = (),
        on_published: Sequence[Callable[[Sequence[Draft]], None]] = (),
        on_failure: Callable[[BaseException], None],
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        """`on_committed`: called in this thread, in order, with what is on the disk, or waits in the outbox for a disk
        that refuses. `on_published`: the same with those of them that became events, while privacy is `events`.
        `on_failure` hears, in this thread, of the error that ended it."""
        self.doing = f"the disk of {outbox.folder}"
        self._outbox = outbox
        self._topics = topics
        self._models = models
        self._privacy = privacy
        self._on_committed = on_committed
        self._on_published = on_published
        self._queue_limit = queue_limit
        self._visits = AnnouncedVisits()
        self._changed = threading.Condition()
        """Guards what follows."""
        self._rounds: list[_Round] = []
        self._waiting = 0
        """Transitions in `_rounds`."""
        self._full_at: float | None = None
        """When the vision thread last had to wait."""
        self._steps = 0
        self._worker = Worker("events", self._work, on_failure=on_failure, on_stop=self._finish)

    def apply(self, config: Config) -> None:
        """From any thread; in effect from the next commit on."""
        self._privacy = config.privacy
        self._worker.wake()

    def start(self) -> None:
        """After the outbox was opened."""
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        """Commits what waits, if the disk takes it in time."""
        self._worker.stop(deadline)
        if self._worker.is_alive:
            log.warning(
                "not every event was written to disk in time; people in view get their `ended` at the next start"
            )

    def put(self, transitions: Sequence[Transition]) -> None:
        """From the vision thread. Returns at once, unless the disk is so slow that the queue is full."""
        if not transitions:
            return
        waiting = _Round(tuple(transitions), time.time() - time.monotonic())
        with self._changed:
            # A thread that has failed empties no queue; the daemon ends then.
            while self._waiting >= self._queue_limit and self._worker.is_alive:
                self._full_at = time.monotonic()
                self._changed.wait(IDLE_S)
            self._rounds.append(waiting)
            self._waiting += len(transitions)
        self._worker.wake()

    @property
    def unsaved(self) -> int:
        return self._waiting

    @property
    def progress(self) -> int:
        return self._steps

    def status(self) -> PartStatus:
        full_at = self._full_at
        if full_at is None or time.monotonic() - full_at > WAITED_LATELY_S:
            return PartStatus()
        return PartStatus(
            problems=(
                f"the disk of {self._outbox.folder} is so slow that the cameras wait for it; replace a worn memory "
                "card, or set storage.path to another disk",
            )
        )

    def _work(self, _now: float) -> float:
        self._steps += 1
        self._commit()
        return IDLE_S

    def _finish(self) -> None:
        while self._waiting:
            self._commit()

    def _commit(self) -> None:
        """All that waits in one go, since each commit waits for the disk."""
        with self._changed:
            rounds, self._rounds = self._rounds, []
            self._waiting = 0
            self._changed.notify_all()
        self._write(rounds)
        transitions = [transition for each in rounds for transition in each.transitions]
        if transitions:
            for tell in self._on_committed:
                tell(transitions)

    def _write(self, rounds: Sequence[_Round]) -> None:
        privacy, now = self._privacy, time.monotonic()
        ended = self._visits.to_publish((), privacy, now)
        drafts = draft_events(ended, self._topics, self._models)
        for each in rounds:
            published = self._visits.to_publish(each.transitions, privacy, now)
            drafts += draft_events(published, self._topics, self._models, wall_offset=each.wall_offset)
        if not drafts:
            return
        events = self._outbox.append(drafts)
        if privacy == "aggregate":
            log.info("privacy is aggregate: the visits that were announced are ended")
            return
        for event in events:
            log.info("%s", describe(event))
        for tell in self._on_published:
            tell(drafts)


def describe(event: Event) -> str:
    """An event as one line of the log."""
    before = f" (was {event.previous})" if event.previous else ""
    if event.previous == event.status:
        before = " (complies now)" if event.compliant else " (does not comply any more)"
    return (
        f"camera {event.camera}: {event.track} {event.type} {event.status}{before}, "
        f"confidence {event.confidence:.2f}, {event.duration_s:.1f} s, seq {event.seq}"
    )
