"""Proves to systemd that every thread works on which vision depends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.system.part import Part


class Watchdog:
    """A sign from an idle timer proves nothing: one goes out only where all of these parts have got on since the
    last. Belongs to the main thread, whose own life it proves too."""

    def __init__(self, parts: Sequence[Part], tell: Callable[[float], None]) -> None:
        """`tell` takes the monotonic time, and may be called more often than systemd wants to hear."""
        self._parts = [part for part in parts if part.progress is not None]
        self._tell = tell
        self._seen = [part.progress for part in self._parts]

    def look(self, now: float) -> bool:
        """Returns whether all got on."""
        progress = [part.progress for part in self._parts]
        works = all(one != before for one, before in zip(progress, self._seen, strict=True))
        if works:
            self._seen = progress
            self._tell(now)
        return works
