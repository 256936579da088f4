"""Visits of the local record, one for each person who came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from edge.payloads.events import Event, parse_event
from edge.payloads.payload import parse_timestamp
from edge.payloads.statuses import UNKNOWN
from edge.store.record_line import read_line
from edge.store.record_reader import FOLDER_NAME, day_files, lines_forwards

DAY_S = 86_400.0
Outcome = Literal["compliant", "violation", "unknown"]


@dataclass(slots=True)
class Visit:
    """Of a person whose `started` is recorded."""

    camera: str
    began_at: float
    """When the person was first seen, in seconds since 1970."""
    zones: set[str] = field(default_factory=set)
    """All in which the person was at some event."""
    has_complied: bool = False
    has_violated: bool = False

    @property
    def outcome(self) -> Outcome:
        """As the totals count: a violation if the status was ever known and not allowed."""
        if self.has_violated:
            return "violation"
        return "compliant" if self.has_complied else "unknown"


def visits(storage: Path, begin: float, end: float) -> Iterator[Visit]:
    """Those that began from `begin` on and before `end` (seconds since 1970), in the order in which they ended. Raises
    OSError; a record that is not there is empty."""
    there: dict[str, Visit] = {}
    for path in _files(storage / FOLDER_NAME, begin, end):
        for line in lines_forwards(path):
            recorded = read_line(line)
            event = None if recorded is None else parse_event(recorded.payload)
            if event is None:
                continue
            if event.type == "started" and begin <= (at := parse_timestamp(event.started)) < end:
                there.setdefault(event.track, Visit(event.camera, at))
            if (visit := there.get(event.track)) is not None:
                _take(visit, event)
                if event.type == "ended":
                    yield there.pop(event.track)
    yield from there.values()


def _take(visit: Visit, event: Event) -> None:
    visit.zones.update(event.zones)
    if event.status != UNKNOWN:
        visit.has_complied = visit.has_complied or event.compliant
        visit.has_violated = visit.has_violated or not event.compliant


def _files(folder: Path, begin: float, end: float) -> list[Path]:
    """The days that may hold such a visit, one more at each side: a visit may last, and a clock may be set."""
    try:
        files = day_files(folder)
    except FileNotFoundError:
        return []
    first, last = _day(begin - DAY_S), _day(end + 2 * DAY_S)
    return [path for path in files if first <= path.stem <= last]


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(max(0.0, seconds), timezone.utc).date().isoformat()
