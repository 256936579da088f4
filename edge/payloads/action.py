"""What a rule hands to an output: the payload of a webhook, and what templates are filled with."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from edge.payloads.payload import Count, Fraction, Payload, Timestamp


class Action(Payload):
    """A rule acts, about one person or about all."""

    schema_name: Literal["maskd.action/1"] = Field(default="maskd.action/1", alias="schema")
    id: UUID
    """Stays the same however often the action is delivered: the key by which a receiver knows a repetition."""
    text: str
    """A sentence about it."""
    rule: str
    device: str
    time: Timestamp
    """When its occasion was there."""
    camera: str | None
    """Of the event that decided it; null: time alone did."""
    event: Literal["started", "changed", "ended"] | None
    event_id: UUID | None
    """The `id` of that event as it is published over MQTT."""
    status: str | None
    previous: str | None
    """The status before a `changed`."""
    compliant: bool | None
    confidence: Fraction | None
    zones: tuple[str, ...]
    track: str | None
    """Identifies one visit of one person, never a person."""
    duration_s: Annotated[float, Field(ge=0)] | None
    """Seconds that the person has been there."""
    people: Count | None
    """How many are there, of a rule about all people; null: it is about one."""
    minutes: float | None
    """For so long nobody complied; null: the rule is not about that."""
    recovered: bool
    """maskd had stopped before it could act on the event, and does so now."""
