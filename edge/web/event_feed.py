"""New events as they are recorded, in the words in which they were published."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from edge.payloads.events import parse_event
from edge.store.record_follower import RecordFollower
from edge.store.record_line import read_line
from edge.store.record_reader import FOLDER_NAME


class EventFeed:
    """From any thread. A folder that is not there yet, or cannot be read, has none; the store reports a bad disk."""

    def __init__(self, storage: Path) -> None:
        self._follower = RecordFollower(storage / FOLDER_NAME)
        self._lock = threading.Lock()

    def skip_to_end(self) -> None:
        """What is there already is not new."""
        with self._lock, suppress(OSError):
            self._follower.skip_to_end()

    def new_events(self) -> list[str]:
        """Each a JSON object, in the order of recording."""
        with self._lock:
            try:
                lines = self._follower.new_lines()
            except OSError:
                return []
        recorded = [read_line(line) for _, line in lines]
        return [each.payload.decode() for each in recorded if each is not None and parse_event(each.payload)]
