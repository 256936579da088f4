"""What happened to a person, as rules see it: live, in a replay, or read back after a crash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from edge.payloads.events import Draft, Event
from edge.payloads.payload import parse_timestamp
from edge.people.transition import Transition


@dataclass(frozen=True, slots=True)
class Happening:
    id: UUID | None
    """The event's; None in a replay."""
    type: Literal["started", "changed", "ended"]
    camera: str
    track: str
    status: str
    previous: str | None
    compliant: bool
    confidence: float
    zones: tuple[str, ...]
    at: float
    """Monotonic seconds; of an event that was read back, those of the time at which it was."""
    wall_time: float
    """Seconds since 1970."""
    duration_s: float
    """Since the person was first seen."""
    is_recovered: bool = False
    """Read back from the record after maskd had stopped before it acted on it."""


def from_transition(
    transition: Transition,
    wall_time: float,
    id: UUID | None = None,  # noqa: A002 - the name in the payload
) -> Happening:
    """`wall_time`: seconds since 1970 at the transition's `at`."""
    return Happening(
        id,
        transition.type,
        transition.camera,
        transition.track,
        transition.status,
        transition.previous,
        transition.compliant,
        transition.confidence,
        transition.zones,
        transition.at,
        wall_time,
        max(0.0, transition.at - transition.started_at),
    )


def from_draft(draft: Draft) -> Happening:
    return from_transition(draft.transition, draft.wall_time, draft.id)


def from_record(event: Event, now: float) -> Happening:
    """`now` in monotonic seconds."""
    return Happening(
        event.id,
        event.type,
        event.camera,
        event.track,
        event.status,
        event.previous,
        event.compliant,
        event.confidence,
        event.zones,
        now,
        parse_timestamp(event.time),
        event.duration_s,
        is_recovered=True,
    )
