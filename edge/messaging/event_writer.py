"""Turns what happened to people into events that are safe on the disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Literal

from edge.messaging.outbox import Outbox
from edge.messaging.visits import AnnouncedVisits
from edge.payloads.events import Event, ModelNames, draft_events
from edge.payloads.topics import Topics
from edge.people.transition import Transition

log = logging.getLogger(__name__)


class EventWriter:
    """Belongs to the vision thread, except for `privacy`."""

    def __init__(
        self, outbox: Outbox, topics: Topics, models: ModelNames, privacy: Literal["events", "aggregate"]
    ) -> None:
        self.privacy = privacy
        """Replaced by any thread; in effect from the next call on."""
        self._outbox = outbox
        self._topics = topics
        self._models = models
        self._visits = AnnouncedVisits()

    def write(self, transitions: Sequence[Transition]) -> None:
        """Commits the events of one round over all cameras in one go, since each commit waits for the disk."""
        privacy = self.privacy
        published = self._visits.to_publish(transitions, privacy, time.monotonic())
        if not published:
            return
        events = self._outbox.append(draft_events(published, self._topics, self._models))
        if privacy == "aggregate":
            log.info("privacy is aggregate: the visits that were announced are ended")
            return
        for event in events:
            log.info("%s", describe(event))


def describe(event: Event) -> str:
    """An event as one line of the log."""
    before = f" (was {event.previous})" if event.previous else ""
    return (
        f"camera {event.camera}: {event.track} {event.type} {event.status}{before}, "
        f"confidence {event.confidence:.2f}, {event.duration_s:.1f} s, seq {event.seq}"
    )
