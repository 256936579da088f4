"""New lines of the local record, as the daemon appends them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edge.store.record_reader import DayLine, day_files


@dataclass(frozen=True, slots=True)
class _Place:
    inode: int
    offset: int
    """Behind the last line that was complete."""


class RecordFollower:
    """Remembers how far each day's file was read; a line counts once it is complete."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of the day files."""
        self._folder = folder
        self._places: dict[Path, _Place] = {}

    def skip_to_end(self) -> None:
        """What is there already is not new. Raises OSError."""
        for path in day_files(self._folder):
            status = path.stat()
            self._places[path] = _Place(status.st_ino, status.st_size)

    def new_lines(self) -> list[DayLine]:
        """Without their ends, in the order of the days. A file that was replaced, as when its older half was removed,
        is read from the start, so lines may repeat. Raises OSError."""
        lines: list[DayLine] = []
        files = day_files(self._folder)
        for path in files:
            try:
                with path.open("rb") as file:
                    lines += [DayLine(path.name, line) for line in self._read_on(path, file.fileno())]
            except FileNotFoundError:
                continue  # the daemon has just deleted an old day
        self._places = {path: place for path, place in self._places.items() if path in files}
        return lines

    def _read_on(self, path: Path, descriptor: int) -> list[bytes]:
        status = os.fstat(descriptor)
        place = self._places.get(path)
        if place is None or place.inode != status.st_ino or place.offset > status.st_size:
            place = _Place(status.st_ino, 0)
        data = os.pread(descriptor, status.st_size - place.offset, place.offset)
        complete, newline, _ = data.rpartition(b"\n")
        self._places[path] = _Place(place.inode, place.offset + len(complete) + len(newline))
        return complete.split(b"\n") if newline else []
