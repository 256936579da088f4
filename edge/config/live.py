"""Which changes of the configuration take effect while maskd runs, which open a camera again, and which wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge.config.camera import CameraSettings
from edge.config.config import Config
from edge.config.fields import Settings
from edge.config.traits import traits_of


def settings_awaiting_restart(running: Config, wanted: Config) -> list[str]:
    """The names of the settings by which a running maskd falls short of what is wanted, such as `mqtt.prefix`."""
    return sorted(".".join(location) for location in _awaiting_restart(running, wanted, ()))


def without_awaiting_restart(running: Config, wanted: Config) -> Config:
    """What is wanted, except that whatever waits for a restart is as in what is running."""
    values, old_values = wanted.model_dump(), running.model_dump()
    for *sections, key in _awaiting_restart(running, wanted, ()):
        section, old_section = values, old_values
        for each in sections:
            section, old_section = section[each], old_section[each]
        section[key] = old_section[key]
    return type(wanted).model_validate(values)


def is_opened_alike(one: CameraSettings, other: CameraSettings) -> bool:
    """Whether a camera that was opened by one goes on by the other."""
    fields = type(other).model_fields
    return all(
        getattr(one, name) == getattr(other, name) for name in fields if traits_of(fields[name]).effect == "reopen"
    )


def _awaiting_restart(old: Settings, new: Settings, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, field in type(new).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        before_parts, after_parts = _sections_in(before, name), _sections_in(after, name)
        for path in [path for path in after_parts if path in before_parts]:
            yield from _awaiting_restart(before_parts[path], after_parts[path], above + path)
        is_whole = before_parts.keys() == after_parts.keys() and bool(after_parts)
        if traits_of(field).effect == "restart" and not is_whole and before != after:
            yield (*above, name)


def _sections_in(value: Any, name: str) -> dict[tuple[str, ...], Settings]:
    """The sections of which a field's value consists, by their paths."""
    if isinstance(value, Settings):
        return {(name,): value}
    entries = value.items() if isinstance(value, dict) else ()
    return {(name, key): entry for key, entry in entries if isinstance(entry, Settings)}
