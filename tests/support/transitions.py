"""People for tests of messaging: what compliance would say of them."""

from __future__ import annotations

from typing import Literal

from edge.geometry import Box
from edge.payloads.events import Draft, ModelNames, draft_events
from edge.payloads.topics import Topics
from edge.people.transition import Transition

MODELS = ModelNames(detector="face-detector/1.0.0", classifier="mask-classifier/1.0.0")
TOPICS = Topics("maskd", "lobby")
EPOCH = "0123456789ab"
WALL_OFFSET = 1_790_000_000.0
"""Seconds from the tests' monotonic times to times since 1970."""


def transition(
    kind: Literal["started", "changed", "ended"] = "started",
    *,
    track: str = "t1",
    camera: str = "door",
    status: str = "without_mask",
    previous: str | None = None,
    started_at: float = 100.0,
    at: float = 103.25,
) -> Transition:
    return Transition(
        type=kind,
        camera=camera,
        track=track,
        status=status,
        previous=previous,
        compliant=status == "with_mask",
        confidence=0.97123,
        box=Box(0.41, 0.22, 0.55, 0.48),
        zones=("entrance",),
        started_at=started_at,
        at=at,
        votes={"with_mask": 1, "without_mask": 14},
    )


def drafts(*transitions: Transition) -> list[Draft]:
    return draft_events(transitions, TOPICS, MODELS, wall_offset=WALL_OFFSET)


def passers_by(count: int, *, first: int = 0, camera: str = "door", at: float = 103.25) -> list[Draft]:
    """One `started` for each of so many people."""
    return drafts(*(transition(track=f"t{first + index}", camera=camera, at=at) for index in range(count)))
