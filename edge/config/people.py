"""The settings of what is made of many pictures: people who are followed, and their status."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge.config.fields import Fraction, Seconds, Settings, Text


class TrackingSettings(Settings):
    match_iou: Fraction = 0.2
    """Least overlap of a face with a track's predicted box, as a share of both."""
    lost_after_s: Seconds = 2.0
    """Seconds without a face after which a track ends."""
    min_hits: Annotated[int, Field(ge=1)] = 3
    """Faces seen before a track counts as a person."""


class ComplianceSettings(Settings):
    compliant: list[Text] = ["with_mask"]
    """Statuses that keep the rule."""
    window_s: Annotated[float, Field(gt=0)] = 3.0
    """Votes older than this no longer count, in seconds."""
    min_votes: Annotated[int, Field(ge=1)] = 5
    """Votes before the first status is announced."""
    majority: Annotated[float, Field(gt=0.5, le=1)] = 0.6
    """Share of the votes that a status needs, to be announced and to replace another."""
    hold_s: Seconds = 1.0
    """Seconds that a new majority must last before `changed` is published."""
