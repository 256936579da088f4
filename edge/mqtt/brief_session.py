"""A connection for a moment, next to that of a running daemon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from edge.config import MqttSettings
from edge.errors import MaskdError
from edge.mqtt.session import Session
from edge.mqtt.versions import VersionChoice

LOOP_S = 0.05
"""An answer is noticed after so long at the latest."""


@contextmanager
def brief_session(settings: MqttSettings, device: str, purpose: str) -> Iterator[Session]:
    """A session at which the broker has let us in, by the newest version that it speaks; it ends with the block.

    `purpose` makes a client id of its own, so that a running daemon is left alone; nothing is said about the device's
    availability. Raises MaskdError where the broker is absent or does not let us in.
    """
    client_id = f"maskd-{device}-{purpose}-{os.getpid()}"
    versions = VersionChoice().to_try(settings.protocol)
    for version in versions:
        is_last = version == versions[-1]
        session = Session(settings, client_id, None, 0, version=version, is_last=is_last)
        try:
            try:
                session.connect()
                while not session.is_accepted:
                    session.serve(LOOP_S)
            except MaskdError:
                if is_last or session.version_doubt is None:
                    raise
                continue
            yield session
            session.say_goodbye()
            return
        finally:
            session.close()
