"""What the log says of the connection to the broker: each thing once until it changes."""

from __future__ import annotations

import logging

from edge.mqtt.reasons import explain_refused_subscription
from edge.mqtt.session import Session

log = logging.getLogger(__name__)


class ConnectionLog:
    """Belongs to the connection's thread."""

    def __init__(self) -> None:
        self.discarded = 0
        """Incoming messages that were too large to be a command."""
        self._reported: set[str] = set()
        """Problems since the last good connection; attempts every second do not fill the log with them."""
        self._warned: set[str] = set()
        self._refused_filters: dict[str, str] = {}
        """Why the broker does not let us listen to a topic."""
        self._connect_is_logged = False

    def other_broker(self) -> None:
        """What was said so far was about another one."""
        self._reported.clear()
        self._warned.clear()
        self._refused_filters.clear()
        self._connect_is_logged = False

    def connected(self, session: Session, client_id: str, doubt: str | None) -> None:
        """`doubt`: why the broker is not spoken to in a newer version."""
        if not self._connect_is_logged:
            spoken = f"MQTT {session.version}" + ("" if doubt is None else f", since {doubt},")
            log.info("connected to the broker %s with %s as %s", session.address, spoken, client_id)
            self._connect_is_logged = True

    def good_connection(self) -> None:
        """After one a problem is news again."""
        self._reported.clear()

    def warning(self, warning: str) -> None:
        if warning not in self._warned:
            log.warning("%s", warning)
            self._warned.add(warning)

    def problem(self, problem: str) -> None:
        if problem not in self._reported:
            log.warning("%s", problem)
            self._reported.add(problem)
            self._connect_is_logged = False

    def unexpected(self, error: Exception) -> None:
        if repr(error) not in self._reported:
            self._reported.add(repr(error))
            log.error("the connection to the broker failed with an unexpected error; maskd reconnects", exc_info=error)

    def subscribed(self, topic_filter: str, refusal: str | None, client_id: str) -> None:
        if refusal is None:
            if self._refused_filters.pop(topic_filter, None) is not None:
                log.info("the broker lets %s subscribe to %s again", client_id, topic_filter)
        elif self._refused_filters.get(topic_filter) != refusal:
            self._refused_filters[topic_filter] = refusal
            log.warning("%s", explain_refused_subscription(topic_filter, refusal, client_id))

    def too_large(self, topic: str, size: int) -> None:
        self.discarded += 1
        if self.discarded == 1:
            log.warning(
                "a message of %d bytes on %s is too large for a command and was ignored, like all such messages; "
                "find out who publishes it, or forbid it in the broker's access list",
                size,
                topic[:200],
            )
