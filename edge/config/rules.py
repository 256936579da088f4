"""The settings of one rule: when it acts, through which outputs, and how often at most."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge.config.day_span import DaySpan
from edge.config.fields import Name, Seconds, Settings, Text, contradiction
from edge.config.traits import LIVE

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class WhenSettings(Settings):
    event: Annotated[list[Literal["started", "changed", "ended"]], Field(min_length=1), LIVE] = ["started", "changed"]
    """Events of a person that the rule looks at."""
    status: Annotated[list[Text] | None, LIVE] = None
    """Statuses that it looks for; null: every one except unknown, which counts only where it is named."""
    compliant: Annotated[bool | None, LIVE] = None
    """false: only people who do not comply; true: only people who do; null: both."""
    cameras: Annotated[list[Name] | None, LIVE] = None
    """Names of cameras; null: every camera."""
    zones: Annotated[list[Name] | None, LIVE] = None
    """Names of zones, of which a person is in at least one; null: anywhere."""
    dwell_s: Annotated[Seconds, LIVE] = 0.0
    """Seconds that all of this must have been so, without a break, before the rule acts."""
    people_over: Annotated[int | None, Field(ge=0, le=10_000), LIVE] = None
    """Acts when more people than this, of those that the other lines choose, are there; null: about one person."""
    nobody_complied_min: Annotated[float | None, Field(gt=0, le=1440), LIVE] = None
    """Acts when people have come for this many minutes and nobody complied; null: about one person."""
    between: Annotated[DaySpan | None, LIVE] = None
    """A part of the day, such as "08:00-18:00", in the device's time zone; null: the whole day."""
    weekdays: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None, LIVE] = None
    """Days of the week; null: every day."""

    @model_validator(mode="after")
    def _one_occasion(self) -> WhenSettings:
        if self.people_over is not None and self.nobody_complied_min is not None:
            raise contradiction("nobody_complied_min", "a rule has one occasion; make a second rule of this one")
        if self.people_over is None and self.nobody_complied_min is None:
            return self
        occasion = "people_over" if self.people_over is not None else "nobody_complied_min"
        about_one = ["event", "dwell_s"]
        if self.nobody_complied_min is not None:
            about_one += ["status", "compliant"]
        given = [name for name in about_one if getattr(self, name) != type(self).model_fields[name].default]
        if given:
            raise contradiction(given[0], f"this is about one person, and {occasion} about all; remove one of the two")
        return self


class AtMostSettings(Settings):
    once_per_person: Annotated[bool, LIVE] = True
    """true: once for each visit of a person; false: at each event that fits."""
    pause_s: Annotated[Seconds, LIVE] = 0.0
    """Seconds after the rule has acted in which it does not act again, whoever comes."""
    quiet: Annotated[DaySpan | None, LIVE] = None
    """Quiet hours, such as "22:00-06:00", in which the rule does not act; null: none."""


class RuleSettings(Settings):
    enabled: Annotated[bool, LIVE] = True
    """false: the rule does not act."""
    when: WhenSettings = WhenSettings()
    """The occasion."""
    do: Annotated[list[Name], Field(min_length=1), LIVE]
    """Names of the outputs that act."""
    at_most: AtMostSettings = AtMostSettings()
    """How often."""
