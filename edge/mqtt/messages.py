"""What goes to the broker, what comes from it, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    content_type: str = "application/json"
    """Of MQTT 5."""
    schema: str | None = None
    """Named in an MQTT 5 user property, with `epoch` and `seq`, so that a subscriber need not open the payload."""
    seq: int | None = None
    epoch: str | None = None
    id: str | None = None
    """A user property of MQTT 5 by which a repetition is known."""
    resent: bool = False
    """An event that is published again on demand, which a user property says as well."""
    expiry_s: int | None = None
    """Seconds after which the broker drops it, where a subscriber has not fetched it (MQTT 5); None: never."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message that was handed over: a number for it, which is unique within one connection."""

    connection: int
    mid: int


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The broker's answer to a message."""

    receipt: Receipt
    refusal: str | None
    """Why the broker did not take the message (MQTT 5); None: it did."""
    is_lasting: bool = False
    """The same message can have no other answer on this connection."""


class Listener(Protocol):
    """Listeners of the connection. Called in the connection's thread, so it returns at once, takes no lock, and never
    publishes."""

    def connection_changed(self) -> None: ...

    def acknowledged(self, acknowledgement: Acknowledgement) -> None: ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message on a topic that we subscribed to."""

    topic: str
    payload: bytes
    """At most 4 KiB."""
    retained: bool
    """It was kept by the broker from some time before we subscribed."""


@dataclass(frozen=True, slots=True)
class Subscription:
    topic_filter: str
    handler: Callable[[Incoming], None]
