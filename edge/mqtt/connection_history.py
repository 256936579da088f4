"""What earlier connections to a broker mean for the next one."""

from __future__ import annotations

import time

from edge.errors import MaskdError
from edge.mqtt.reasons import explain_short_connections
from edge.mqtt.session import Session
from edge.mqtt.versions import VersionChoice
from edge.system.backoff import Backoff

SHORT_CONNECTIONS = 3
"""So many short connections in a row are a sign of something that takes the connection away again and again."""
DEAF_S = 300.0
"""After a message that would have filled the memory nothing is subscribed for so long, for a retained one comes again
with every subscription."""


class ConnectionHistory:
    """Belongs to the connection's thread, except for `forgets_session`."""

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self.versions = VersionChoice()
        self.forgets_session = False
        """The next connection starts a new session, so that the broker drops what it was asked for and has not yet
        delivered."""
        self._deaf_until = 0.0
        self._short_connections = 0
        """Connections in a row that were lost soon after the broker had let us in."""

    @property
    def is_deaf(self) -> bool:
        """Nothing is subscribed for now."""
        return time.monotonic() < self._deaf_until

    def other_broker(self) -> None:
        self.versions.forget()
        self.backoff.reset()
        self._deaf_until = 0.0

    def accepted(self, session: Session) -> None:
        self.versions.spoken(session.version)
        if not session.keeps_session:
            self.forgets_session = False

    def ended(self, session: Session) -> None:
        if session.was_flooded:
            self._deaf_until = time.monotonic() + DEAF_S
            self.forgets_session = True
        if session.is_stable:
            self.backoff.reset()  # the next attempt follows soon
            self._short_connections = 0
        elif session.is_accepted:
            self._short_connections += 1

    def explain(self, error: MaskdError, session: Session, client_id: str) -> MaskdError:
        """What several connections tell together, where the end of the latest says little."""
        if session.end is None or not session.is_accepted or self._short_connections < SHORT_CONNECTIONS:
            return error
        return MaskdError(explain_short_connections(session.end, session.address, client_id))
