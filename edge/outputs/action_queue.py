"""Actions wait here until their outputs have carried them out, through outages and kill -9."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from edge.outputs.queue_file import QueueFile, Waiting
from edge.payloads.action import Action
from edge.store.disk_health import reason, remedy

HELD_LIMIT = 1000
"""Actions that wait in memory for a disk that refuses; more are dropped and counted."""
RETRY_S = 1.0

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_IN_MEMORY = -1
"""The row of an action that is not in the file."""


class ActionQueue:
    """From any thread. Only open() raises; a disk that refuses later is a problem, and actions wait in memory."""

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._file = QueueFile(folder)
        self._monotonic = monotonic
        self._lock = threading.RLock()
        """Guards what follows."""
        self._held: list[tuple[str, Action]] = []
        """Refused by the disk."""
        self._seen: Sequence[UUID] = ()
        """The latest events that the rules have seen, where the file does not say so yet."""
        self._undeleted: set[int] = set()
        """Rows of actions that are done, and that the disk does not let go."""
        self._depths: Counter[str] = Counter()
        """In the file."""
        self._is_open = False
        self._error: Exception | None = None
        self._failed_at = 0.0
        self._is_damaged = False
        self.lost = 0
        """Actions dropped since the start, because too many waited."""

    def open(self) -> None:
        """After the store has taken the folder."""
        with self._lock:
            self._is_open = True
            self._try(self._open_file)

    def close(self) -> None:
        """Writes what waits in memory, if the disk takes it."""
        with self._lock:
            if self._is_open:
                self._write()
                if self._held:
                    _log.error(
                        "%d actions of rules are lost: the disk of %s refused them", len(self._held), self.folder
                    )
            self._is_open = False
            self._file.close()

    def add(
        self, actions: Sequence[tuple[str, Action]], seen: Sequence[UUID] = (), limits: Mapping[str, int] | None = None
    ) -> None:
        """Of each: the output's name and the action; safe on the disk when this returns, unless the disk refuses.
        `seen`: ids of the latest events that the rules have seen. `limits`: the most that may wait for each output."""
        with self._lock:
            self._held += actions
            self._seen = seen or self._seen
            if self._error is None or self._monotonic() - self._failed_at >= RETRY_S:
                self._write()
            if self._held and (excess := len(self._held) - HELD_LIMIT) > 0:
                del self._held[:excess]
                self.lost += excess
            for output in {name for name, _ in actions}:
                self._limit(output, (limits or {}).get(output, HELD_LIMIT))

    def retry(self) -> None:
        """Writes what a disk that refused has left undone; cheap where there is nothing."""
        with self._lock:
            if self._is_open and self._error is not None and self._monotonic() - self._failed_at >= RETRY_S:
                self._write()

    def seen(self) -> list[UUID]:
        """Ids of the latest events that the rules of an earlier run have seen; empty: there were none."""
        with self._lock:
            return self._try(self._file.seen) or []

    def forget_seen(self) -> None:
        """There are no rules; those that come later begin anew."""
        with self._lock:
            self._seen = ()
            if self._file.path.exists():
                self._try(self._file.forget_seen)

    def waiting(self, output: str, limit: int) -> list[Waiting]:
        """The oldest first; of a disk that refuses, those in memory as well."""
        with self._lock:
            most = limit + len(self._undeleted)
            waiting = self._try(lambda: self._file.waiting(output, most)) or []
            waiting = [one for one in waiting if one.row not in self._undeleted][:limit]
            if len(waiting) < limit:
                held = [action for name, action in self._held if name == output]
                waiting += [Waiting(_IN_MEMORY, action) for action in held[: limit - len(waiting)]]
            return waiting

    def done(self, output: str, waiting: Sequence[Waiting]) -> None:
        """The output has carried these out, or given them up."""
        done = {one.action.id for one in waiting}
        rows = [one.row for one in waiting if one.row != _IN_MEMORY]
        with self._lock:
            self._held = [(name, held) for name, held in self._held if name != output or held.id not in done]
            if rows:
                self._depths[output] -= len(rows)
                self._undeleted.update(rows)
                self._try(self._delete)

    def depth(self, output: str) -> int:
        with self._lock:
            return max(0, self._depths[output]) + sum(name == output for name, _ in self._held)

    def keep_only(self, outputs: Iterable[str]) -> None:
        """What waits for an output that there is no more is deleted."""
        with self._lock:
            for output in [name for name in self._depths if name not in set(outputs) and self.depth(name)]:
                _log.warning(
                    "%d actions that waited for the output %s are deleted, since it is gone", self.depth(output), output
                )
                self._held = [(name, action) for name, action in self._held if name != output]
                self._drop(output, self._depths[output])

    @property
    def problem(self) -> str | None:
        """In a sentence; None: nothing is wrong."""
        with self._lock:
            if self._error is not None:
                return (
                    f"the queue of the outputs in {self.folder} cannot be written ({reason(self._error)}); what they "
                    f"are to do waits in memory, at most {HELD_LIMIT} actions; {remedy(self._error)}"
                )
            if self._is_damaged:
                return (
                    f"the queue of the outputs was damaged, so actions that waited are lost; it is kept as "
                    f"{self._file.path}.damaged, and maskd goes on with an empty one"
                )
            return None

    def _open_file(self) -> bool:
        if not self._file.open():
            self._found_damage()
        self._depths = Counter(self._file.depths())
        return True

    def _write(self) -> None:
        """What waits in memory, in one commit."""
        if not self._is_open:
            return
        if self._try(self._delete) and self._try(lambda: self._add(self._held)):
            if self._error is not None:
                _log.info("the queue of the outputs in %s can be written again", self.folder)
                self._error = None
            self._held = []

    def _add(self, actions: Sequence[tuple[str, Action]]) -> bool:
        self._file.add(actions, self._seen)
        self._depths.update(name for name, _ in actions)
        return True

    def _delete(self) -> bool:
        self._file.delete(self._undeleted)
        self._undeleted.clear()
        return True

    def _limit(self, output: str, most: int) -> None:
        if (excess := self.depth(output) - most) > 0:
            self.lost += excess
            self._drop(output, excess)

    def _drop(self, output: str, count: int) -> None:
        def drop() -> bool:
            self._file.drop_oldest(output, count)
            return True

        if self._try(drop):
            self._depths[output] -= count

    def _try(self, step: Callable[[], _Result]) -> _Result | None:
        """None where the disk refuses."""
        try:
            return step()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return None

    def _failed(self, error: Exception) -> None:
        self._failed_at = self._monotonic()
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            self._depths.clear()
            self._found_damage()
            with suppress(OSError):
                self._file.set_aside()
            return
        if self._error is None:
            _log.error(
                "the queue of the outputs in %s cannot be written (%s); %s", self.folder, reason(error), remedy(error)
            )
        self._error = error

    def _found_damage(self) -> None:
        self._is_damaged = True
        _log.error("%s", self.problem)
