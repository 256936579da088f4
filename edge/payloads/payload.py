"""What all published payloads share: strict fields, and times as RFC 3339 text."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.system.described import describe_fields

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


@lru_cache(maxsize=256)  # checking a payload parses its times, and so does each reader
def parse_timestamp(text: str) -> float:
    """Seconds since 1970. Raises ValueError for text that timestamp() would not write."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()


def _existing(text: str) -> str:
    parse_timestamp(text)
    return text


Timestamp = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$", json_schema_extra={"format": "date-time"}),
    AfterValidator(_existing),
]
"""RFC 3339, UTC, with milliseconds and a Z."""


def timestamp(unix_seconds: float) -> Timestamp:
    """Seconds since 1970 as text, rounded to the millisecond."""
    moment = datetime.fromtimestamp(round(unix_seconds * 1000) / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Payload(BaseModel):
    """The base of everything published: an unknown field is an error on the way in and never sent on the way out."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        json_schema_extra=describe_fields,
        allow_inf_nan=False,
        json_schema_serialization_defaults_required=True,
    )

    def to_json(self) -> bytes:
        return self.model_dump_json(by_alias=True).encode()
