"""The entities of one camera. Together they have at most 4 kB with usual names, so each has only what it needs."""

from __future__ import annotations

from collections.abc import Sequence

from edge.config import ALL, Config
from edge.homeassistant.entity import TRIGGER, Entity, Group, available_with, diagnostic
from edge.homeassistant.settings import camera_controls
from edge.homeassistant.templates import attributes, if_any, template
from edge.payloads.topics import Topics


def camera_group(camera: str, config: Config, topics: Topics, labels: Sequence[str], *, commands_on: bool) -> Group:
    """`labels` are the classifier's."""
    entities = {**_people(camera, config, topics), **_camera(camera, topics), **_counters(topics.totals(camera))}
    if commands_on:
        entities |= camera_controls(camera, config, topics)
    if config.publishes_snapshots:
        entities["snapshot"] = _snapshot(topics.snapshot(camera))
    breaking = [label for label in labels if _breaks_a_rule(label, camera, config)]
    entities |= {f"started {label}": _trigger(topics.event(camera), label) for label in breaking}
    always = {**available_with(topics.availability), "availability_mode": "all"}
    return Group(entities, always, topics.below(camera))


def _people(camera: str, config: Config, topics: Topics) -> dict[str, Entity]:
    with_the_camera = available_with(topics.availability, topics.camera(camera))
    presence = topics.presence(camera)
    violation: Entity = {
        "platform": "binary_sensor",
        "name": "Violation",
        "device_class": "safety",
        "state_topic": presence,
        "value_template": if_any("('ON'if value_json.violation else'OFF')"),
        **with_the_camera,
    }
    # Also without the camera: events that waited for the broker arrive before it gives pictures.
    event: Entity = {
        "platform": "event",
        "name": "Event",
        "event_types": ["started", "changed", "ended"],
        "state_topic": topics.event(camera),
        # An event that is published again on demand happened long ago, so nothing may be done because of it.
        "value_template": template("''if'resent'in value_json else dict(value_json,event_type=value_json.type)|tojson"),
        "qos": 1,
    }
    seen = presence
    if config.privacy == "aggregate":
        # These two stay, so that what their owner made of them is still there afterwards. They are unavailable, because
        # who is present is not told, and so never `online`.
        violation |= available_with(presence)
        event |= available_with(presence)
        seen = topics.compliance(camera)
    people = {
        "platform": "sensor",
        "name": "People",
        "state_class": "measurement",
        "state_topic": seen,
        "value_template": template("value and value_json.people"),
        "json_attributes_topic": seen,
        "json_attributes_template": template("value and value_json.counts|tojson or'{}'"),
        **with_the_camera,
    }
    return {
        "violation": violation,
        "event": event,
        "people": people,
        "compliance_rate": {
            "platform": "sensor",
            "name": "Compliance rate",
            "state_class": "measurement",
            "unit_of_measurement": "%",
            "state_topic": topics.compliance(camera),
            "value_template": "{%set r=value_json.compliance_rate%}{{r and(r*100)|round(1)}}",
        },
    }


def _camera(camera: str, topics: Topics) -> dict[str, Entity]:
    view = f"value_json.cameras.get({camera!r},{{}}).get('view',[])"
    return {
        "connected": diagnostic(
            platform="binary_sensor",
            name="Camera connected",
            device_class="connectivity",
            state_topic=topics.camera(camera),
            payload_on="online",
            payload_off="offline",
        ),
        "view_blocked": diagnostic(
            platform="binary_sensor",
            name="View blocked",
            device_class="problem",
            state_topic=topics.status,
            value_template=template(f"'OFF'if {view} in([],['small_faces'])else'ON'"),
            json_attributes_topic=topics.status,
            json_attributes_template=attributes(view=view),
        ),
    }


def _counters(topic: str) -> dict[str, Entity]:
    shown = {
        "Visits": "visits",
        "Visits today": "today.visits",
        "Violations": "violations",
        "Violations today": "today.violations",
    }
    return {
        name: {
            "platform": "sensor",
            "name": name,
            "state_class": "total_increasing",
            "state_topic": topic,
            "value_template": template(f"value_json.{member}"),
        }
        for name, member in shown.items()
    }


def _snapshot(topic: str) -> Entity:
    return {"platform": "image", "name": "Snapshot", "image_topic": topic, "content_type": "image/jpeg"}


def _breaks_a_rule(label: str, camera: str, config: Config) -> bool:
    """Somewhere in the camera's picture."""
    rules = [zone.compliant for zone in config.cameras[camera].zones.values() if zone.compliant is not None]
    return any(label not in rule and ALL not in rule for rule in (config.compliance.compliant, *rules))


def _trigger(topic: str, label: str) -> Entity:
    """For automations of the device, without the event entity."""
    return {
        "platform": TRIGGER,
        "automation_type": "trigger",
        "type": "started",
        "subtype": label,
        "topic": topic,
        "payload": f"started {label}",
        "value_template": template("value_json.get('resent',value_json.type~' '~value_json.status)"),
    }
