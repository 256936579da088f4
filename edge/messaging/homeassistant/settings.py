"""What can be set from Home Assistant."""

from __future__ import annotations

import math
from typing import Any

from edge.config import Config
from edge.messaging.homeassistant.templates import template
from edge.payloads.topics import Topics

Entity = dict[str, Any]


def privacy_setting(topics: Topics) -> Entity:
    return {
        "platform": "select",
        "name": "Privacy",
        "entity_category": "config",
        "icon": "mdi:incognito",
        "options": ["events", "aggregate"],
        "command_topic": topics.set("privacy"),
        "state_topic": topics.state("privacy"),
        "value_template": template("value_json.value"),
    }


def camera_settings(camera: str, title: str, config: Config, topics: Topics) -> dict[str, Entity]:
    """The camera's thresholds and its switch, by the names of the settings."""
    own = config.cameras[camera]
    common = config.compliance
    min_votes = common.min_votes if own.min_votes is None else own.min_votes
    majority = common.majority if own.majority is None else own.majority
    hold_s = common.hold_s if own.hold_s is None else own.hold_s
    # Home Assistant shows nothing for a value outside of the bounds, so the configured one is always inside.
    numbers = {
        "min_score": _slider(f"{title} face score", least=0),
        "min_confidence": _slider(f"{title} mask confidence", least=0),
        "min_votes": _box(f"{title} votes needed", least=1, most=max(1000, min_votes), step=1),
        "majority": _slider(f"{title} majority", least=min(0.51, majority)),
        "hold_s": _box(f"{title} hold time", least=0, most=max(3600, math.ceil(hold_s)), step=0.1)
        | {"device_class": "duration", "unit_of_measurement": "s"},
    }
    switch = {
        "platform": "switch",
        "name": f"{title} camera",
        "icon": "mdi:cctv",
        "value_template": template("'ON' if value_json.value else 'OFF'"),
    }
    topics_of = {
        setting: {"command_topic": topics.set(setting, camera), "state_topic": topics.state(setting, camera)}
        for setting in (*numbers, "enabled")
    }
    return {setting: entity | topics_of[setting] for setting, entity in {**numbers, "enabled": switch}.items()}


def _slider(name: str, *, least: float) -> Entity:
    return _number(name, "slider", least, 1, 0.01)


def _box(name: str, *, least: float, most: float, step: float) -> Entity:
    return _number(name, "box", least, most, step)


def _number(name: str, mode: str, least: float, most: float, step: float) -> Entity:
    return {
        "platform": "number",
        "name": name,
        "entity_category": "config",
        "icon": "mdi:tune-variant",
        "mode": mode,
        "min": least,
        "max": most,
        "step": step,
        "value_template": template("value_json.value"),
    }
