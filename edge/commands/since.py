"""Moments in the past, as a person writes them: 2h, 15:00, 2026-11-20, 2026-11-20T15:00."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, timezone

from edge.errors import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")


def parse_since(text: str, now: datetime) -> datetime:
    """The moment meant, seen from `now`, which has a time zone. Without a Z it is local time; a time of day that is yet
    to come today was yesterday. Raises UsageError."""
    try:
        moment = _parse(text.strip(), now)
        moment.timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {text!r} is not a time; write 30m, 2h, 7d, 15:00, 2026-11-20 or 2026-11-20T15:00, the last "
            "three in local time unless a Z follows"
        ) from None
    return moment


def _parse(text: str, now: datetime) -> datetime:
    if match := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: float(match[1])})
    is_utc = text.endswith(("Z", "z"))
    bare = text[:-1] if is_utc else text

    def zoned(moment: datetime) -> datetime:
        return moment.replace(tzinfo=timezone.utc) if is_utc else moment.astimezone()

    if _CLOCK.fullmatch(bare):
        hour, minute, second = map(int, f"{bare}:0".split(":")[:3])
        clock = time(hour, minute, second)
        today = now.astimezone(timezone.utc if is_utc else None).date()
        moment = zoned(datetime.combine(today, clock))
        return moment if moment <= now else zoned(datetime.combine(today - timedelta(days=1), clock))
    return zoned(datetime.fromisoformat(bare))
