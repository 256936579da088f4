"""Which visits subscribers know of, so that each `started` gets its `ended`, whatever privacy is switched to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from edge.people.transition import Transition


class AnnouncedVisits:
    """Pure logic that takes the time.

    A visit is published as a whole or not at all. Switched to `aggregate`, every visit that was announced is ended
    there and then; switched back to `events`, those who are there stay unannounced until their next visit.
    """

    def __init__(self) -> None:
        self._open: dict[str, Transition] = {}
        """What was last published of each visit that is not over, by track."""

    def to_publish(
        self, transitions: Sequence[Transition], privacy: Literal["events", "aggregate"], now: float
    ) -> list[Transition]:
        """What becomes an event by `now`, in monotonic seconds; call it at least once after a change of `privacy`."""
        if privacy == "aggregate":
            ended = [replace(last, type="ended", previous=None, at=max(now, last.at)) for last in self._open.values()]
            self._open.clear()
            return ended
        return [transition for transition in transitions if self._passes(transition)]

    def _passes(self, transition: Transition) -> bool:
        if transition.type == "ended":
            return self._open.pop(transition.track, None) is not None
        if transition.type == "changed" and transition.track not in self._open:
            return False
        self._open[transition.track] = transition
        return True
