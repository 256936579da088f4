"""Which topics the broker takes no events on, and when one is offered there again: pure logic that takes the time."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from edge.system.backoff import Backoff

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Refused:
    """A topic on which the broker took no event: one is offered now and then, until it takes one."""

    backoff: Backoff
    retry_at: float
    """In monotonic seconds; never while one is on its way."""


class Refusals:
    """Belongs to the thread that sends. Times are in monotonic seconds."""

    def __init__(self, make_backoff: Callable[[], Backoff]) -> None:
        self.count = 0
        """Times that the broker turned an event down since the start."""
        self._make_backoff = make_backoff
        self._topics: dict[str, _Refused] = {}
        self._left_out_is_logged = False

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def waiting(self, now: float) -> list[str]:
        """Topics on which nothing is offered yet."""
        return [topic for topic, refused in self._topics.items() if refused.retry_at > now]

    def is_any_due(self, now: float) -> bool:
        """Whether an event may be offered again on some topic."""
        return any(refused.retry_at <= now for refused in self._topics.values())

    def offered(self, topic: str) -> None:
        """An event on this topic is on its way: one is enough to learn whether the broker has changed its mind."""
        if topic in self._topics:
            self._topics[topic].retry_at = math.inf

    def accepted(self, topic: str) -> bool:
        """The broker took an event; returns whether it had refused this topic before."""
        if self._topics.pop(topic, None) is None:
            return False
        log.info("the broker accepts events on %s again", topic)
        return True

    def refused(self, topic: str, reason: str, now: float) -> None:
        self.count += 1
        refused = self._topics.get(topic)
        if refused is None:
            refused = self._topics[topic] = _Refused(self._make_backoff(), now)
            log.warning(
                "the broker refuses events on %s: %s; maskd keeps and retries them: let this device's user publish "
                "there",
                topic,
                reason,
            )
        elif refused.retry_at != math.inf:
            return  # handed over together with the one that was refused first
        refused.retry_at = now + refused.backoff.next()

    def too_long(self, seq: int, reason: str) -> None:
        """This event has to wait for another connection; those behind it go on."""
        self.count += 1
        if not self._left_out_is_logged:
            self._left_out_is_logged = True
            log.warning(
                "event %d is too long for the broker (%s); it stays in the outbox, like all such events, until the "
                "broker's limit is raised",
                seq,
                reason,
            )

    def begin_again(self, now: float) -> None:
        """On a new connection. Mosquitto 2.0.11 closes the connection on a refused event: were it the first of the next
        connection, no other camera's would ever get through; so it goes on waiting for its turn."""
        for refused in self._topics.values():
            if refused.retry_at == math.inf:
                refused.retry_at = now + refused.backoff.next()

    def clear(self) -> None:
        self._topics.clear()
