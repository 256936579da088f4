"""What is logged of commands: enough to follow them, but not so much that a sender can fill the log."""

from __future__ import annotations

import logging
from pathlib import Path

from edge.config.settable import Settable
from edge.config.yaml_edit import Value, as_yaml
from edge.system.rate_limit import PerMinute

CHANGES_PER_MINUTE = 60
REFUSALS_PER_MINUTE = 5

log = logging.getLogger(__name__)


class CommandLog:
    """Used by one thread; times are monotonic seconds."""

    def __init__(self) -> None:
        self._changes = PerMinute(CHANGES_PER_MINUTE)
        self._refusals = PerMinute(REFUSALS_PER_MINUTE)
        self._drop_reports = PerMinute(1)
        self._drops_told = 0
        self._retained_told: set[str] = set()

    def changed(self, each: Settable, value: Value, now: float) -> None:
        if self._changes.admits(now):
            log.info("%s is now %s, by a command", each, as_yaml(value))

    def written(self, each: Settable, path: Path) -> None:
        log.info("%s was written to %s", each, path)

    def refused(self, reason: str, now: float) -> None:
        if self._refusals.admits(now):
            log.warning("a command was refused: %s", reason)

    def retained(self, each: Settable, topic: str) -> None:
        """Once per setting: a broker sends it again on every connection."""
        if each.setting not in self._retained_told:
            self._retained_told.add(each.setting)
            log.warning(
                "a retained command on %s is ignored because it would act at every start; publish commands without "
                "the retain flag, and clear this one: mosquitto_pub -r -n -t %s",
                topic,
                topic,
            )

    def tell_what_was_left_out(self, now: float, dropped: int) -> None:
        """`dropped`: commands since the start that found no room in the queue."""
        for limit, what in ((self._changes, "carried out"), (self._refusals, "refused")):
            if count := limit.take_turned_away(now):
                log.warning("%d more commands were %s within a minute; check who may write to .../set", count, what)
        if dropped > self._drops_told and self._drop_reports.admits(now):
            log.warning("%d commands came too fast and were dropped", dropped - self._drops_told)
            self._drops_told = dropped
