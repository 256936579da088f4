"""Which version of MQTT a connection speaks, where `mqtt.protocol` leaves that to maskd."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

from edge.config import MqttSettings
from edge.errors import MaskdError

if TYPE_CHECKING:
    from edge.messaging.mqtt.session import Session

Version = Literal["5", "3.1.1"]
NEWEST_FIRST: tuple[Version, ...] = ("5", "3.1.1")
AGAIN_S = 3600.0
"""A broker that speaks 3.1.1 alone is asked for 5 again after so long, by the next connection: it may be a new one."""


class VersionChoice:
    """Remembers what a broker speaks, from one connection to the next."""

    def __init__(self) -> None:
        self._only_3_until = 0.0

    def to_try(self, protocol: Literal["auto", "5", "3.1.1"]) -> tuple[Version, ...]:
        """One after another, until one is spoken."""
        if protocol != "auto":
            return (protocol,)
        return ("3.1.1",) if time.monotonic() < self._only_3_until else NEWEST_FIRST

    def spoken(self, version: Version) -> None:
        """The broker has let us in."""
        self._only_3_until = time.monotonic() + AGAIN_S if version == "3.1.1" else 0.0

    def forget(self) -> None:
        self._only_3_until = 0.0


class MakeSession(Protocol):
    def __call__(self, *, version: Version, is_last: bool) -> Session: ...


@contextmanager
def accepted_session(settings: MqttSettings, make: MakeSession, *, loop_s: float) -> Iterator[Session]:
    """A connection at which the broker has let us in, by the newest version that it speaks; closed at the end.

    Raises MaskdError where the broker is absent or does not let us in.
    """
    versions = VersionChoice().to_try(settings.protocol)
    for version in versions:
        is_last = version == versions[-1]
        session = make(version=version, is_last=is_last)
        try:
            try:
                session.connect()
                while not session.is_accepted:
                    session.serve(loop_s)
            except MaskdError:
                if is_last or session.version_doubt is None:
                    raise
                continue
            yield session
            return
        finally:
            session.close()
