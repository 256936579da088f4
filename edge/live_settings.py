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
    "mqtt.status_interval_s",
    "mqtt.window_s",
)
"""Names, and beginnings of names; all others wait."""


def settings_awaiting_restart(running: Config, wanted: Config) -> list[str]:
    """The names of the settings by which a running maskd falls short of what is wanted, such as `mqtt.host`."""
    before, after = dict(_flat(running.model_dump())), dict(_flat(wanted.model_dump()))
    changed = (name for name in {**before, **after} if before.get(name) != after.get(name))
    return sorted(name for name in changed if not name.startswith(_LIVE))


def require_a_camera(config: Config, *, commands: bool) -> None:
    """Raises UsageError where nothing is watched and nobody could change that; `commands`: whether they are on."""
    if not commands and not any(camera.enabled for camera in config.cameras.values()):
        raise UsageError(
            "every camera in the configuration has `enabled: false`, and mqtt.commands is off, so that none can be "
            "switched on; enable a camera, or set mqtt.commands to true"
        )


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
