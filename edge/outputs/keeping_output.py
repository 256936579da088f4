"""An output whose actions wait on the disk until it has carried them out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from edge.outputs.action_queue import ActionQueue
from edge.outputs.output import Output
from edge.outputs.queue_file import Waiting
from edge.payloads.action import Action
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline
from edge.system.part import PartStatus
from edge.system.worker import Worker

IDLE_S = 5.0
FLUSH_S = 0.4
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 120.0

_log = logging.getLogger(__name__)


class NotDeliveredError(Exception):
    """An action was not carried out. Its text: why, and what to do, in a sentence."""

    def __init__(self, reason: str, *, is_final: bool = False, retry_after_s: float | None = None) -> None:
        """`is_final`: it will never be accepted, so that what was to be carried out together is given up, and the next
        one tried. `retry_after_s`: what the other side asks for."""
        super().__init__(reason)
        self.is_final = is_final
        self.retry_after_s = retry_after_s


class KeepingOutput(Output):
    """The thread `output-<name>`: carries actions out in order, and tries again until that works."""

    keeps = True
    batch = 1
    """Actions that are read from the queue at a time."""
    longest_pause_s = LAST_RETRY_S
    """Between two attempts, whatever the other side asks for."""

    def __init__(self, setting: str, queue: ActionQueue, *, on_failure: Callable[[BaseException], None]) -> None:
        """`setting`: where it is in config.yaml, such as outputs.webhook.chat."""
        self.setting = setting
        self.name = setting.rpartition(".")[2]
        self.doing = f"the output {self.name}"
        self._queue = queue
        self._backoff = Backoff(FIRST_RETRY_S, LAST_RETRY_S)
        self._retry_at = 0.0
        self._problem: str | None = None
        self.given_up = 0
        """Actions that the other side has refused for good, since the start."""
        self._refusal: str | None = None
        self._delivering = threading.Lock()
        """Held while an action is carried out."""
        self._ends_at: float | None = None
        """When the delivery that is under way has taken too long, in monotonic seconds."""
        self._withholds = False
        self._worker = Worker(f"output-{self.name}", self._work, on_failure=on_failure, on_stop=self.rest)

    def deliver(self, actions: Sequence[Action]) -> None:
        """Carries out these, together. Raises NotDeliveredError."""
        raise NotImplementedError

    def together(self, waiting: Sequence[Waiting]) -> Sequence[Waiting]:
        """Those of what waits, the oldest first, that are carried out together next."""
        return waiting

    def wait_s(self) -> float:
        """Seconds until the next is due, where it is not yet."""
        return 0.0

    def rest(self) -> None:
        """Nothing is due, or the thread ends: lets go of what was kept open for the next."""

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """A delivery that is ended by hurry() once it has taken this long."""
        self._ends_at = time.monotonic() + seconds
        try:
            yield
        finally:
            self._ends_at = None

    def tick(self, now: float) -> None:
        ends_at = self._ends_at
        if ends_at is not None and now >= ends_at:
            self.hurry()

    def hurry(self) -> None:
        """From another thread: ends a delivery that waits for the other side. It counts as not carried out."""

    def start(self) -> None:
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        """What waits may still go out, if the other side answers."""
        flush = deadline.within(FLUSH_S)
        while self._worker.is_alive and self._may_go_out and not flush.is_past:
            self._worker.wake()
            time.sleep(0.02)
        self._worker.ask_to_stop()
        if self._worker.is_alive:
            self.hurry()
        self._worker.stop(deadline)

    @property
    def _may_go_out(self) -> bool:
        return not self._withholds and self._problem is None and self._queue.depth(self.name) > 0 and self.wait_s() <= 0

    def wake(self) -> None:
        self._worker.wake()

    def withhold(self, withholds: bool) -> None:
        self._withholds = withholds
        if withholds:
            self.hurry()
            with self._delivering:
                pass
        self.wake()

    def status(self) -> PartStatus:
        problems = []
        if self._problem is not None:
            problems.append(f"{self.setting}: {self._problem}")
        if self._refusal is not None:
            problems.append(f"{self.setting}: actions were given up since maskd started: {self._refusal}")
        return PartStatus(problems)

    def _work(self, now: float) -> float:
        if self._withholds or now < self._retry_at:
            return IDLE_S if self._withholds else min(IDLE_S, self._retry_at - now)
        if (wait_s := self.wait_s()) > 0:
            self.rest()
            return min(IDLE_S, wait_s)
        waiting = self.together(self._queue.waiting(self.name, self.batch))
        if not waiting:
            self.rest()
            self._worked()
            return IDLE_S
        with self._delivering:
            if self._withholds:
                return IDLE_S
            self._try(waiting)
        return max(0.0, self._retry_at - time.monotonic())

    def _try(self, waiting: Sequence[Waiting]) -> None:
        try:
            self.deliver([one.action for one in waiting])
        except NotDeliveredError as error:
            if error.is_final:
                self._give_up(waiting, str(error))
            else:
                self._try_later(error)
            return
        self._queue.done(self.name, waiting)
        self._worked()

    def _give_up(self, waiting: Sequence[Waiting], reason: str) -> None:
        self.given_up += len(waiting)
        self._refusal = reason
        self._queue.done(self.name, waiting)
        for one in waiting:
            _log.error("%s: the action %s is given up: %s", self.setting, one.action.id, reason)

    def _try_later(self, error: NotDeliveredError) -> None:
        if self._withholds:  # it was ended by maskd itself
            return
        pause_s = self._backoff.next() if error.retry_after_s is None else error.retry_after_s
        self._retry_at = time.monotonic() + min(max(pause_s, 0.2), self.longest_pause_s)
        problem = f"{error}; what it is to do waits, and is tried again"
        if problem != self._problem:
            _log.warning("%s: %s", self.setting, problem)
        self._problem = problem

    def _worked(self) -> None:
        if self._problem is not None:
            _log.info("%s: works again", self.setting)
        self._problem = None
        self._retry_at = 0.0
        self._backoff.reset()
