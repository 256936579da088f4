"""Hands events to the rules, and what they decide to the outputs."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from edge.config import Config
from edge.outputs.action_queue import ActionQueue
from edge.outputs.outputs import Outputs
from edge.outputs.unseen import newest_event, unseen_events
from edge.payloads.events import Draft
from edge.rules.actions import action_of
from edge.rules.engine import RuleEngine
from edge.rules.happening import Happening, from_draft, from_record
from edge.rules.occasions import Firing
from edge.system.deadline import Deadline
from edge.system.part import Part
from edge.system.worker import Worker

IDLE_S = 1.0
SEEN = 64
"""Events that are remembered as seen: more than a power cut takes from the end of the record."""
SAVE_S = 60.0
"""How often it is noted how far the rules have come, where none of them acts."""
MOST_WAITING = 10_000
"""Events that wait for the rules; where a disk is so slow that more do, they are read from the record later."""

_log = logging.getLogger(__name__)


class Rules(Part):
    """The thread `rules`.

    The events' thread leaves what is on the disk. Here the rules decide; what is to be kept is committed together with
    how far they have come, and what they have not seen when maskd dies is read from the record at the next start. With
    `privacy: aggregate` no rule acts.
    """

    doing = "the rules"
    stop_s = 0.5

    def __init__(
        self, config: Config, outputs: Outputs, queue: ActionQueue, *, on_failure: Callable[[BaseException], None]
    ) -> None:
        """`on_failure` hears, in this thread, of the error that ended it."""
        self._config = config
        self._outputs = outputs
        self._queue = queue
        self._lock = threading.Lock()
        """Guards what follows."""
        self._events: deque[Draft] = deque()
        self._is_behind = False
        """Too many waited, so the rest is to be read from the record."""
        self._engine = RuleEngine(config.rules)
        """Of the thread alone, as what follows."""
        self._engine_of = config
        self._seen: deque[UUID] = deque(maxlen=SEEN)
        """The latest events that the rules have seen; empty: the rules have not begun."""
        self._is_noted = True
        """The queue knows of all of these."""
        self._save_at = 0.0
        self._active: dict[str, frozenset[str]] = {}
        self._worker = Worker("rules", self._work, on_failure=on_failure, on_stop=self._finish)

    def apply(self, config: Config) -> None:
        """From any thread."""
        self._config = config
        if config.privacy == "aggregate":
            with self._lock:
                self._events.clear()
        self._worker.wake()

    def start(self) -> None:
        """After the outputs."""
        if self._config.privacy == "events" and self._config.rules:
            self._seen.extend(self._queue.seen())
            self._catch_up()
        else:
            self._queue.forget_seen()
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        self._worker.stop(deadline)

    def published(self, drafts: Sequence[Draft]) -> None:
        """From the events' thread: these are on the disk. Costs it microseconds, and raises nothing."""
        if not self._config.rules:
            return
        with self._lock:
            if len(self._events) + len(drafts) <= MOST_WAITING and not self._is_behind:
                self._events.extend(drafts)
            else:
                self._is_behind = True
        self._worker.wake()

    def _work(self, now: float) -> float:
        self._renew_engine()
        self._queue.retry()
        with self._lock:
            drafts = list(self._events)
            self._events.clear()
        self._take(from_draft(draft) for draft in drafts)
        if self._is_behind and not drafts:
            self._catch_up()
            self._is_behind = False
        now = time.monotonic()
        self._act(self._engine.tick(now, time.time()), now)
        if now >= self._save_at:
            self._save_at = now + SAVE_S
            self._save()
        self._tell_active()
        return min(IDLE_S, max(0.02, self._engine.due - now))

    def _finish(self) -> None:
        self._work(time.monotonic())
        self._save()

    def _save(self) -> None:
        if not self._is_noted:
            self._queue.add([], [*self._seen])
            self._is_noted = True

    def _renew_engine(self) -> None:
        config = self._config
        if config is self._engine_of:
            return
        before, self._engine_of = self._engine_of, config
        if config.privacy == "aggregate" or not config.rules:
            self._engine = RuleEngine({})
            if self._seen:
                self._seen.clear()
                self._is_noted = True
                self._queue.forget_seen()
        elif config.rules != before.rules or before.privacy == "aggregate":
            self._engine = RuleEngine(config.rules, self._engine.there)
            if not self._seen:
                self._catch_up()

    def _catch_up(self) -> None:
        """What the rules have not seen, from the record. Where they begin, nothing is: what happened before is not
        theirs."""
        storage = self._config.storage.path
        try:
            if not self._seen:
                self._see(newest_event(storage))
                self._save()
                return
            events = unseen_events(storage, self._seen)
        except OSError as error:
            reason = error.strerror or error
            _log.warning("the record in %s cannot be read (%s); rules may have missed the last events", storage, reason)
            return
        if events:
            _log.info("%d events happened before the rules could look at them; they do so now", len(events))
        now = time.monotonic()
        self._take(from_record(event, now) for event in events)

    def _take(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            firings = self._engine.observe(happening)
            if happening.id is not None:
                self._see(happening.id)
            self._act(firings, time.monotonic())
            if not happening.is_recovered:  # of these, only how it is after the last
                self._tell_active()

    def _see(self, event: UUID) -> None:
        self._seen.append(event)
        self._is_noted = False

    def _act(self, firings: Sequence[Firing], now: float) -> None:
        kept, config = [], self._engine_of
        for firing in firings:
            for output in config.rules[firing.rule].do:
                action = action_of(firing, output, config.device)
                if self._outputs.keeps(output):
                    kept.append((output, action))
                else:
                    self._outputs.act([(output, action)], now - firing.at)
        if firings:
            _log.info("%s", "; ".join(f"rule {firing.rule} acts" for firing in firings))
        if kept:
            self._queue.add(kept, [*self._seen], _limits(config))
            self._is_noted = True
            self._outputs.wake([output for output, _ in kept])

    def _tell_active(self) -> None:
        """Outputs that follow a rule, such as a lamp, hear when its occasion begins and ends."""
        active = self._engine.active(time.time())
        using: dict[str, set[str]] = {}
        for rule in active:
            for output in self._engine_of.rules[rule].do:
                using.setdefault(output, set()).add(rule)
        told = {output: frozenset(rules) for output, rules in using.items()}
        if told != self._active:
            self._outputs.tell_active(told)
            self._active = told


def _limits(config: Config) -> dict[str, int]:
    """How many actions may wait for each output that keeps them."""
    return {name: most for _, name, output in config.outputs.named() if (most := getattr(output, "max_waiting", None))}
