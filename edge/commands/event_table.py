"""Events as aligned lines for a person to read."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import TextIO

from edge.payloads.events import Event
from edge.payloads.payload import parse_timestamp
from edge.payloads.statuses import UNKNOWN

PERSON_LETTERS = 6
CAMERA_LETTERS = 8


class EventTable:
    """Writes to `out`, each line at once; ticks and crosses only where its encoding has them. Times are local."""

    def __init__(self, out: TextIO, *, with_dates: bool = False) -> None:
        """`with_dates`: a line with the date before the first event, and wherever the day changes."""
        self._out = out
        self._with_dates = with_dates
        self._date: date | None = None
        self._tick, self._cross, self._arrow = ("✓", "✗", "→") if _can_write("✓✗→", out) else ("ok", "NO", "->")

    def line(self, text: str = "") -> None:
        print(text, file=self._out, flush=True)

    def heading(self) -> None:
        self.line(
            f"{'time':<8}  {'camera':<{CAMERA_LETTERS}}  {'event':<8}  {'person':<{PERSON_LETTERS}}  {'sure':>5}  "
            f"{'after':>7}  status"
        )

    def event(self, event: Event) -> None:
        moment = datetime.fromtimestamp(parse_timestamp(event.time), timezone.utc).astimezone()
        if self._with_dates and moment.date() != self._date:
            self._date = moment.date()
            self.line(f"{self._date:%A} {self._date}")
        status = f"{event.previous} {self._arrow} {event.status}" if event.previous else event.status
        if event.previous == event.status:
            status = f"{event.status} {'complies now' if event.compliant else 'does not comply any more'}"
        self.line(
            f"{moment:%H:%M:%S}  {event.camera:<{CAMERA_LETTERS}}  {event.type:<8}  "
            f"{event.track[-PERSON_LETTERS:]:<{PERSON_LETTERS}}  {event.confidence:>5.0%}  "
            f"{duration_text(event.duration_s):>7}  {self._mark(event)} {status}"
        )

    def _mark(self, event: Event) -> str:
        if event.status == UNKNOWN:
            return "?".ljust(len(self._tick))
        return self._tick if event.compliant else self._cross


def duration_text(seconds: float) -> str:
    """At most seven characters for less than a hundred days."""
    if seconds < 999.95:
        return f"{seconds:.1f} s"
    minutes, whole_seconds = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes}m {whole_seconds:02}s"
    return f"{minutes // 60}h {minutes % 60:02}m"


def _can_write(text: str, out: TextIO) -> bool:
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
