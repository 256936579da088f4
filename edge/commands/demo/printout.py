"""How the demo shows events: one aligned line each, then a summary."""

from __future__ import annotations

from typing import TextIO

from edge.commands.event_table import EventTable
from edge.payloads.events import Event


class Printout:
    """Writes to `out`, each line at once."""

    def __init__(self, out: TextIO) -> None:
        self._table = EventTable(out)
        self._events: dict[str, Event] = {}
        """By id, so that a repeated delivery counts once."""

    def line(self, text: str = "") -> None:
        self._table.line(text)

    def heading(self) -> None:
        self._table.heading()

    def event(self, event: Event) -> None:
        key = str(event.id)
        if key not in self._events:
            self._events[key] = event
            self._table.event(event)

    def acts(self, what: str) -> None:
        """Of an output; from any thread."""
        self._table.line(f"{'':<8}  -> {what}")

    @property
    def left(self) -> int:
        """People who have gone."""
        return sum(event.type == "ended" for event in self._events.values())

    def summary(self) -> None:
        events = sorted(self._events.values(), key=lambda event: event.seq)
        people = {event.track for event in events}
        compliant = {event.track for event in events if event.type == "ended" and event.compliant}
        self.line()
        self.line(
            f"{len(people)} people, {len(events)} events, {len(compliant)} with the mask worn correctly when they left."
        )
        if events:
            missing = events[-1].seq - events[0].seq + 1 - len(events)
            self.line(
                f"Their numbers run from {events[0].seq} to {events[-1].seq}, "
                + ("without a gap." if missing == 0 else f"and {missing} are missing.")
            )
        self.line()
        self.line("Next, use your own camera and broker:")
        self.line("  maskd detect photo.jpg      what the models see in a photo")
        self.line("  maskd run -c config.yaml    the daemon; set cameras.<name>.source and mqtt.host first")
        self.line("README.md explains how to install, subscribe and tune.")
