"""Events of the record that the rules have not seen, since maskd died before they could."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

from edge.payloads.events import Event, parse_event
from edge.store.record_line import read_line
from edge.store.record_reader import FOLDER_NAME, day_files, lines_backwards

MOST_EVENTS = 10_000


NOTHING_YET = UUID(int=0)
"""The rules began before the first event. It is less than the id of any."""


def newest_event(storage: Path) -> UUID:
    """The `id` of the latest event recorded, or NOTHING_YET. Raises OSError."""
    newest = max((end for path in _files(storage) for end in islice(_backwards(path), 1)), default=None)
    return NOTHING_YET if newest is None else newest.event.id


def unseen_events(storage: Path, seen: Collection[UUID]) -> list[Event]:
    """In order: those recorded after the last of `seen`, which are ids of events; at most `MOST_EVENTS` of them, the
    latest. Where a power cut has taken the lines of all of `seen`, the ids themselves tell: they begin with the time.
    Raises OSError."""
    ends = sorted(((end, path) for path in _files(storage) for end in islice(_backwards(path), 1)), reverse=True)
    found: list[_Recorded] = []
    seen_row = -1
    for end, path in ends:
        if end.row <= seen_row:
            break
        for one in islice(_backwards(path), MOST_EVENTS - len(found)):
            if one.event.id in seen:
                seen_row = max(seen_row, one.row)
            if one.row <= seen_row:
                break
            found.append(one)
    latest = max(seen)
    return [
        one.event for one in sorted(found) if (one.row > seen_row if seen_row >= 0 else one.event.id.int > latest.int)
    ]


@dataclass(frozen=True, order=True, slots=True)
class _Recorded:
    row: int
    """Of the outbox: it grows from event to event, whatever the clock and so the name of the file says."""
    event: Event = field(compare=False)


def _files(storage: Path) -> list[Path]:
    try:
        return day_files(storage / FOLDER_NAME)
    except FileNotFoundError:
        return []


def _backwards(path: Path) -> Iterator[_Recorded]:
    for line in lines_backwards(path):
        recorded = read_line(line)
        event = None if recorded is None else parse_event(recorded.payload)
        if recorded is not None and event is not None:
            yield _Recorded(recorded.row, event)
