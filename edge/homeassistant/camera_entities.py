"""The entities of one camera."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from edge.config import Config
from edge.homeassistant.entity import TRIGGER, Entity, Section, available_with, diagnostic
from edge.homeassistant.settings import camera_controls
from edge.homeassistant.templates import all_attributes, attributes, switch, template
from edge.payloads.statuses import UNKNOWN
from edge.payloads.topics import Topics

_MASK = "mdi:face-mask"
_FIRST_TIME = "not value_json.get('resent')"
"""An event that is published again on demand happened long ago, so nothing may be done because of it."""
_TOLD_OF_PEOPLE = "value_json.privacy=='events'"


def camera_sections(
    camera: str, config: Config, topics: Topics, labels: Sequence[str], *, commands_on: bool
) -> list[Section]:
    """`labels` are the classifier's."""
    connected = f"{_camera_status(camera)}.get('connected')"
    box = (topics.availability, None)
    is_aggregate = config.privacy == "aggregate"
    people = {
        # With `aggregate` these two stay, unavailable, so that what their owner made of them is still there afterwards.
        "violation": {
            "platform": "binary_sensor",
            "name": "Violation",
            "device_class": "safety",
            "state_topic": topics.presence(camera),
            "value_template": switch("value_json.violation"),
            **available_with(box, (topics.status, _online_if(f"{_TOLD_OF_PEOPLE} and {connected}"))),
        },
        "event": {
            "platform": "event",
            "name": "Event",
            "icon": "mdi:account-alert",
            "event_types": ["started", "changed", "ended"],
            "state_topic": topics.event(camera),
            "value_template": template(f"{_FIRST_TIME} and dict(value_json,event_type=value_json.type)|tojson or ''"),
            "qos": 1,
            # Also without the camera: events that waited for the broker arrive before it gives pictures.
            **available_with(box, (topics.status, _online_if(_TOLD_OF_PEOPLE))),
        },
        **_people(labels),
    }
    watched = {
        **available_with(box, (topics.status, _online_if(connected))),
        "state_topic": topics.compliance(camera) if is_aggregate else topics.presence(camera),
    }
    at_all_times = available_with(box)
    sections = [
        Section("", people, watched),
        Section("camera", _camera(camera, topics), {**at_all_times, "state_topic": topics.totals(camera)}),
    ]
    if commands_on:
        sections.append(Section("settings", camera_controls(camera, config, topics), at_all_times))
    if config.publishes_snapshots:
        sections.append(Section("snapshot", {"snapshot": _snapshot(topics.snapshot(camera))}, at_all_times))
    return [*sections, Section("triggers", _triggers(labels, topics.event(camera)))]


def _people(labels: Sequence[str]) -> dict[str, Entity]:
    entities = {"people": _people_counted("People", "mdi:account-group", "value_json.people")}
    for label in (*labels, UNKNOWN):
        icon = "mdi:account-question" if label == UNKNOWN else _MASK
        name = f"People {label.replace('_', ' ')}"
        entities[f"count_{_key(label)}"] = _people_counted(name, icon, f"value_json.counts.get({label!r},0)")
    return entities


def _people_counted(name: str, icon: str, expression: str) -> Entity:
    return {
        "platform": "sensor",
        "name": name,
        "icon": icon,
        "state_class": "measurement",
        "unit_of_measurement": "people",
        "value_template": template(expression),
    }


def _compliance_rate(topic: str) -> Entity:
    rate = "value_json.compliance_rate"
    return {
        "platform": "sensor",
        "name": "Compliance rate",
        "icon": _MASK,
        "state_class": "measurement",
        "unit_of_measurement": "%",
        "suggested_display_precision": 0,
        "state_topic": topic,
        "value_template": template(f"(none if {rate} is none else({rate}*100)|round(1))"),
        "json_attributes_topic": topic,
        "json_attributes_template": all_attributes(),
    }


def _camera(camera: str, topics: Topics) -> dict[str, Entity]:
    """Its own state and its counts, which are published without pictures too."""
    status = _camera_status(camera)
    return {
        "compliance_rate": _compliance_rate(topics.compliance(camera)),
        "connected": diagnostic(
            platform="binary_sensor",
            name="Camera connected",
            device_class="connectivity",
            state_topic=topics.status,
            value_template=switch(f"{status}.get('connected')"),
            json_attributes_topic=topics.status,
            json_attributes_template=attributes(error=f"{status}.get('error')"),
        ),
        "fps": diagnostic(
            platform="sensor",
            name="Frames per second",
            icon="mdi:speedometer",
            state_class="measurement",
            unit_of_measurement="fps",
            state_topic=topics.status,
            value_template=template(f"{status}.get('fps')"),
        ),
        "visits": _counter("Visits", "visits"),
        "visits_today": _counter("Visits today", "visits", "today.visits"),
        "violations": _counter("Violations", "violations"),
        "violations_today": _counter("Violations today", "violations", "today.violations"),
        # What is new comes last, so that no entity moves to another message.
        "view_blocked": diagnostic(
            platform="binary_sensor",
            name="View blocked",
            device_class="problem",
            state_topic=topics.status,
            value_template=switch(f"({status}.get('view',[])|reject('eq','small_faces')|list)"),
            json_attributes_topic=topics.status,
            json_attributes_template=attributes(view=f"{status}.get('view',[])"),
        ),
    }


def _counter(name: str, unit: str, member: str | None = None) -> Entity:
    return {
        "platform": "sensor",
        "name": name,
        "icon": "mdi:counter",
        "state_class": "total_increasing",
        "unit_of_measurement": unit,
        "value_template": template(f"value_json.{member or unit}"),
    }


def _snapshot(topic: str) -> Entity:
    return {
        "platform": "image",
        "name": "Snapshot",
        "icon": "mdi:image-outline",
        "image_topic": topic,
        "content_type": "image/jpeg",
    }


def _triggers(labels: Sequence[str], topic: str) -> dict[str, Entity]:
    """For automations of the device, without the event entity."""
    triggers = {
        f"{type_}_{_key(label)}": _trigger(topic, type_, label, f"{type_} {label}", "type~' '~value_json.status")
        for type_ in ("started", "changed")
        for label in labels
    }
    return {**triggers, "ended": _trigger(topic, "ended", "visit", "ended", "type")}


def _trigger(topic: str, type_: str, subtype: str, payload: str, member: str) -> Entity:
    """A trigger has no place in Home Assistant's registry, and so needs no id."""
    return {
        "platform": TRIGGER,
        "automation_type": "trigger",
        "type": type_,
        "subtype": subtype,
        "topic": topic,
        "payload": payload,
        "value_template": template(f"{_FIRST_TIME} and value_json.{member}"),
        "qos": 1,
    }


def _online_if(condition: str) -> str:
    return switch(condition, "online", "offline")


def _camera_status(camera: str) -> str:
    """An expression that also holds if the status does not have the camera."""
    return f"value_json.cameras.get({camera!r},{{}})"


def _key(label: str) -> str:
    """A label as part of a discovery key, in which few characters are allowed."""
    key = re.sub(r"[^A-Za-z0-9_]", "_", label)
    return key if key == label else f"{key}-{zlib.crc32(label.encode()):08x}"
