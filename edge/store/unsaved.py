"""Events that the disk does not take: they wait for it in memory, or go out under an epoch of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from edge.payloads.events import Draft, Event, NumberedEvent
from edge.payloads.numbering import new_epoch
from edge.store.outbox_rows import Pending

HELD_LIMIT = 1000
"""Events kept in memory while the disk takes none."""


class Unsaved:
    """Belongs to the outbox's lock.

    A draft has no number yet, and is committed once the disk takes it. One that is numbered here is published as not
    durable, under an epoch that ends with the process, and stays so: it is never published under another number.
    """

    def __init__(self) -> None:
        self.drafts: deque[Draft] = deque()
        self.sent: dict[int, NumberedEvent] = {}
        """Numbered and not acknowledged, by row."""
        self.delivered: deque[tuple[int, NumberedEvent]] = deque(maxlen=HELD_LIMIT)
        """Acknowledged, with their rows; the record still lacks them."""
        self.lost = 0
        """Drafts given up since the disk took the last ones."""
        self._tracks: dict[str, tuple[str, bytes] | None] = {}
        self._began_here: set[str] = set()
        self.epoch = new_epoch()
        self._seq = 0

    def __len__(self) -> int:
        return len(self.drafts) + len(self.sent)

    @property
    def oldest_wall_time(self) -> float | None:
        """Seconds since 1970."""
        first = next(iter(self.sent.values()), None) or (self.drafts[0] if self.drafts else None)
        return None if first is None else first.wall_time

    def pending(self, after_row: int, without_topics: Sequence[str]) -> list[Pending]:
        """What was sent without the disk and is not acknowledged, in order."""
        return [
            Pending(row, one.topic, one.payload)
            for row, one in self.sent.items()
            if row > after_row and one.topic not in without_topics
        ]

    def give_up(self) -> int:
        """Counts all that waits here as lost; returns how much that is."""
        given_up = len(self)
        self.drafts.clear()
        self.sent.clear()
        self.lost += given_up
        return given_up

    def hold(self, drafts: Sequence[Draft]) -> None:
        self.drafts.extend(drafts)

    def limit(self) -> None:
        """Past `HELD_LIMIT` the oldest drafts are given up."""
        while len(self.drafts) > HELD_LIMIT:
            self.drafts.popleft()
            self.lost += 1

    def number(self, limit: int, first_row: int) -> list[Event]:
        """Gives the oldest drafts numbers and rows; to be sent from now on."""
        numbered: list[Event] = []
        while self.drafts and len(numbered) < limit:
            draft = self.drafts.popleft()
            self._seq += 1
            one = draft.numbered(self.epoch, self._seq, durable=False)
            self.sent[first_row + len(numbered)] = one
            self._note_track(one)
            numbered.append(one.event)
        return numbered

    def acknowledge(self, rows: Iterable[int]) -> set[int]:
        """Returns the rows that are not of this kind."""
        others = set(rows)
        for row in sorted(others & self.sent.keys()):
            self.delivered.append((row, self.sent.pop(row)))
            others.discard(row)
        return others

    def tracks(self) -> dict[str, tuple[str, bytes] | None]:
        """What the table of open tracks is to be told: topic and payload of the latest event, None for an end."""
        return dict(self._tracks)

    def tracks_are_told(self) -> None:
        self._tracks.clear()
        self._began_here.clear()

    def _note_track(self, one: NumberedEvent) -> None:
        event = one.event
        if event.type != "ended":
            self._tracks[event.track] = (one.topic, one.payload)
            if event.type == "started":
                self._began_here.add(event.track)
        elif event.track in self._began_here:
            # The table has never heard of it, and need not.
            self._began_here.discard(event.track)
            self._tracks.pop(event.track, None)
        else:
            self._tracks[event.track] = None
