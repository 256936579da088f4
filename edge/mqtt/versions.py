"""Which version of MQTT a connection speaks, where `mqtt.protocol` leaves that to maskd."""

from __future__ import annotations

import time
from typing import Literal

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
