"""What can be tried on recorded people: the settings of a camera that judge them, and its zones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.config.config import Config
from edge.config.file import config_from_values
from edge.config.settable import Settable, camera_settings
from edge.config.yaml_edit import Value
from edge.errors import MaskdError


def tunables(config: Config) -> list[Settable]:
    """Of every camera, those that lie over a section. None of them can relax privacy or open a camera."""
    names = [setting for setting, declared in camera_settings().items() if declared.over is not None]
    return [Settable(setting, camera) for camera in config.cameras for setting in names]


def with_tuned(config: Config, values: Mapping[Settable, Value], zones: Mapping[str, Any]) -> Config:
    """The configuration with these values, and with these in place of all zones of some cameras. Raises MaskdError
    where one is not valid, or is nothing that can be tuned."""
    known = tunables(config)
    changed = config.model_dump()
    for each, value in values.items():
        if each not in known:
            raise MaskdError(f"{each} cannot be tuned: there is no such camera or setting")
        changed["cameras"][each.camera][each.setting] = value
    for camera, own in zones.items():
        if camera not in config.cameras:
            raise MaskdError(f"there is no camera {camera}, so it has no zones")
        changed["cameras"][camera]["zones"] = own
    return config_from_values(changed)


def zones_of(config: Config, camera: str) -> Any:
    """As plain values, in the form of config.yaml."""
    return config.cameras[camera].model_dump(mode="json", include={"zones"})["zones"]
