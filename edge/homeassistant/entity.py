"""What entities in Home Assistant have in common: dictionaries with the keys of MQTT discovery, unabbreviated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Entity = dict[str, Any]
TRIGGER = "device_automation"
"""The platform of what is not an entity, but a trigger of its device."""


@dataclass(frozen=True, slots=True)
class Section:
    """Entities that are announced together."""

    name: str
    """Lower-case letters only; empty: the first of its device."""
    entities: Mapping[str, Entity]
    """By key, unique in the device."""
    shared: Mapping[str, Any] = field(default_factory=dict)
    """What holds for each entity that does not say otherwise: `availability`, `state_topic`."""


def diagnostic(**entity: Any) -> Entity:
    return {**entity, "entity_category": "diagnostic"}


def available_with(*sources: tuple[str, str | None]) -> dict[str, Any]:
    """Available while all of these say `online`. Each is a topic, and a template or None; no topic may come twice,
    since Home Assistant keeps the last template of a topic only."""
    availability = [
        {"topic": topic} if template is None else {"topic": topic, "value_template": template}
        for topic, template in sources
    ]
    several = {"availability_mode": "all"} if len(availability) > 1 else {}
    return {"availability": availability, **several}
