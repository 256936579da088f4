"""The daemon: starts its parts, changes their configuration while they run, and stops them."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from edge.config import Config
from edge.control.changes import Changes
from edge.daemon.logs import write_waiting_lines
from edge.daemon.parts import Hooks, make_parts
from edge.daemon.stop_guard import StopGuard
from edge.daemon.systemd import Notifier
from edge.daemon.watchdog import HangEnd, Watchdog
from edge.errors import MaskdError
from edge.store.outbox_recovery import OpeningStoppedError
from edge.system.deadline import Deadline
from edge.system.part import Part
from edge.vision.accelerator import Accelerator

LOADING_S = 300.0
"""For libraries and models on a slow board, where systemd's limit for a start is shorter."""
OUTBOX_S = 900.0
"""For an outbox of a million events on an SD card that is damaged, and built again."""
RELOAD_GAP_S = 0.2
"""Between two reloads, so that commands have their turn however often a reload is asked for."""
LOOK_S = 0.5
"""The main thread wakes at least so often: a signal that comes in the moment before it goes to sleep is handled only
once it is awake again."""
FIRST_ATTEMPTS_S = 10.0
"""For every camera and the broker to be tried once, before the start counts as done."""

_log = logging.getLogger(__name__)


class Daemon:
    """One ordered list of parts: a start and a change walk it, a stop walks it backwards.

    It ends by itself once the sources of all cameras that are on have ended, unless a camera that is off could be
    switched on.
    """

    def __init__(
        self,
        config: Config,
        path: Path | None = None,
        accelerator: Accelerator | None = None,
        guard: StopGuard | None = None,
    ) -> None:
        """`path`: the file that the configuration came from; what commands have set is laid over it. `guard`: ends the
        process where a stop hangs; None: nothing does. Raises MaskdError where a model cannot be used."""
        self._is_over = False
        self._is_reload_due = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Wakes `run`. Unlike an Event it may be told by a signal handler that interrupts the waiting thread."""
        self._failure: BaseException | None = None
        self._notifier = Notifier()
        self._notifier.status("loading the models")
        self._notifier.extend_timeout(LOADING_S)
        self._guard = guard or StopGuard()
        self._guard.doing = "the loading of the models"
        self._changes = Changes(config, path)
        self._accelerator = accelerator or Accelerator(self._changes.config)
        self._hang_end = HangEnd()
        self._watchdog = Watchdog(self._got_on)
        hooks = Hooks(self._fail, self.stop, lambda: self._is_over, self._notifier.status, self._watchdog.health)
        self._parts: Sequence[Part] = make_parts(self._changes, self._accelerator, hooks)
        self._changes.on_change = self._apply
        self._watchdog.watch(self._parts)

    @property
    def exit_status(self) -> int:
        """After `run`: 1 where the disk took some events no more, which the log tells of."""
        return 1 if self._unsaved() else 0

    def stop(self) -> None:
        """Asks `run` to stop; from any thread or signal handler."""
        self._is_over = True
        self._wake.put(None)

    def reload(self) -> None:
        """Asks `run` to read the configuration's file again; from any thread or signal handler."""
        self._is_reload_due = True
        self._wake.put(None)

    def run(self) -> None:
        """Raises MaskdError where a part cannot start, or where a thread failed."""
        self._notifier.extend_timeout(OUTBOX_S)
        self._guard.uncommitted = self._unsaved
        try:
            self._start()
            self._serve()
        except OpeningStoppedError:
            pass
        finally:
            self._is_over = True
            self._changes.end()
            deadline = self._guard.begin()
            self._hang_end.end()
            self._notifier.stopping()
            self._stop(deadline)
        if isinstance(self._failure, MaskdError):
            raise self._failure
        if self._failure is not None:
            _log.error("a part of maskd failed; please report this:", exc_info=self._failure)
            raise MaskdError(f"stopped by an unexpected error ({self._failure!r}); see the log above")

    def _start(self) -> None:
        try:
            with self._changes.lock:
                self._apply(self._changes.config)
                for part in self._parts:
                    self._guard.doing = part.doing
                    part.start()
        except RuntimeError as error:  # of threading, which has no class of its own for it
            if "start new thread" not in str(error):
                raise
            raise MaskdError(
                "the system cannot start more threads; stop other programs, or raise TasksMax= of the service or "
                "`ulimit -u`"
            ) from error
        self._await_first_attempts()
        if self._failure is None:
            self._notifier.ready()

    def _await_first_attempts(self) -> None:
        """Until every part has come up, or is being tried again."""
        give_up_at = time.monotonic() + FIRST_ATTEMPTS_S
        while not self._is_over and time.monotonic() < give_up_at:
            if all(part.is_settled for part in self._parts):
                return
            with suppress(queue.Empty):
                self._wake.get(timeout=0.05)

    def _serve(self) -> None:
        """Until the end is asked for; several wishes for a reload are one."""
        next_reload_at = 0.0
        while not self._is_over:
            write_waiting_lines()
            now = time.monotonic()
            self._tick(now)
            rest = next_reload_at - now if self._is_reload_due else LOOK_S
            if rest > 0:
                with suppress(queue.Empty):
                    self._wake.get(timeout=rest)
            else:
                self._is_reload_due = False
                self._reload()
                next_reload_at = time.monotonic() + RELOAD_GAP_S

    def _tick(self, now: float) -> None:
        if self._watchdog.look(now):
            self._accelerator.ran(now)
        if self._changes.lock.acquire(blocking=False):
            try:
                for part in self._parts:
                    part.tick(now)
            finally:
                self._changes.lock.release()

    def _got_on(self, now: float) -> None:
        self._notifier.watchdog(now)
        self._hang_end.got_on(now)

    def _reload(self) -> None:
        self._guard.doing = "a reload of the configuration"
        self._notifier.reloading()
        try:
            self._changes.reload()
        finally:
            self._notifier.ready()

    def _apply(self, config: Config) -> None:
        for part in self._parts:
            part.apply(config)

    def _stop(self, deadline: Deadline) -> None:
        """Each part within what it is given, and what is kept for those that stop after it."""
        left = list(self._parts)
        while left:
            part = left.pop()
            self._guard.doing = part.doing
            part.stop(deadline.within(part.stop_s, spare=sum(each.kept_s for each in left)))

    def _unsaved(self) -> int:
        return sum(part.unsaved for part in self._parts)

    def _fail(self, error: BaseException) -> None:
        """A thread has ended by an error: the first one is the daemon's."""
        if self._failure is None:
            self._failure = error
        self.stop()
