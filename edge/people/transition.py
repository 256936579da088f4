"""What happened to one person: the step from watching to events, counts and presence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.geometry import Box


@dataclass(frozen=True, slots=True)
class Transition:
    """A person was announced, changed status or came to comply or not, or left."""

    type: Literal["started", "changed", "ended"]
    camera: str
    track: str
    status: str
    previous: str | None
    """The status before this one; only a `changed` has it, and where it equals `status`, only `compliant` changed."""
    compliant: bool
    """Whether the rules of all zones that count for the person, or else the camera's, allow the status."""
    confidence: float
    """Mean confidence of the votes for `status`, 0 to 1; 0 where none was cast."""
    box: Box
    """Where the face was last seen, in fractions of the picture's width and height, 0 to 1."""
    zones: tuple[str, ...]
    """Those that count for the person."""
    started_at: float
    """When the person was first seen, in monotonic seconds."""
    at: float
    """When this happened, in monotonic seconds; for an `ended`, when the person was last seen."""
    votes: Mapping[str, int]
    """Votes per status over the whole track, `unknown` among them."""
