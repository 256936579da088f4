"""Events of the record that the rules have not seen, since maskd died before they could."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from uuid import UUID

from edge.payloads.events import Event, parse_event
from edge.store.record_line import read_line
from edge.store.record_reader import FOLDER_NAME, day_files, lines_backwards

MOST_EVENTS = 10_000

_log = logging.getLogger(__name__)


NOTHING_YET = UUID(int=0)
"""The rules began before the first event."""


def newest_event(storage: Path) -> UUID:
    """The `id` of the latest event recorded, or NOTHING_YET. Raises OSError."""
    return next((event.id for event in _backwards(storage)), NOTHING_YET)


def unseen_events(storage: Path, seen: Collection[UUID]) -> list[Event]:
    """In order: those recorded after the last of `seen`, which are ids of events. Several, since a power cut may take
    the latest lines of the record. Empty where none is among the latest `MOST_EVENTS`, for then it is not known which
    events are new. Raises OSError."""
    found: list[Event] = []
    for event in islice(_backwards(storage), MOST_EVENTS):
        if event.id in seen:
            return found[::-1]
        found.append(event)
    if NOTHING_YET in seen and len(found) < MOST_EVENTS:
        return found[::-1]
    if found:
        _log.warning("what the rules last saw is not in the record; they go on with what happens from now on")
    return []


def _backwards(storage: Path) -> Iterator[Event]:
    try:
        files = day_files(storage / FOLDER_NAME)
    except FileNotFoundError:
        return
    for path in reversed(files):
        for line in lines_backwards(path):
            recorded = read_line(line)
            event = None if recorded is None else parse_event(recorded.payload)
            if event is not None:
                yield event
