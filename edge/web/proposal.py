"""What someone who tunes would like to change: what the page sends, and the configuration that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.config import Config, Name
from edge.config.settable import Settable
from edge.config.tunable import with_tuned
from edge.config.yaml_edit import Value
from edge.errors import MaskdError

LONGEST_BYTES = 65_536
MOST_VALUES = 1000
MOST_ZONES = 50
"""Of one camera."""
MOST_CORNERS = 100
"""Of one zone: the check of an outline takes the square of it."""
Keep = Literal["file", "run"]


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    camera: Name
    setting: Annotated[str, Field(max_length=64)]
    value: bool | int | float | Annotated[str, Field(max_length=64)] | None


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    tab: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    camera: Name
    values: Annotated[list[_Wanted], Field(max_length=MOST_VALUES)] = []
    zones: dict[Name, Annotated[dict[Name, Any], Field(max_length=MOST_ZONES)]] = {}
    revision: Annotated[str, Field(max_length=64)] | None = None
    keep: Keep | None = None
    renamed: dict[Name, dict[Name, Name]] = {}


@dataclass(frozen=True, slots=True)
class Proposal:
    tab: str
    """The browser's tab, in which a newer proposal replaces an older one."""
    camera: str
    """The one that is looked at."""
    values: Mapping[Settable, Value]
    zones: Mapping[str, Any]
    """All zones of some cameras, as in config.yaml."""
    revision: str | None = None
    """Of the settings that it started from."""
    keep: Keep | None = None
    """Where a saved one is to be kept."""
    renamed: Mapping[str, Mapping[str, str]] | None = None
    """New names of zones by old ones, by camera."""

    def over(self, config: Config) -> Config:
        """Raises MaskdError where it does not fit."""
        if self.camera not in config.cameras:
            raise MaskdError(f"there is no camera {self.camera} any more; reload the page")
        return with_tuned(config, self.values, self.zones)


def parse_proposal(body: bytes) -> Proposal:
    """Raises MaskdError."""
    if len(body) > LONGEST_BYTES:
        raise MaskdError(f"the proposal is larger than {LONGEST_BYTES} bytes; draw fewer zones and corners")
    try:
        message = _Message.model_validate_json(body)
    except (ValidationError, RecursionError):
        raise MaskdError("this is not a proposal as the page sends it; reload the page") from None
    _require_few_corners(message.zones)
    values = {Settable(each.setting, each.camera): each.value for each in message.values}
    return Proposal(message.tab, message.camera, values, message.zones, message.revision, message.keep, message.renamed)


def _require_few_corners(zones: Mapping[str, Mapping[str, Any]]) -> None:
    for own in zones.values():
        for name, zone in own.items():
            corners = zone.get("corners") if isinstance(zone, dict) else zone
            if not isinstance(corners, list) or len(corners) > MOST_CORNERS:
                raise MaskdError(f"zone {name}: give a list of at most {MOST_CORNERS} corners")
