"""The MQTT message of an event."""

from __future__ import annotations

from edge.mqtt.messages import Message
from edge.payloads.events import marked_resent
from edge.payloads.numbering import published
from edge.store.outbox_rows import Pending


def event_message(event: Pending, expiry_s: int | None, *, resent: bool = False) -> Message:
    """`expiry_s`: how long the broker keeps it for an absent subscriber, in seconds; None: for ever. `resent`: it is
    published again on demand, and marked so."""
    number = published(event.payload)
    return Message(
        event.topic,
        marked_resent(event.payload) if resent else event.payload,
        schema="maskd.event/1",
        seq=None if number is None else number.seq,
        epoch=None if number is None else number.epoch,
        resent=resent,
        expiry_s=expiry_s,
    )
