"""What can be changed while maskd runs: one setting of one camera, or of the whole device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from edge.config.camera import CameraSettings
from edge.config.config import Config
from edge.config.edit import write_setting
from edge.config.fields import Settings, schema_of
from edge.config.file import config_from_values
from edge.config.schema import resolved
from edge.config.traits import Control, traits_of
from edge.config.yaml_edit import AnyValue, Value


@dataclass(frozen=True)
class Declared:
    """A setting as its field declares it."""

    section: type[Settings]
    location: tuple[str, ...]
    """Its place in config.yaml; a camera's setting has that within the camera's section."""
    control: Control
    over: str | None
    """The section that says what holds where a camera's own setting is null."""

    @property
    def choices(self) -> Sequence[str] | None:
        """None: it is a number or a truth value."""
        return [str(choice) for choice in self._schema["enum"]] if "enum" in self._schema else None

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and most that are shown of a number; None: it is not a number. Raises TypeError where neither its field
        nor its control says them."""
        if "enum" in self._schema or self._schema["type"] == "boolean":
            return None
        return _range(self.location[-1], self._schema, self.control)

    @property
    def about(self) -> str:
        """What its docstring says."""
        return str(self._schema.get("description", ""))

    @cached_property
    def _schema(self) -> dict[str, Any]:
        """Made when someone asks: a schema of the whole configuration takes as long as a tenth of the start."""
        schema = schema_of(self.section)
        return resolved(schema["properties"][self.location[-1]], schema)


@dataclass(frozen=True, slots=True)
class Settable:
    """One setting of one camera; `camera` None: of the whole device."""

    setting: str
    camera: str | None = None

    @property
    def declared(self) -> Declared:
        """Raises KeyError where it cannot be changed while maskd runs."""
        return (device_settings() if self.camera is None else camera_settings())[self.setting]

    @property
    def location(self) -> tuple[str, ...]:
        """Its place in config.yaml."""
        of_camera = () if self.camera is None else ("cameras", self.camera)
        return of_camera + self.declared.location

    def __str__(self) -> str:
        return self.setting if self.camera is None else f"camera {self.camera}: {self.setting}"

    def section_in(self, config: Config) -> Settings:
        section: Settings = config if self.camera is None else config.cameras[self.camera]
        for name in self.declared.location[:-1]:
            section = getattr(section, name)
        return section

    def value_in(self, config: Config) -> Value:
        """As it is configured: None where it is null."""
        value: Value = getattr(self.section_in(config), self.setting)
        return value

    def configured_in(self, config: Config) -> Value:
        """As value_in, but where a camera's own is null, what the section says; None: that is null as well."""
        value, over = self.value_in(config), self.declared.over
        if value is None and over is not None:
            value = getattr(getattr(config, over), self.setting)
        return value

    def write_to(self, path: Path, value: AnyValue) -> None:
        """Into the configuration file at `path`, of which every other byte stays. Raises MaskdError."""
        write_setting(path, self.location, value)

    def changed(self, config: Config, value: AnyValue) -> Config:
        """The configuration with this one value changed, as if config.yaml had it. Raises MaskdError."""
        values = config.model_dump()
        section: Any = values
        for key in self.location[:-1]:
            section = section[key]
        section[self.setting] = value
        return config_from_values(values)


def settables(config: Config) -> list[Settable]:
    """What commands can change."""
    return [each for each in adjustables(config) if each.declared.control.by_command]


def adjustables(config: Config) -> list[Settable]:
    """Everything that can be changed, by commands or in the page's Tune view."""
    of_cameras = [Settable(setting, camera) for camera in config.cameras for setting in camera_settings()]
    return [*(Settable(setting) for setting in device_settings()), *of_cameras]


@cache
def device_settings() -> dict[str, Declared]:
    """Those of the whole device, by their names."""
    declared: dict[str, Declared] = {}
    for each in declared_in(Config):
        if each.location[-1] in declared:
            raise TypeError(f"two settings with a control are named {each.location[-1]}, and commands tell them by it")
        declared[each.location[-1]] = each
    return declared


@cache
def camera_settings() -> dict[str, Declared]:
    """Those that each camera has, by their names."""
    return {each.location[-1]: each for each in declared_in(CameraSettings)}


def declared_in(settings: type[Settings], above: tuple[str, ...] = ()) -> Iterator[Declared]:
    """Those of a section and of the sections in it, whose place is `above`. Raises TypeError where what a field says
    contradicts itself."""
    for name, field in settings.model_fields.items():
        traits = traits_of(field)
        if traits.per_camera and name not in CameraSettings.model_fields:
            raise TypeError(f"{name} is per_camera, but edge.config.camera takes nothing over from its section")
        if traits.control is not None and not traits.per_camera:
            if traits.effect == "restart":
                raise TypeError(f"{name} has a control, so that it must take effect while maskd runs")
            yield Declared(settings, (*above, name), traits.control, traits.over)
        if isinstance(field.default, Settings):
            yield from declared_in(type(field.default), (*above, name))


def _range(name: str, part: dict[str, Any], control: Control) -> tuple[float, float]:
    """`part`: the JSON Schema of its values."""
    if part["type"] not in ("integer", "number"):
        raise TypeError(f"{name} has a control, so that it must be a number, a truth value, or one of some choices")
    least, most = part.get("minimum", control.least), part.get("maximum", control.most)
    if "exclusiveMinimum" in part:
        least = part["exclusiveMinimum"] + control.step
    if "exclusiveMaximum" in part:
        most = part["exclusiveMaximum"] - control.step
    if least is None or most is None:
        raise TypeError(f"{name} has a control, so that its field or its control must say its least and its most")
    return least, most
