"""The settings of one zone of a camera: where it is, and what holds for the people in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from edge.config.fields import Fraction, Seconds, Settings, Text, contradiction
from edge.config.polygon import problem_of_polygon
from edge.config.traits import LIVE

ALL = "all"
"""In a zone's `compliant`: every known status."""
Point = tuple[Fraction, Fraction]


def _drawable(points: list[Point]) -> list[Point]:
    if problem := problem_of_polygon(points):
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return points


class ZoneSettings(Settings):
    corners: Annotated[list[Point], Field(min_length=3), AfterValidator(_drawable), LIVE]
    """The corners [across, down] in order around the zone, in fractions of the picture's width and height."""
    compliant: Annotated[list[Text] | None, LIVE] = None
    """Statuses that comply in this zone; [all]: every known status; null: compliance.compliant."""
    dwell_s: Annotated[Seconds, LIVE] = 0.0
    """Seconds that a person must have been in the zone before the zone counts: until then, someone who is in no other
    zone is not announced."""
    ignore: Annotated[bool, LIVE] = False
    """true: faces in the zone, such as those on a poster, are neither followed nor judged."""

    @model_validator(mode="after")
    def _ignored_has_no_rules(self) -> ZoneSettings:
        rule = "compliant" if self.compliant is not None else "dwell_s" if self.dwell_s else None
        if self.ignore and rule is not None:
            raise contradiction(rule, "a zone with `ignore: true` judges no one; remove this, or set ignore to false")
        return self
