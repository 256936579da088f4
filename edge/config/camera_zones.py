"""All zones of one camera as one value that can be changed while maskd runs, and how config.yaml takes it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config.config import Config
from edge.config.edit import write_edit
from edge.config.fields import Settings
from edge.config.file import parse_config
from edge.config.settable import Settable, adjustables
from edge.config.yaml_edit import as_yaml, edit_yaml
from edge.config.yaml_remove import remove_from_yaml, rename_in_yaml
from edge.config.zone import ZoneSettings

SETTING = "zones"
ZoneValues = Mapping[str, Any]
"""A zone as config.yaml has it: `corners`, and those of its rules that are not the default."""


@dataclass(frozen=True, slots=True)
class CameraZones(Settable):
    """The zones of `camera`: a mapping of names to ZoneValues. No command over MQTT changes them."""

    setting: str = SETTING
    camera: str = ""

    @property
    def location(self) -> tuple[str, ...]:
        return ("cameras", self.camera, SETTING)

    def section_in(self, config: Config) -> Settings:
        return config.cameras[self.camera]

    def value_in(self, config: Config) -> Any:
        return {name: zone_values(zone) for name, zone in config.cameras[self.camera].zones.items()}

    def write_to(self, path: Path, value: Any) -> None:
        by_hand = f"set it to {as_yaml(value)}"
        write_edit(path, self.location, lambda text: edited(text, self.camera, value), by_hand)


def zone_values(zone: ZoneSettings) -> dict[str, Any]:
    return zone.model_dump(mode="json", exclude_defaults=True)


def changeable(config: Config) -> list[Settable]:
    """Everything that can be changed while maskd runs, and is kept in overrides.json."""
    return [*adjustables(config), *(CameraZones(camera=name) for name in config.cameras)]


def edited(text: str, camera: str, zones: Mapping[str, ZoneValues]) -> str:
    """The text of a valid config.yaml, with these zones of the camera. Only what differs is touched: a new name, a
    corner, a rule. Raises CannotEdit."""
    place = ("cameras", camera, SETTING)
    before = CameraZones(camera=camera).value_in(parse_config(text, Path("config.yaml")))
    for name in [name for name in before if name not in zones]:
        heir = next((each for each, values in zones.items() if each not in before and values == before[name]), None)
        if heir is None:
            text = remove_from_yaml(text, (*place, name))
        else:
            text = rename_in_yaml(text, (*place, name), heir)
            before[heir] = before[name]
    for name, values in zones.items():
        for key, value in _changes(before.get(name, {}), values):
            text = edit_yaml(text, (*place, name, key), value)
    return text


def _changes(before: ZoneValues, after: ZoneValues) -> list[tuple[str, Any]]:
    """What is to be set; a rule that is the default again is written out, so that comments on its line stay."""
    defaults = {name: field.default for name, field in ZoneSettings.model_fields.items()}
    wanted = {key: after.get(key, defaults[key]) for key in (*defaults,) if key in before or key in after}
    return [(key, value) for key, value in wanted.items() if key not in before or before[key] != value]
