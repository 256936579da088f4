"""The record and the outbox of the daemon, as one of its parts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Literal

from edge.config import Config
from edge.store.outbox import Outbox
from edge.store.record import Record
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus

_log = logging.getLogger(__name__)


class Store(Part):
    """Opens them, ends who was there when maskd last stopped, and tells how full they are."""

    stop_s = 0.5
    kept_s = 0.5

    def __init__(
        self, config: Config, *, on_damage: Callable[[BaseException], None], stops: Callable[[], bool]
    ) -> None:
        """`on_damage` hears, in a thread of the outbox, of damage that the next start repairs. `stops`: whether a stop
        was asked for, which the opening of a large outbox looks at."""
        storage = config.storage
        self.doing = f"the disk of {storage.path}"
        self.record = Record(storage.path, keep_days=storage.keep_days, keep_bytes=storage.keep_bytes)
        self.outbox = Outbox(
            storage.path,
            max_events=storage.max_events,
            max_bytes=storage.max_bytes,
            record=self.record,
            prefix=config.mqtt.prefix,
        )
        self.outbox.on_damage = on_damage
        self._stops = stops
        self._privacy: Literal["events", "aggregate"] = config.privacy
        self._lost_before = 0

    def apply(self, config: Config) -> None:
        storage = config.storage
        self._privacy = config.privacy
        self.outbox.max_events, self.outbox.max_bytes = storage.max_events, storage.max_bytes
        self.record.keep_days, self.record.keep_bytes = storage.keep_days, storage.keep_bytes

    def start(self) -> None:
        """Raises MaskdError where the folder cannot be used, and OpeningStoppedError where a stop came meanwhile."""
        self.outbox.open(stops=self._stops)
        for event in self.outbox.recover(time.time()):
            if self._privacy == "events":  # else the log names no person either
                _log.info(
                    ("camera %s: ended the visit of a person in view when maskd last stopped (seq %d)"),
                    event.camera,
                    event.seq,
                )
        self._lost_before = self.outbox.lost

    def stop(self, _deadline: Deadline) -> None:
        self.outbox.close()

    @property
    def unsaved(self) -> int:
        return self.outbox.uncommitted + self.outbox.given_up

    def status(self) -> PartStatus:
        outbox, wall = self.outbox, time.time()
        lost, counted = outbox.lost, outbox.counted
        # It tells when a person was there.
        oldest = outbox.oldest_unsent_at if self._privacy == "events" else None
        problems = [*outbox.problems]
        if lost > self._lost_before:
            problems.append(
                "events were lost since maskd started, as outbox.lost counts: the outbox was full, or its disk "
                "refused; bring the broker back, free some space, or raise storage.max_events and storage.max_bytes"
            )
        figures = {
            "depth": outbox.depth,
            "oldest_unsent_s": None if oldest is None else round(max(0.0, wall - oldest), 1),
            "lost": lost,
            "epoch": counted.epoch,
            "latest_seq": counted.seq,
        }
        return PartStatus(problems, {"outbox": figures})
