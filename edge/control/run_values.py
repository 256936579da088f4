"""What holds for this run alone: values in memory, laid over what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.config import Config
from edge.config.settable import Settable
from edge.config.tunable import tunables, with_tuned, zones_of
from edge.config.yaml_edit import Value
from edge.errors import MaskdError


@dataclass(frozen=True, slots=True)
class RunValues:
    """Only what can be tuned, so that neither privacy nor a camera's switch is ever among it."""

    values: Mapping[Settable, Value] = field(default_factory=dict)
    zones: Mapping[str, Any] = field(default_factory=dict)
    """All zones of some cameras."""
    values_before: Mapping[Settable, Value] = field(default_factory=dict)
    """What is kept, of the same settings."""
    zones_before: Mapping[str, Any] = field(default_factory=dict)

    def with_more(self, values: Mapping[Settable, Value], zones: Mapping[str, Any], config: Config) -> RunValues:
        """`config`: what is in effect. Raises MaskdError for what cannot be tuned, or is not valid."""
        with_tuned(config, values, zones)
        return RunValues(
            {**self.values, **values},
            {**self.zones, **zones},
            {**{each: each.value_in(config) for each in values}, **self.values_before},
            {**{camera: zones_of(config, camera) for camera in zones}, **self.zones_before},
        )

    def over(self, config: Config) -> Config:
        return with_tuned(config, self.values, self.zones) if self.values or self.zones else config

    def undone(self, config: Config) -> Config:
        """What is in effect without them."""
        return with_tuned(config, self.values_before, self.zones_before) if self.values or self.zones else config

    def without(self, *settings: Settable, zones_of_cameras: tuple[str, ...] = ()) -> RunValues:
        """Something else holds for these now."""
        return RunValues(
            {each: value for each, value in self.values.items() if each not in settings},
            {camera: own for camera, own in self.zones.items() if camera not in zones_of_cameras},
            {each: value for each, value in self.values_before.items() if each not in settings},
            {camera: own for camera, own in self.zones_before.items() if camera not in zones_of_cameras},
        )

    def rebased(self, kept: Config) -> RunValues:
        """Over another configuration; dropped where they do not fit it."""
        known = tunables(kept)
        values = {each: value for each, value in self.values.items() if each in known}
        zones = {camera: own for camera, own in self.zones.items() if camera in kept.cameras}
        try:
            return RunValues().with_more(values, zones, kept)
        except MaskdError:
            return RunValues()
