"""The retained payloads: how the device is doing, and how many people a window saw."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge.payloads.events import ModelNames
from edge.payloads.payload import Count, Fraction, Payload, Timestamp
from edge.payloads.view_fault import ViewFault

NotNegative = Annotated[float, Field(ge=0)]


class CameraStatus(Payload):
    enabled: bool
    """false: switched off, by config.yaml or by a command."""
    connected: bool
    """Pictures are coming."""
    fps: NotNegative
    """Frames per second that were judged of late."""
    frames: Count
    """Frames taken since the camera was last switched on."""
    dropped: Count
    """Frames since then that a newer one replaced before they were judged."""
    error: str | None
    """Why the camera is not connected."""
    view: tuple[ViewFault, ...] = ()
    """What is wrong with its picture; empty while it is not connected."""


class InferenceMs(Payload):
    """Milliseconds of late; null before the first picture or face."""

    detect: NotNegative | None
    """Per picture."""
    classify: NotNegative | None
    """Per face."""


class OutboxStatus(Payload):
    depth: Count
    """Events that the broker has not acknowledged."""
    withheld: Count
    """Those of them that are kept here by `privacy: aggregate`; they are sent once it is `events` again."""
    oldest_unsent_s: NotNegative | None
    """Age of the oldest of them in seconds; null where there is none, and with `privacy: aggregate`."""
    lost: Count
    """Events given up since the outbox was made: it was full, or neither the disk nor the broker took them."""
    epoch: str
    """The epoch in which events are numbered."""
    latest_seq: Count
    """The latest number given in it."""


class MqttStatus(Payload):
    connections: Count
    """Times connected since the start."""
    acknowledged: Count
    """Events that the broker took since the start."""
    refused: Count
    """Events that the broker turned down since the start; they are offered again."""


class ActionsStatus(Payload):
    waiting: dict[str, Count]
    """Actions that wait for each output which keeps them."""
    dropped: Count
    """Since maskd started, because too many waited."""


class Status(Payload):
    """How the device is doing."""

    schema_name: Literal["maskd.status/1"] = Field(default="maskd.status/1", alias="schema")
    device: str
    version: str
    uptime_s: NotNegative
    models: ModelNames
    privacy: Literal["events", "aggregate"]
    problems: list[str]
    """What needs attention, one sentence each; empty if there are no problems."""
    cameras: dict[str, CameraStatus]
    inference_ms: InferenceMs
    temperature_c: float | None
    """The processor's temperature, where the board tells."""
    outbox: OutboxStatus
    mqtt: MqttStatus
    actions: ActionsStatus | None = None
    """Of rules; null: there are no outputs."""
    time: Timestamp


class Presence(Payload):
    """The people before a camera at this moment, by their latest status."""

    schema_name: Literal["maskd.presence/1"] = Field(default="maskd.presence/1", alias="schema")
    device: str
    camera: str
    people: Count
    counts: dict[str, Count]
    """People per status."""
    violation: bool
    """A person is present whose status is known and breaks the rule."""
    time: Timestamp


class Window(Payload):
    """The people that a camera saw in a span of time; a person counts once, by the latest status."""

    schema_name: Literal["maskd.window/1"] = Field(default="maskd.window/1", alias="schema")
    device: str
    camera: str
    begin: Timestamp = Field(alias="from")
    end: Timestamp = Field(alias="to")
    people: Count
    counts: dict[str, Count]
    """People per status."""
    compliance_rate: Fraction | None
    """Compliant people among those whose status is known; null where there are none."""


class DayTotals(Payload):
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", json_schema_extra={"format": "date"})]
    """The day in the device's time zone; the counts begin again with each."""
    visits: Count
    violations: Count


class Totals(Payload):
    """The visits that a camera has counted, across restarts; with `privacy: aggregate` up to the end of the latest
    window."""

    schema_name: Literal["maskd.totals/1"] = Field(default="maskd.totals/1", alias="schema")
    device: str
    camera: str
    visits: Count
    """People who appeared and whose status settled."""
    violations: Count
    """Those of them whose status was, at some time, known and not compliant where the person was."""
    today: DayTotals
    since: Timestamp
    """When counting began: with the first start, or after the file of the counts was lost."""
    time: Timestamp
