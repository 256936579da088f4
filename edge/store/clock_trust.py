"""Whether the wall clock may be believed when it says that something is old enough to be deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta, timezone

LEAP_S = 30.0
"""The wall clock gains or loses that much against the monotonic clock only where it was set."""
STEADY_S = 3600.0
"""A clock that was set is believed after so long, if it then agrees with the days on which events happened."""
STEADY_WITHOUT_HISTORY_S = 86_400.0
"""The same, where no event happened on the day before: after a long pause, or with a clock that is still wrong."""


class ClockTrust:
    """Pure logic: compares the wall clock with the monotonic one, and with the days that have events."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._steady_since = 0.0
        self._has_leapt = False
        self._known_days: frozenset[date] = frozenset()

    def observe(self, wall: float, monotonic: float, days: Callable[[], Iterable[date]]) -> None:
        """Call it often, and before an event of `wall` is stored. `wall` in seconds since 1970; `days` returns
        those that have events at this moment."""
        offset = wall - monotonic
        is_first = self._offset is None
        if self._offset is not None and abs(offset - self._offset) <= LEAP_S:
            return
        self._has_leapt = not is_first
        self._offset, self._steady_since, self._known_days = offset, monotonic, frozenset(days())

    def is_trusted(self, wall: float, monotonic: float) -> bool:
        """After observe() with the same times."""
        steady_s = monotonic - self._steady_since
        if steady_s >= STEADY_WITHOUT_HISTORY_S:
            return True
        agrees = utc_day(wall) - timedelta(days=1) in self._known_days
        return agrees and (not self._has_leapt or steady_s >= STEADY_S)


def utc_day(seconds: float) -> date:
    """Of a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds, timezone.utc).date()
