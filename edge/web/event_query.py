"""Finds recorded events, newest or oldest first, and counts visits by hour and day."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from edge.errors import UsageError
from edge.payloads.events import Event, parse_event
from edge.payloads.payload import parse_timestamp
from edge.payloads.statuses import UNKNOWN
from edge.store.record_line import read_line
from edge.store.record_reader import FOLDER_NAME, day_files, lines_backwards, lines_forwards

MOST_SHOWN = 500
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


class Found(NamedTuple):
    row: int
    """Orders events, also through epochs."""
    event: Event
    payload: bytes
    """As it was published."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """None: any."""

    camera: str | None = None
    zone: str | None = None
    status: str | None = None
    type: str | None = None
    since: float | None = None
    """Seconds since 1970."""
    until: float | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> EventFilter:
        """Raises UsageError."""
        words = {name: query[name] for name in ("camera", "zone", "status", "type") if query.get(name)}
        return cls(since=_seconds(query, "since"), until=_seconds(query, "until"), **words)

    def matches(self, event: Event) -> bool:
        if self.camera not in (None, event.camera) or self.status not in (None, event.status):
            return False
        if self.type not in (None, event.type) or not (self.zone is None or self.zone in event.zones):
            return False
        if self.since is None and self.until is None:
            return True
        time = parse_timestamp(event.time)
        return (self.since is None or time >= self.since) and (self.until is None or time <= self.until)

    def may_be_in(self, path: Path) -> bool:
        """Whether the file of a UTC day can hold such an event; the day before and after count, for clocks that were
        set."""
        day = datetime.fromisoformat(path.stem).replace(tzinfo=timezone.utc).timestamp()
        return (self.since is None or day + 2 * DAY_S >= self.since) and (
            self.until is None or day - DAY_S <= self.until
        )


class EventRecord:
    """The local record in the state folder. Raises OSError where a disk fails; a folder that is not there is empty."""

    def __init__(self, storage: Path) -> None:
        self._folder = storage / FOLDER_NAME
        self._visits: dict[tuple[str, int, int], Counter[Bucket]] = {}
        """Of each day's file, by its name, inode and size: yesterday's does not change any more."""

    def newest(self, wanted: EventFilter, count: int) -> list[Found]:
        """The last `count`, newest first."""
        found: list[Found] = []
        for path in reversed(self._files(wanted)):
            for line in lines_backwards(path):
                one = _read(line)
                if one is not None and wanted.matches(one.event):
                    found.append(one)
                    if len(found) >= count:
                        return heapq.nlargest(count, found, key=lambda each: each.row)
        return heapq.nlargest(count, found, key=lambda each: each.row)

    def oldest_first(self, wanted: EventFilter) -> Iterator[Found]:
        for path in self._files(wanted):
            for line in lines_forwards(path):
                one = _read(line)
                if one is not None and wanted.matches(one.event):
                    yield one

    def visits(self, since: float) -> dict[Bucket, int]:
        """Visits that have ended since then, by hour."""
        total: Counter[Bucket] = Counter()
        known: dict[tuple[str, int, int], Counter[Bucket]] = {}
        for path in self._files(EventFilter(since=since)):
            status = path.stat()
            key = (path.name, status.st_ino, status.st_size)
            known[key] = self._visits[key] if key in self._visits else _visits_in(path)
            total.update(known[key])
        self._visits = known
        return {bucket: count for bucket, count in total.items() if bucket.begin + HOUR_S > since}

    def _files(self, wanted: EventFilter) -> list[Path]:
        try:
            return [path for path in day_files(self._folder) if wanted.may_be_in(path)]
        except FileNotFoundError:
            return []


class Bucket(NamedTuple):
    """One hour of the device's own time, and a kind of visit."""

    begin: float
    """Seconds since 1970."""
    camera: str
    outcome: str
    """compliant, violation or unknown, by the status when the person left."""


def _visits_in(path: Path) -> Counter[Bucket]:
    counts: Counter[Bucket] = Counter()
    for line in lines_forwards(path):
        if b'"ended"' not in line:
            continue
        one = _read(line)
        if one is not None and one.event.type == "ended":
            local = datetime.fromtimestamp(parse_timestamp(one.event.time)).astimezone()
            begin = local.replace(minute=0, second=0, microsecond=0).timestamp()
            known = "compliant" if one.event.compliant else "violation"
            outcome = "unknown" if one.event.status == UNKNOWN else known
            counts[Bucket(begin, one.event.camera, outcome)] += 1
    return counts


def _read(line: bytes) -> Found | None:
    recorded = read_line(line)
    event = None if recorded is None else parse_event(recorded.payload)
    return None if recorded is None or event is None else Found(recorded.row, event, recorded.payload)


def _seconds(query: Mapping[str, str], name: str) -> float | None:
    text = query.get(name)
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e11:
        raise UsageError(f"{name} must be in seconds since 1970, not {text[:40]!r}")
    return seconds
