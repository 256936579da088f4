"""The retained payload that tells how far a resend has come, and answers who asked for one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge.payloads.numbering import EPOCH_PATTERN, MAX_SEQ
from edge.payloads.payload import Count, Payload, Timestamp

Seq = Annotated[int, Field(ge=1, le=MAX_SEQ)]


class ResendState(Payload):
    """Events of the local record that are published again on demand."""

    schema_name: Literal["maskd.resend/1"] = Field(default="maskd.resend/1", alias="schema")
    state: Literal["idle", "running", "done", "stopped"]
    """Of the latest resend; idle: there was none since the start."""
    epoch: Annotated[str, Field(pattern=EPOCH_PATTERN)] | None
    """Of `from` and `to`."""
    begin: Seq | None = Field(alias="from")
    """The number that was asked for."""
    end: Seq | None = Field(alias="to")
    """The last number that was asked for; null: up to the newest event of that moment, through all epochs."""
    sent: Count
    """Events that the broker has acknowledged."""
    refused: Count
    """Events that the broker turned down."""
    error: str | None
    """Why the latest request was refused, or the resend was stopped."""
    time: Timestamp
