"""The entities of the device itself, whatever its cameras do."""

from __future__ import annotations

from edge.config import Config
from edge.homeassistant.entity import Entity, Group, available_with, diagnostic
from edge.homeassistant.settings import device_controls
from edge.homeassistant.templates import attributes, switch, template
from edge.payloads.topics import Topics


def box_group(config: Config, topics: Topics, *, commands_on: bool, tells_temperature: bool) -> Group:
    entities = {
        "online": _online(topics),
        "problem": _of_status(
            topics,
            platform="binary_sensor",
            name="Problem",
            device_class="problem",
            value_template=switch("value_json.problems"),
            json_attributes_topic=topics.status,
            json_attributes_template=attributes(problems="value_json.problems"),
        ),
        "outbox_depth": _of_status(
            topics,
            platform="sensor",
            name="Events waiting",
            icon="mdi:tray-full",
            state_class="measurement",
            unit_of_measurement="events",
            value_template=template("value_json.outbox.depth"),
        ),
        "events_lost": _of_status(
            topics,
            platform="sensor",
            name="Events lost",
            icon="mdi:tray-remove",
            state_class="total_increasing",
            unit_of_measurement="events",
            value_template=template("value_json.outbox.lost"),
        ),
        "detect_ms": _milliseconds(topics, "Time to find faces", "detect"),
        "classify_ms": _milliseconds(topics, "Time to judge a face", "classify"),
    }
    if tells_temperature:
        entities["temperature"] = _of_status(
            topics,
            platform="sensor",
            name="Processor temperature",
            device_class="temperature",
            state_class="measurement",
            unit_of_measurement="°C",
            suggested_display_precision=0,
            value_template=template("value_json.temperature_c"),
        )
    if commands_on:
        entities |= device_controls(config, topics)
    return Group(entities, available_with(topics.availability), topics.base)


def _of_status(topics: Topics, **entity: object) -> Entity:
    return diagnostic(state_topic=topics.status, **entity)


def _online(topics: Topics) -> Entity:
    """Reads what makes the others unavailable, so it must not depend on that itself."""
    return diagnostic(
        platform="binary_sensor",
        name="Online",
        device_class="connectivity",
        state_topic=topics.availability,
        payload_on="online",
        payload_off="offline",
        availability=[],
    )


def _milliseconds(topics: Topics, name: str, stage: str) -> Entity:
    return _of_status(
        topics,
        platform="sensor",
        name=name,
        device_class="duration",
        state_class="measurement",
        unit_of_measurement="ms",
        suggested_display_precision=1,
        value_template=template(f"value_json.inference_ms.{stage}"),
    )
