"""The settings of what is made of many pictures: people who are followed, and their status."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge.config.fields import Fraction, Seconds, Settings, Text
from edge.config.traits import LIVE, Control, Traits


class TrackingSettings(Settings):
    match_iou: Annotated[Fraction, LIVE] = 0.2
    """Smallest overlap (IoU) of a face with a track's predicted box."""
    lost_after_s: Annotated[
        Seconds,
        Traits(
            effect="live",
            per_camera=True,
            control=Control("gone after", unit="s", step=0.1, most=600, by_command=False),
        ),
    ] = 2.0
    """Seconds without a face after which a track ends."""
    min_hits: Annotated[
        int,
        Field(ge=1),
        Traits(
            effect="live",
            per_camera=True,
            control=Control("pictures before a person counts", most=1000, by_command=False),
        ),
    ] = 3
    """Faces seen before a track counts as a person."""


class ComplianceSettings(Settings):
    compliant: Annotated[list[Text], LIVE] = ["with_mask"]
    """Statuses that comply; every other known status is a violation."""
    window_s: Annotated[
        float,
        Field(gt=0),
        Traits(
            effect="live",
            per_camera=True,
            control=Control("votes count for", unit="s", step=0.1, most=600, by_command=False),
        ),
    ] = 3.0
    """Votes older than this no longer count, in seconds."""
    min_votes: Annotated[
        int, Field(ge=1), Traits(effect="live", per_camera=True, control=Control("votes needed", most=1000))
    ] = 5
    """Votes needed before the first status is announced."""
    majority: Annotated[
        float,
        Field(gt=0.5, le=1),
        Traits(effect="live", per_camera=True, control=Control("majority", widget="slider", step=0.01)),
    ] = 0.6
    """Share of the votes that a status needs to be announced or to replace another."""
    hold_s: Annotated[
        Seconds,
        Traits(effect="live", per_camera=True, control=Control("hold time", unit="s", step=0.1, most=3600)),
    ] = 1.0
    """Seconds that a new majority must last before `changed` is published."""
