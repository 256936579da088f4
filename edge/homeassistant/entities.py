"""The entities of one device in Home Assistant, as MQTT discovery wants them: dictionaries with its own keys."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from typing import Any

from edge.config import Config
from edge.homeassistant.settings import Entity, camera_controls, device_controls
from edge.homeassistant.templates import attributes, template
from edge.payloads.statuses import UNKNOWN
from edge.payloads.topics import Topics

_MASK = "mdi:face-mask"


def device_entities(config: Config, topics: Topics, *, commands_on: bool, tells_temperature: bool) -> dict[str, Entity]:
    """What concerns the whole device, by key."""
    status = topics.status
    entities = {
        "problem": _diagnostic(
            platform="binary_sensor",
            name="Problem",
            device_class="problem",
            state_topic=status,
            value_template=template("'ON' if value_json.problems else 'OFF'"),
            json_attributes_topic=status,
            json_attributes_template=attributes(problems="value_json.problems"),
        ),
        "outbox_depth": _diagnostic(
            platform="sensor",
            name="Events waiting",
            icon="mdi:tray-full",
            state_class="measurement",
            unit_of_measurement="events",
            state_topic=status,
            value_template=template("value_json.outbox.depth"),
        ),
        "events_lost": _diagnostic(
            platform="sensor",
            name="Events lost",
            icon="mdi:tray-remove",
            state_class="total_increasing",
            unit_of_measurement="events",
            state_topic=status,
            value_template=template("value_json.outbox.lost"),
        ),
        "detect_ms": _milliseconds("Time to find faces", status, "detect"),
        "classify_ms": _milliseconds("Time to judge a face", status, "classify"),
    }
    if tells_temperature:
        entities["temperature"] = _diagnostic(
            platform="sensor",
            name="Processor temperature",
            device_class="temperature",
            state_class="measurement",
            unit_of_measurement="°C",
            suggested_display_precision=0,
            state_topic=status,
            value_template=template("value_json.temperature_c"),
        )
    if commands_on:
        entities |= device_controls(config, topics)
    return entities


def camera_entities(
    camera: str, config: Config, topics: Topics, labels: Iterable[str], *, commands_on: bool
) -> dict[str, Entity]:
    """What concerns one camera, by key; `labels` are the classifier's."""
    title = camera.replace("-", " ").replace("_", " ").strip()
    title = title[:1].upper() + title[1:]
    watched = _people(camera, title, topics, labels, is_aggregate=config.privacy == "aggregate")
    watched["compliance_rate"] = {
        "platform": "sensor",
        "name": f"{title} compliance rate",
        "icon": _MASK,
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "suggested_display_precision": 0,
        "state_topic": topics.compliance(camera),
        "value_template": template(
            "(value_json.compliance_rate * 100) | round(1) if value_json.compliance_rate is not none else none"
        ),
        "json_attributes_topic": topics.compliance(camera),
        "json_attributes_template": attributes(
            begin="value_json['from']", end="value_json.to", people="value_json.people", counts="value_json.counts"
        ),
    }
    watched["fps"] = _diagnostic(
        platform="sensor",
        name=f"{title} frames per second",
        icon="mdi:speedometer",
        state_class="measurement",
        unit_of_measurement="fps",
        state_topic=topics.status,
        value_template=template(f"{_camera_status(camera)}.get('fps')"),
    )
    online = {
        "topic": topics.status,
        "value_template": template(f"'online' if {_camera_status(camera)}.get('connected') else 'offline'"),
    }
    for entity in watched.values():
        entity["availability"] = [{"topic": topics.availability}, online]
        entity["availability_mode"] = "all"
    # These stay available without the camera: one tells of its absence, the others bring it back.
    entities = {**watched, "connected": _connected(camera, title, topics)}
    if commands_on:
        entities |= camera_controls(camera, title, config, topics)
    return {f"{camera}_{key}": entity for key, entity in entities.items()}


def _people(camera: str, title: str, topics: Topics, labels: Iterable[str], *, is_aggregate: bool) -> dict[str, Entity]:
    topic = topics.compliance(camera) if is_aggregate else topics.presence(camera)
    entities: dict[str, Entity] = {
        "people": _people_counted(f"{title} people", "mdi:account-group", topic, "value_json.people")
    }
    for label in (*labels, UNKNOWN):
        count = f"value_json.counts.get({label!r}, 0)"
        icon = "mdi:account-question" if label == UNKNOWN else _MASK
        name = f"{title} people {label.replace('_', ' ')}"
        entities[f"count_{_key(label)}"] = _people_counted(name, icon, topic, count)
    if not is_aggregate:
        entities["violation"] = {
            "platform": "binary_sensor",
            "name": f"{title} violation",
            "device_class": "safety",
            "state_topic": topic,
            "value_template": template("'ON' if value_json.violation else 'OFF'"),
            "json_attributes_topic": topic,
            "json_attributes_template": attributes(
                people="value_json.people", counts="value_json.counts", time="value_json.time"
            ),
        }
        entities["event"] = {
            "platform": "event",
            "name": f"{title} event",
            "icon": "mdi:account-alert",
            "event_types": ["started", "changed", "ended"],
            "state_topic": topics.event(camera),
            "value_template": attributes(
                event_type="value_json.type",
                status="value_json.status",
                previous="value_json.previous",
                compliant="value_json.compliant",
                zones="value_json.zones",
                duration_s="value_json.duration_s",
            ),
        }
    return entities


def _people_counted(name: str, icon: str, topic: str, expression: str) -> Entity:
    return {
        "platform": "sensor",
        "name": name,
        "icon": icon,
        "state_class": "measurement",
        "unit_of_measurement": "people",
        "state_topic": topic,
        "value_template": template(expression),
    }


def _connected(camera: str, title: str, topics: Topics) -> Entity:
    return _diagnostic(
        platform="binary_sensor",
        name=f"{title} camera connected",
        device_class="connectivity",
        state_topic=topics.status,
        value_template=template(f"'ON' if {_camera_status(camera)}.get('connected') else 'OFF'"),
        json_attributes_topic=topics.status,
        json_attributes_template=attributes(error=f"{_camera_status(camera)}.get('error')"),
    )


def _diagnostic(**entity: Any) -> Entity:
    return {**entity, "entity_category": "diagnostic"}


def _milliseconds(name: str, topic: str, stage: str) -> Entity:
    return _diagnostic(
        platform="sensor",
        name=name,
        device_class="duration",
        state_class="measurement",
        unit_of_measurement="ms",
        suggested_display_precision=1,
        state_topic=topic,
        value_template=template(f"value_json.inference_ms.{stage}"),
    )


def _camera_status(camera: str) -> str:
    """An expression that holds for a camera of which the status says nothing, too."""
    return f"value_json.cameras.get({camera!r}, {{}})"


def _key(label: str) -> str:
    """A label as part of a discovery key, in which few characters are allowed."""
    key = re.sub(r"[^A-Za-z0-9_]", "_", label)
    return key if key == label else f"{key}-{zlib.crc32(label.encode()):08x}"
