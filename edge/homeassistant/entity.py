"""What entities in Home Assistant have in common: dictionaries with the keys of MQTT discovery, unabbreviated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Entity = dict[str, Any]
TRIGGER = "device_automation"
"""The platform of what is not an entity, but a trigger of its device."""


@dataclass(frozen=True, slots=True)
class Group:
    """The entities of one device, and its triggers."""

    entities: Mapping[str, Entity]
    """By a name, unique in the device."""
    availability: Mapping[str, Any]
    """Of each entity that does not say otherwise."""
    base: str
    """What most of their state topics begin with, without the slash."""


def diagnostic(**entity: Any) -> Entity:
    return {**entity, "entity_category": "diagnostic"}


def available_with(*topics: str) -> dict[str, Any]:
    """Available while all of these say `online`."""
    return {"availability": [{"topic": topic} for topic in topics]}
