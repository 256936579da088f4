"""What the disk of `storage.path` refuses, and whether it is slow: found by the outbox's own writes."""

from __future__ import annotations

import errno
import logging
import os
import resource
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.store.unsaved import HELD_LIMIT

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""Between two attempts of the vision thread to write to a disk that refuses."""
SLOW_S = 0.2
"""A sound SD card commits in less than a tenth of this."""
SLOW_COMMITS, LATEST_COMMITS = 3, 10
"""A disk is slow while so many of its latest commits are."""


class DiskHealth:
    """Belongs to the outbox's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._error: Exception | None = None
        self._told: set[str] = set()
        """Reasons that were logged since the disk last took something: they may come in turn, many times a second."""
        self._failed_at = 0.0
        self._was_slow: deque[bool] = deque(maxlen=LATEST_COMMITS)
        self._is_slow = False

    @property
    def refuses(self) -> bool:
        return self._error is not None

    @property
    def refused_lately(self) -> bool:
        """Too lately to try it again in the vision thread, which has better to do."""
        return self.refuses and time.monotonic() - self._failed_at < RETRY_S

    @property
    def remedy(self) -> str:
        return "see that disk" if self._error is None else remedy(self._error)

    @property
    def problem(self) -> str | None:
        """In a sentence."""
        if self._error is not None:
            return (
                f"{self._refusal(self._error)}; events go to the broker as `durable: false`, and those that it has "
                f"not accepted wait in memory, at most {HELD_LIMIT}; {remedy(self._error)}"
            )
        if self._is_slow:
            return (
                f"the disk of {self._folder} is slow: writing an event takes more than {SLOW_S:g} s, so events reach "
                "the broker late; replace a worn memory card, or set storage.path to another disk"
            )
        return None

    def failed(self, error: Exception) -> None:
        """Logs each reason once in a row of failures."""
        self._failed_at = time.monotonic()
        if reason(error) not in self._told:
            self._told.add(reason(error))
            self._error = error
            log.error("%s; events wait in memory, or are sent without it: %s", self._refusal(error), remedy(error))

    def works(self) -> None:
        if self._error is not None:
            log.info("the outbox in %s can be written again", self._folder)
        self._error = None
        self._told.clear()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around a commit, which waits for the disk."""
        begin = time.monotonic()
        yield
        self.took(time.monotonic() - begin)

    def took(self, seconds: float) -> None:
        self._was_slow.append(seconds > SLOW_S)
        # Reported until a whole row of commits is fast, so that the problem does not come and go.
        is_slow = sum(self._was_slow) >= (1 if self._is_slow else SLOW_COMMITS)
        if is_slow and not self._is_slow:
            log.warning(
                "the disk of %s is slow: writing an event took %.1f s; replace a worn memory card, or set storage.path "
                "to another disk",
                self._folder,
                seconds,
            )
        elif self._is_slow and not is_slow:
            log.info("the disk of %s is fast again", self._folder)
        self._is_slow = is_slow

    def _refusal(self, error: Exception) -> str:
        return f"the outbox in {self._folder} cannot be written ({reason(error)})"


class ReplacedError(OSError):
    """What maskd writes to is not what lies in `storage.path`."""


def reason(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)


def remedy(error: Exception) -> str:
    """What a person can do about it."""
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, ReplacedError):
        return "restart maskd"
    if number in (errno.ENOSPC, errno.EDQUOT) or "is full" in text:
        return "free some space there"
    has_limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY
    if number == errno.EFBIG or (has_limit and "I/O" in text):
        return "raise the limit on the size of files (`ulimit -f`, LimitFSIZE=)"
    if "locked" in text or "busy" in text:
        return "stop the other program that has outbox.db open"
    return "check that disk with `dmesg`, and replace a failed memory card"
