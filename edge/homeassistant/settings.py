"""What can be set from Home Assistant: whatever commands can set."""

from __future__ import annotations

import math

from edge.config import Config
from edge.config.settable import Settable, camera_settings, device_settings
from edge.homeassistant.entity import Entity
from edge.homeassistant.templates import switch, template
from edge.payloads.topics import Topics


def device_controls(config: Config, topics: Topics) -> dict[str, Entity]:
    """Those of the whole device, by the names of the settings."""
    return {name: _entity(Settable(name), config, topics) for name in device_settings()}


def camera_controls(camera: str, config: Config, topics: Topics) -> dict[str, Entity]:
    """The camera's thresholds and its switch, by the names of the settings."""
    settings = [name for name, declared in camera_settings().items() if declared.control.by_command]
    return {name: _entity(Settable(name, camera), config, topics) for name in settings}


def _entity(each: Settable, config: Config, topics: Topics) -> Entity:
    control = each.declared.control
    entity: Entity = {
        "name": control.name.capitalize(),
        "command_topic": topics.set(each.setting, each.camera),
        "state_topic": topics.state(each.setting, each.camera),
        "value_template": template("value_json.value"),
        **_widget(each, config),
    }
    if control.icon is not None:
        entity["icon"] = control.icon
    return entity if control.is_primary else entity | {"entity_category": "config"}


def _widget(each: Settable, config: Config) -> Entity:
    declared = each.declared
    if declared.choices is not None:
        return {"platform": "select", "options": declared.choices}
    if declared.range is None:
        return {"platform": "switch", "value_template": switch("value_json.value")}
    least, most = declared.range
    value = each.configured_in(config)
    if value is not None:
        # Home Assistant shows nothing for a value outside of the bounds, so the configured one is always inside.
        least, most = min(least, float(value)), max(most, math.ceil(float(value)))
    # Home Assistant itself shows a slider where it has few steps, otherwise a box, and its own step is 1.
    step = {} if declared.control.step == 1 else {"step": declared.control.step}
    unit = {} if declared.control.unit is None else {"unit_of_measurement": declared.control.unit}
    return {"platform": "number", "min": least, "max": most, **step, **unit}
