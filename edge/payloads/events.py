"""The compliance event as it is published, and how it is made from what happened to a person."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, ValidationError

from edge.payloads.numbering import EPOCH_PATTERN, MAX_SEQ
from edge.payloads.payload import Count, Fraction, Payload, Timestamp, timestamp
from edge.payloads.topics import Topics
from edge.payloads.uuid7 import uuid7
from edge.people.transition import Transition


class ModelNames(Payload):
    """The models that decided, each as name/version."""

    detector: str
    classifier: str


class Event(Payload):
    """One person appeared, changed status or came to comply or not, or left."""

    schema_name: Literal["maskd.event/1"] = Field(default="maskd.event/1", alias="schema")
    id: UUID
    """UUIDv7, unique; a repeated delivery has the same one."""
    epoch: Annotated[str, Field(pattern=EPOCH_PATTERN)]
    """Within one, `seq` belongs to one event; a new one begins where the device's memory of its numbers is not what was
    published: a restored backup, a cloned card, a disk that takes nothing."""
    seq: Annotated[int, Field(ge=1, le=MAX_SEQ)]
    """Counts the device's events of an epoch from 1 without a gap, across restarts."""
    durable: bool
    """false: sent though the disk did not take it, so that a crash before the broker's acknowledgement loses it."""
    device: str
    camera: str
    type: Literal["started", "changed", "ended"]
    track: str
    """Identifies one visit of one person, never a person."""
    status: str
    """with_mask, without_mask, mask_weared_incorrect, unknown, or another label of the classifier."""
    previous: str | None
    """The status before a `changed`. Where it equals `status`, only `compliant` changed: the person crossed into
    another zone, or the rules changed."""
    compliant: bool
    """Whether the rules of all `zones`, or of the camera where there are none, allow the status."""
    confidence: Fraction
    """Mean confidence of the votes for `status`."""
    box: tuple[Fraction, Fraction, Fraction, Fraction]
    """Left, top, right, bottom of the face in fractions of the picture's width and height."""
    zones: tuple[str, ...]
    """Those that the person is in, each once its dwell time has passed."""
    time: Timestamp
    """When this happened."""
    started: Timestamp
    """When the person was first seen."""
    duration_s: Annotated[float, Field(ge=0)]
    """Seconds from `started` to `time`; of an `ended` after a crash, to the last that was known of the person."""
    votes: dict[str, Count]
    """Faces counted for each status."""
    models: ModelNames
    resent: bool = False
    """Published again on demand, from the local record. Absent from an event that is published for the first time, or
    again because its acknowledgement did not arrive."""

    def to_json(self) -> bytes:
        return self.model_dump_json(by_alias=True, exclude=None if self.resent else {"resent"}).encode()


def marked_resent(payload: bytes) -> bytes:
    """A published event, as it is published again on demand."""
    return payload[:-1] + b',"resent":true}'


def parse_event(payload: bytes) -> Event | None:
    """A published event read back; None for anything else, whatever it is."""
    try:
        return Event.model_validate_json(payload, strict=True)
    except ValidationError:
        return None


def event_from_transition(
    transition: Transition,
    *,
    id: UUID | None = None,  # noqa: A002 - the name in the payload
    epoch: str,
    seq: int,
    durable: bool = True,
    device: str,
    models: ModelNames,
    wall_time: float,
) -> Event:
    """`wall_time` is when the transition happened (its `at`), in seconds since 1970; durations come from the
    transition's monotonic times, so a step of the wall clock bends none. `id`: None makes a new one."""
    duration = max(0.0, transition.at - transition.started_at)
    box = transition.box.clipped(1, 1)
    return Event(
        id=uuid7(round(wall_time * 1000)) if id is None else id,
        epoch=epoch,
        seq=seq,
        durable=durable,
        device=device,
        camera=transition.camera,
        type=transition.type,
        track=transition.track,
        status=transition.status,
        previous=transition.previous,
        compliant=transition.compliant,
        # A mean of float32 probabilities can pass 1 by a rounding error.
        confidence=round(min(max(transition.confidence, 0.0), 1.0), 4),
        box=(round(box.x1, 4), round(box.y1, 4), round(box.x2, 4), round(box.y2, 4)),
        zones=transition.zones,
        time=timestamp(wall_time),
        started=timestamp(wall_time - duration),
        duration_s=round(duration, 3),
        votes=dict(transition.votes),
        models=models,
    )


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """An event as it is kept and sent: serialised once, for the database, the record and the broker alike."""

    topic: str
    event: Event
    payload: bytes
    wall_time: float
    """The event's `time`, in seconds since 1970."""

    @classmethod
    def of(cls, topic: str, event: Event, wall_time: float) -> NumberedEvent:
        return cls(topic, event, event.to_json(), wall_time)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event without its number, which the outbox gives it on committing it.

    The id comes first: a disk that fails in the middle of a commit may have kept what it refused, and what then comes
    under two numbers has one id.
    """

    topic: str
    transition: Transition
    device: str
    models: ModelNames
    wall_time: float
    """Seconds since 1970 at the transition's `at`, to the millisecond, as it is published."""
    id: UUID

    def numbered(self, epoch: str, seq: int, *, durable: bool = True) -> NumberedEvent:
        event = event_from_transition(
            self.transition,
            id=self.id,
            epoch=epoch,
            seq=seq,
            durable=durable,
            device=self.device,
            models=self.models,
            wall_time=self.wall_time,
        )
        return NumberedEvent.of(self.topic, event, self.wall_time)


def draft_events(
    transitions: Sequence[Transition], topics: Topics, models: ModelNames, *, wall_offset: float | None = None
) -> list[Draft]:
    """`wall_offset`: seconds from monotonic to wall time; None: read now, once for all of them."""
    offset = time.time() - time.monotonic() if wall_offset is None else wall_offset
    drafts = []
    for transition in transitions:
        milliseconds = round((transition.at + offset) * 1000)
        topic = topics.event(transition.camera)
        drafts.append(Draft(topic, transition, topics.device, models, milliseconds / 1000, uuid7(milliseconds)))
    return drafts


def ended_after_crash(topic: str, last: Event, *, epoch: str, seq: int, now: float) -> NumberedEvent:
    """The `ended` of a person who was there when the daemon died: what was last said, as of `now` (seconds since 1970).
    The duration stays what was last known, because it is unknown how long the person stayed."""
    changes: dict[str, Any] = {
        "id": uuid7(round(now * 1000)),
        "epoch": epoch,
        "seq": seq,
        "durable": True,
        "type": "ended",
        "previous": None,
        "time": timestamp(now),
    }
    return NumberedEvent.of(topic, last.model_copy(update=changes), round(now, 3))


def event_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every published event follows."""
    schema = Event.model_json_schema(mode="serialization")
    schema["required"].remove("resent")
    return schema
