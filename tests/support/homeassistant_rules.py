"""What Home Assistant accepts in a device discovery message, as data.

From the pages of its documentation, https://www.home-assistant.io/integrations/: mqtt (device discovery, availability,
origin), binary_sensor.mqtt, sensor.mqtt, number.mqtt, switch.mqtt, select.mqtt, event.mqtt, image.mqtt,
device_trigger.mqtt, and the device classes of binary_sensor, sensor, number, switch and event; compared with the
schemas of releases 2025.4.4 and 2026.11.0. Home Assistant ignores a key of an entity that it does not know, and refuses
the whole message for one next to `device`; here both are errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "text", "topic", "template", "yes or no", "whole", "number", "icon", "texts", "availability", "qos", "category"
]

ORIGIN: Mapping[str, Kind] = {"name": "text", "sw_version": "text", "support_url": "text"}
DEVICE: Mapping[str, Kind] = {
    "identifiers": "texts",
    "name": "text",
    "manufacturer": "text",
    "model": "text",
    "model_id": "text",
    "hw_version": "text",
    "sw_version": "text",
    "serial_number": "text",
    "suggested_area": "text",
    "via_device": "text",
    "configuration_url": "text",
}
SHARED: Mapping[str, Kind] = {
    "availability": "availability",
    "availability_mode": "text",
    "state_topic": "topic",
    "command_topic": "topic",
}
"""Allowed next to `device`, `origin` and `components`, for every component that does not say otherwise. Release
2025.4.4 also accepts `qos` there, but no component gets it; it refuses the base topic `~`. A component's own base topic
also takes its place in the topics that it shares, in the releases 2024.12.0, 2025.4.4 and 2026.2.3."""
AVAILABILITY: Mapping[str, Kind] = {
    "topic": "topic",
    "payload_available": "text",
    "payload_not_available": "text",
    "value_template": "template",
}
AVAILABILITY_MODES = {"all", "any", "latest"}
CATEGORIES = {"config", "diagnostic"}
COMPONENT: Mapping[str, Kind] = {
    **SHARED,
    "qos": "qos",
    "platform": "text",
    "unique_id": "text",
    "name": "text",
    "icon": "icon",
    "entity_category": "category",
    "enabled_by_default": "yes or no",
    "default_entity_id": "text",
    "json_attributes_topic": "topic",
    "json_attributes_template": "template",
    "device_class": "text",
    "value_template": "template",
}
"""What every platform knows; `object_id` is gone since 2026.4."""
TRIGGER: Mapping[str, Kind] = {"platform": "text", "qos": "qos", "value_template": "template"}
ATTRIBUTES_TAKEN = {
    "available",
    "device_class",
    "entity_category",
    "entity_id",
    "entity_picture",
    "event_type",
    "event_types",
    "friendly_name",
    "icon",
    "max",
    "min",
    "options",
    "state",
    "state_class",
    "step",
    "supported_features",
    "unique_id",
    "unit_of_measurement",
}
"""Names that an attribute made of a message cannot have."""


@dataclass(frozen=True)
class Platform:
    required: frozenset[str]
    keys: Mapping[str, Kind]
    """Beyond those of every component."""
    units: Mapping[str, frozenset[str | None]] = field(default_factory=dict)
    """The units of measurement of each device class that maskd may use."""
    categories: frozenset[str] = frozenset(CATEGORIES)
    is_entity: bool = True
    has_state_topic: bool = True


_SECONDS: frozenset[str | None] = frozenset({"d", "h", "min", "s", "ms", "μs"})
_DEGREES: frozenset[str | None] = frozenset({"°C", "°F", "K"})
_NO_UNIT: frozenset[str | None] = frozenset({None})

PLATFORMS: Mapping[str, Platform] = {
    "binary_sensor": Platform(
        required=frozenset({"state_topic"}),
        keys={
            "payload_on": "text",
            "payload_off": "text",
            "expire_after": "whole",
            "off_delay": "whole",
            "force_update": "yes or no",
        },
        units=dict.fromkeys(("connectivity", "occupancy", "problem", "running", "safety"), _NO_UNIT),
        categories=frozenset({"diagnostic"}),
    ),
    "sensor": Platform(
        required=frozenset({"state_topic"}),
        keys={
            "state_class": "text",
            "unit_of_measurement": "text",
            "suggested_display_precision": "whole",
            "expire_after": "whole",
            "force_update": "yes or no",
            "options": "texts",
        },
        units={"duration": _SECONDS, "temperature": _DEGREES, "timestamp": _NO_UNIT, "enum": _NO_UNIT},
        categories=frozenset({"diagnostic"}),
    ),
    "event": Platform(
        required=frozenset({"state_topic", "event_types"}),
        keys={"event_types": "texts"},
        units=dict.fromkeys(("button", "doorbell", "motion"), _NO_UNIT),
    ),
    "image": Platform(
        required=frozenset({"image_topic"}),
        keys={"image_topic": "topic", "content_type": "text", "image_encoding": "text"},
        has_state_topic=False,
    ),
    "number": Platform(
        required=frozenset({"command_topic"}),
        keys={
            "command_template": "template",
            "min": "number",
            "max": "number",
            "step": "number",
            "mode": "text",
            "payload_reset": "text",
            "unit_of_measurement": "text",
            "optimistic": "yes or no",
            "retain": "yes or no",
        },
        units={"duration": _SECONDS, "temperature": _DEGREES},
    ),
    "select": Platform(
        required=frozenset({"command_topic", "options"}),
        keys={
            "command_template": "template",
            "options": "texts",
            "optimistic": "yes or no",
            "retain": "yes or no",
        },
    ),
    "switch": Platform(
        required=frozenset({"command_topic"}),
        keys={
            "command_template": "template",
            "payload_on": "text",
            "payload_off": "text",
            "state_on": "text",
            "state_off": "text",
            "optimistic": "yes or no",
            "retain": "yes or no",
        },
        units=dict.fromkeys(("outlet", "switch"), _NO_UNIT),
    ),
    "device_automation": Platform(
        required=frozenset({"automation_type", "type", "subtype", "topic"}),
        keys={"automation_type": "text", "type": "text", "subtype": "text", "topic": "topic", "payload": "text"},
        is_entity=False,
    ),
}
STATE_CLASSES = {"measurement", "total", "total_increasing"}
STATE_CLASSES_OF = {"temperature": {"measurement"}, "timestamp": set[str](), "enum": set[str]()}
"""Where a device class does not go with all of them."""
NUMBER_MODES = {"auto", "box", "slider"}
LEAST_STEP = 0.001
SHARED_FILTERS = {"tojson", "round", "reject", "list"}
"""Filters that Home Assistant and plain Jinja both have, with the same meaning."""
SHARED_TESTS = {"defined", "none"}
TOPIC_LEVEL = r"[a-zA-Z0-9_-]+"
"""What the id in the discovery topic, and a component's key, may hold."""
ABBREVIATIONS: Mapping[str, str] = {
    "atype": "automation_type",
    "avty": "availability",
    "avty_mode": "availability_mode",
    "avty_t": "availability_topic",
    "cmd_t": "command_topic",
    "cont_type": "content_type",
    "img_t": "image_topic",
    "cmd_tpl": "command_template",
    "cmps": "components",
    "dev": "device",
    "dev_cla": "device_class",
    "ent_cat": "entity_category",
    "evt_typ": "event_types",
    "ic": "icon",
    "json_attr_t": "json_attributes_topic",
    "json_attr_tpl": "json_attributes_template",
    "o": "origin",
    "ops": "options",
    "p": "platform",
    "pl": "payload",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off",
    "pl_on": "payload_on",
    "stat_cla": "state_class",
    "stat_t": "state_topic",
    "stype": "subtype",
    "sug_dsp_prc": "suggested_display_precision",
    "t": "topic",
    "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}
"""Of the message and its components, from release 2025.4.4."""
DEVICE_ABBREVIATIONS: Mapping[str, str] = {
    "cu": "configuration_url",
    "hw": "hw_version",
    "ids": "identifiers",
    "mdl": "model",
    "mf": "manufacturer",
    "sa": "suggested_area",
    "sn": "serial_number",
    "sw": "sw_version",
}
ORIGIN_ABBREVIATIONS: Mapping[str, str] = {"sw": "sw_version", "url": "support_url"}
