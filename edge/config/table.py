"""`maskd config table`: every setting, as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import yaml
from pydantic.fields import FieldInfo

from edge.config.config import Config
from edge.config.fields import Settings, schema_of
from edge.config.problems import expected
from edge.config.schema import resolved
from edge.config.traits import Control, traits_of

_INTRODUCTION = """# Settings

Every setting of [config.yaml](../config.yaml). `maskd config table` prints this page; edit the settings, not the page.

- **Takes effect**, after a reload or a command: `live` from the next picture, or message, on; `reopen` opens its camera
  again, and no other; `restart` waits for a restart of maskd.
- **Commands**: `yes` can be set [over MQTT](mqtt.md#commands) and in Home Assistant; `per camera` is the default of the
  cameras' own setting of the same name, which can; `Tune` is set per camera in the page's [Tune view](page.md#tune).
"""
_HEAD = "| setting | what it is | values | default | takes effect | commands |\n|---|---|---|---|---|---|"
_END_OF_SCALAR = "...\n"
"""What PyYAML appends to a value that is neither a list nor a section."""


def settings_table() -> str:
    """Markdown, with a table for each section."""
    return "\n".join([_INTRODUCTION, *_sections(Config, "", Config.__doc__)])


def _sections(settings: type[Settings], path: str, about: str | None) -> Iterator[str]:
    """The section's own table, and below it those of the sections in it."""
    schema = schema_of(settings)
    below: list[tuple[type[Settings], str, str | None]] = []
    rows = [_HEAD]
    for name, field in settings.model_fields.items():
        section = _section_in(field.annotation)
        if section is not None:
            is_named = "patternProperties" in resolved(schema["properties"][name], schema)
            its_about = schema["properties"][name].get("description")
            below.append((section, f"{path}{name}.{'<name>.' if is_named else ''}", its_about))
        if not isinstance(field.default, Settings):
            rows.append(_row(name, field, schema))
    title = f"## `{path.removesuffix('.')}`" if path else "## The device"
    yield "\n".join([title, "", *([about, ""] if path and about else []), *rows, ""])
    for each in below:
        yield from _sections(*each)


def _row(name: str, field: FieldInfo, schema: dict[str, Any]) -> str:
    traits = traits_of(field)
    commands = "" if traits.control is None else _commands(traits.control, per_camera=traits.per_camera)
    values = expected(resolved(schema["properties"][name], schema), schema)
    about = schema["properties"][name].get("description", "")
    cells = [f"`{name}`", about, values, _default(name, field, schema), traits.effect, commands]
    return f"| {' | '.join(map(_in_a_cell, cells))} |"


def _commands(control: Control, *, per_camera: bool) -> str:
    if not control.by_command:
        return "Tune"
    return "per camera" if per_camera else "yes"


def _default(name: str, field: FieldInfo, schema: dict[str, Any]) -> str:
    if field.is_required():
        return "must be set"
    if _section_in(field.annotation) is not None and field.default:
        value = {key: section.model_dump(mode="json", exclude_defaults=True) for key, section in field.default.items()}
    else:
        value = schema["properties"][name].get("default")
    return f"`{yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix(_END_OF_SCALAR).strip()}`"


def _in_a_cell(text: str) -> str:
    """Where < would begin a tag of HTML, and a line's end the next row."""
    return text.replace("\n", " ").replace("|", r"\|").replace("<", r"\<")


def _section_in(annotation: Any) -> type[Settings] | None:
    """The section of which the values of such a field consist; None: they are not sections."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)
