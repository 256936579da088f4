"""Which settings take effect while maskd runs, and which wait for a restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge.config import Config
from edge.errors import UsageError

_LIVE = (
    "privacy",
    "log_level",
    "cameras.",
    "detector.min_score",
    "detector.low_score",
    "detector.min_face_px",
    "detector.max_faces",
    "classifier.min_confidence",
    "tracking.",
    "compliance.",
    "mqtt.host",
    "mqtt.port",
    "mqtt.protocol",
    "mqtt.username",
    "mqtt.password_file",
    "mqtt.client_id",
    "mqtt.keepalive_s",
    "mqtt.tls",
    "mqtt.status_interval_s",
    "mqtt.window_s",
    "mqtt.event_expiry_s",
    "mqtt.commands",
    "mqtt.homeassistant.",
    "storage.max_",
    "storage.keep_",
)
"""Names, and beginnings of names; all others wait."""


def settings_awaiting_restart(running: Config, wanted: Config) -> list[str]:
    """The names of the settings by which a running maskd falls short of what is wanted, such as `mqtt.prefix`."""
    changed = _differences(running.model_dump(), wanted.model_dump())
    return sorted(name for name in changed if not name.startswith(_LIVE))


def without_awaiting_restart(running: Config, wanted: Config) -> Config:
    """What is wanted, except that whatever waits for a restart is as in what is running."""
    values, old_values = wanted.model_dump(), running.model_dump()
    for name in settings_awaiting_restart(running, wanted):
        *sections, key = name.split(".")
        section, old_section = values, old_values
        for each in sections:
            section, old_section = section[each], old_section[each]
        section[key] = old_section[key]
    return Config.model_validate(values)


def require_a_camera(config: Config, *, commands: bool) -> None:
    """Raises UsageError where nothing is watched and nobody could change that; `commands`: whether they are on."""
    if not commands and not any(camera.enabled for camera in config.cameras.values()):
        raise UsageError(
            "every camera in the configuration has `enabled: false`, and mqtt.commands is off, so that none can be "
            "switched on; enable a camera, or set mqtt.commands to true"
        )


def _differences(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name in {**one, **other}:
        value, other_value = one.get(name), other.get(name)
        if isinstance(value, dict) and isinstance(other_value, dict):
            yield from _differences(value, other_value, f"{prefix}{name}.")
        elif value != other_value:
            yield prefix + name
