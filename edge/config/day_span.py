"""A part of the day, such as 22:00-06:00, by the clock of the device's time zone."""

from __future__ import annotations

from datetime import time
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

DAY_SPAN_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"


def _ends(span: str) -> tuple[time, time]:
    begin, _, end = span.partition("-")
    return time.fromisoformat(begin), time.fromisoformat(end)


def _not_empty(span: str) -> str:
    begin, end = _ends(span)
    if begin == end:
        problem = "begin and end are the same; leave the setting out for the whole day"
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return span


DaySpan = Annotated[str, Field(pattern=DAY_SPAN_PATTERN), AfterValidator(_not_empty)]
"""Begin and end; an end before the begin is one of the next day."""


def is_within(span: str, clock: time) -> bool:
    """Whether `clock` lies in the span, whose end does not belong to it."""
    begin, end = _ends(span)
    return begin <= clock < end if begin < end else clock >= begin or clock < end
