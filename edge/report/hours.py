"""The hours of a span of time as the device's clock shows them: pure logic.

In autumn one hour comes twice and is two hours here, of the same name; in spring one never comes.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo

_STEP = timedelta(minutes=15)
"""Offsets of time zones are multiples of it."""


@dataclass(frozen=True, slots=True)
class Hour:
    begin: float
    """Seconds since 1970."""
    end: float
    """Of a span that begins or ends within an hour, the part that belongs to it."""
    local: datetime
    """Its beginning by the device's clock, with the offset from UTC that holds then."""

    @property
    def day(self) -> date:
        return self.local.date()


def hours_of(begin: float, end: float, zone: tzinfo) -> list[Hour]:
    """Every hour from `begin` to `end`, in order and without a gap."""
    hours: list[Hour] = []
    at = datetime.fromtimestamp(begin, timezone.utc)
    while at.timestamp() < end:
        local = at.astimezone(zone)
        following = _next(at, local, zone)
        hours.append(Hour(at.timestamp(), min(end, following.timestamp()), local))
        at = following
    return hours


def index_of(hours: list[Hour], moment: float) -> int | None:
    """Which of them a moment lies in, in seconds since 1970."""
    place = bisect_right(hours, moment, key=lambda hour: hour.begin) - 1
    return place if place >= 0 and moment < hours[place].end else None


def _next(at: datetime, local: datetime, zone: tzinfo) -> datetime:
    """Where the clock shows another hour, or the same one once more."""
    quarter = at - timedelta(minutes=local.minute % 15, seconds=local.second, microseconds=local.microsecond)
    while True:
        quarter += _STEP
        there = quarter.astimezone(zone)
        changed = there.utcoffset() != local.utcoffset()
        if (there.date(), there.hour) != (local.date(), local.hour) or changed:
            return quarter
