"""How the demo shows events: one aligned line each, then a summary."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TextIO

from edge.messaging.events import Event
from edge.messaging.payload import parse_timestamp

PERSON_LETTERS = 6


class Printout:
    """Writes to `out`, each line at once; ticks and crosses only where its encoding has them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._tick, self._cross, self._arrow = ("✓", "✗", "→") if _can_write("✓✗→", out) else ("ok", "NO", "->")
        self._events: dict[str, Event] = {}
        """By id, so that a repeated delivery counts once."""

    def line(self, text: str = "") -> None:
        print(text, file=self._out, flush=True)

    def heading(self) -> None:
        self.line(
            f"{'time':<8}  {'camera':<8}  {'event':<8}  {'person':<{PERSON_LETTERS}}  {'sure':>5}  {'after':>7}  status"
        )

    def event(self, event: Event) -> None:
        key = str(event.id)
        if key in self._events:
            return
        self._events[key] = event
        moment = datetime.fromtimestamp(parse_timestamp(event.time), timezone.utc).astimezone()
        mark = self._tick if event.compliant else self._cross
        status = f"{event.previous} {self._arrow} {event.status}" if event.previous else event.status
        self.line(
            f"{moment:%H:%M:%S}  {event.camera:<8}  {event.type:<8}  {event.track[-PERSON_LETTERS:]:<{PERSON_LETTERS}}"
            f"  {event.confidence:>5.0%}  {event.duration_s:>5.1f} s  {mark} {status}"
        )

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
        self.line("Go on with your own camera and broker:")
        self.line("  maskd detect photo.jpg      what the models see in a photo")
        self.line("  maskd run -c config.yaml    the daemon; set cameras.<name>.source and mqtt.host first")
        self.line("README.md tells how to install, subscribe and tune.")


def _can_write(text: str, out: TextIO) -> bool:
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
