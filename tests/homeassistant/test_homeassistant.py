"""The discovery message, key by key against what Home Assistant accepts, and its templates on real payloads."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pytest

from edge.config import CameraSettings, ComplianceSettings, Config, HomeAssistantSettings, MqttSettings
from edge.config.settable import settables
from edge.control.settable import parse_command, settable_of
from edge.homeassistant import announce, birth_topic, retained_topics
from edge.payloads.events import draft_events
from edge.payloads.payload import Payload
from edge.payloads.reports import (
    CameraStatus,
    InferenceMs,
    MqttStatus,
    OutboxStatus,
    Presence,
    Status,
    Window,
)
from edge.payloads.setting import Setting
from edge.payloads.topics import Topics
from tests.support import homeassistant_rules as rules
from tests.support.homeassistant_check import Message, problems_of, render
from tests.support.transitions import EPOCH, MODELS, WALL_OFFSET, transition

LABELS = ("with_mask", "without_mask", "mask_weared_incorrect")
CAMERAS = ("door", "front-door", "2nd_floor")
NOW = "2026-11-20T15:00:00.123Z"


def config_of(
    *cameras: str, device: str = "lobby", privacy: Literal["events", "aggregate"] = "events", **more: Any
) -> Config:
    settings = {name: CameraSettings(source="demo") for name in cameras or CAMERAS}
    return Config(device=device, privacy=privacy, cameras=settings, **more)


def message_for(
    config: Config, *, labels: tuple[str, ...] = LABELS, commands_on: bool = True, tells_temperature: bool = True
) -> Message:
    announcement = announce(config, labels, commands_on=commands_on, tells_temperature=tells_temperature)
    message: Message = json.loads(announcement.to_json())
    return message


every_form = pytest.mark.parametrize(
    ("privacy", "commands_on", "tells_temperature"),
    [("events", True, True), ("events", False, False), ("aggregate", True, False), ("aggregate", False, True)],
)


@every_form
def test_every_key_is_one_that_home_assistant_accepts(
    privacy: Literal["events", "aggregate"], commands_on: bool, tells_temperature: bool
) -> None:
    message = message_for(config_of(privacy=privacy), commands_on=commands_on, tells_temperature=tells_temperature)
    assert list(problems_of(message)) == []


def test_a_two_class_model_and_odd_labels_make_valid_entities_of_their_own() -> None:
    message = message_for(config_of("door"), labels=("mask", "no mask", "no_mask", "qu\"o'te }}"))
    assert list(problems_of(message)) == []
    counts = {component["name"] for key, component in message["components"].items() if key.startswith("door_count_")}
    assert counts == {f"Door people {x}" for x in ("mask", "no mask", "qu\"o'te }}", "unknown")}
    assert sum(key.startswith("door_count_") for key in message["components"]) == 5
    rendered = render(component_named(message, "Door people qu\"o'te }}"), b'{"counts": {"qu\\"o\'te }}": 7}}')
    assert rendered == "7"


Damage = Callable[[Message], object]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda m: m.pop("origin"), "no origin"),
        (lambda m: m["origin"].pop("name"), "origin has no name"),
        (lambda m: m["device"].pop("identifiers"), "the device has no identifiers"),
        (lambda m: m["device"].update(colour="red"), "device: colour is unknown"),
        (lambda m: m.update(icon="mdi:eye"), "the message: icon is unknown"),
        (lambda m: m["components"]["door_people"].update(device="x"), "door_people: device is unknown"),
        (lambda m: m["components"]["door_people"].update(object_id="x"), "door_people: object_id is unknown"),
        (lambda m: m["components"]["door_people"].update(state_topic="a/+/b"), "door_people: state_topic is no topic"),
        (lambda m: m["components"]["door_people"].update(icon="face"), "door_people: icon is no icon"),
        (lambda m: m["components"]["door_people"].pop("state_topic"), "door_people: no state_topic"),
        (lambda m: m["components"]["door_people"].pop("unique_id"), "door_people: no unique_id"),
        (lambda m: m["components"]["door_people"].update(value_template="{{ x"), "door_people: value_template is no"),
        (
            lambda m: m["components"]["door_people"].update(value_template="{{ value_json | b64 }}"),
            "door_people: value_template is no template",
        ),
        (lambda m: m["components"]["door_people"].update(platform="camera"), "door_people: platform camera"),
        (lambda m: m["components"]["door_people"].update(state_class="average"), "door_people: state_class average"),
        (lambda m: m["components"]["door_people"].update(entity_category="config"), "door_people: category config"),
        (
            lambda m: m["components"]["door_people"].update(unique_id="maskd_lobby_problem"),
            "twice: maskd_lobby_problem",
        ),
        (lambda m: m["components"]["detect_ms"].update(unit_of_measurement="fps"), "detect_ms: unit fps"),
        (lambda m: m["components"]["problem"].update(device_class="mask"), "problem: device_class mask"),
        (lambda m: m["components"]["door_min_score"].pop("command_topic"), "door_min_score: no command_topic"),
        (lambda m: m["components"]["door_min_score"].update(min=1), "door_min_score: min is not below max"),
        (lambda m: m["components"]["door_min_score"].update(max="1"), "door_min_score: max is no number"),
        (lambda m: m["components"]["door_min_score"].update(step=0), "door_min_score: step"),
        (lambda m: m["components"]["door_min_score"].update(mode="knob"), "door_min_score: mode knob"),
        (lambda m: m["components"]["privacy"].update(options=[]), "privacy: options is no texts"),
        (lambda m: m["components"]["door_event"].pop("event_types"), "door_event: no event_types"),
        (lambda m: m["components"]["door_event"].update(availability=[{}]), "door_event: availability"),
        (
            lambda m: m["components"]["door_event"].update(availability_mode="most"),
            "door_event: availability_mode most",
        ),
        (lambda m: m["components"].update({"a b": m["components"].pop("problem")}), "the key a b"),
    ],
)
def test_the_check_notices(damage: Damage, problem: str) -> None:
    message = message_for(config_of("door"))
    damage(message)
    assert any(problem in found for found in problems_of(message)), list(problems_of(message))


def component_named(message: Message, name: str) -> Message:
    return next(component for component in message["components"].values() if component["name"] == name)


def statuses(config: Config) -> list[Payload]:
    """Everything known; and as little as possible."""

    def status(problems: list[str], cameras: dict[str, CameraStatus], measured: float | None) -> Status:
        return Status(
            device=config.device,
            version="1.0.0",
            uptime_s=1,
            models=MODELS,
            privacy=config.privacy,
            problems=problems,
            cameras=cameras,
            inference_ms=InferenceMs(detect=measured, classify=measured),
            temperature_c=measured,
            outbox=OutboxStatus(depth=3, withheld=0, oldest_unsent_s=measured, lost=2, epoch=EPOCH, latest_seq=9),
            mqtt=MqttStatus(connections=1, acknowledged=0, refused=0),
            time=NOW,
        )

    here = {
        name: CameraStatus(enabled=True, connected=True, fps=9.8, frames=3, dropped=0, error=None)
        for name in config.cameras
    }
    lost = {
        name: CameraStatus(enabled=False, connected=False, fps=0, frames=0, dropped=0, error='it said "no"')
        for name in config.cameras
    }
    return [status([], here, 38.21), status(["the camera door is lost"], lost, None), status([], {}, None)]


def published_by(config: Config) -> dict[str, list[Payload]]:
    """What is really sent, by topic."""
    topics = Topics(config.mqtt.prefix, config.device)
    payloads: dict[str, list[Payload]] = {topics.status: statuses(config)}
    for camera in config.cameras:
        common: dict[str, Any] = {"device": config.device, "camera": camera}
        counts = {"with_mask": 1, "without_mask": 2, "unknown": 1}
        payloads[topics.presence(camera)] = [
            Presence(**common, people=4, counts=counts, violation=True, time=NOW),
            Presence(**common, people=0, counts={}, violation=False, time=NOW),
        ]
        payloads[topics.compliance(camera)] = [
            Window(**common, begin=NOW, end=NOW, people=4, counts=counts, compliance_rate=0.3333),
            Window(**common, begin=NOW, end=NOW, people=0, counts={}, compliance_rate=None),
        ]
        happened = [
            transition("started", camera=camera),
            transition("changed", camera=camera, status="unknown", previous="with_mask"),
            transition("ended", camera=camera),
        ]
        drafts = draft_events(happened, topics, MODELS, wall_offset=WALL_OFFSET)
        payloads[topics.event(camera)] = [draft.numbered(EPOCH, number).event for number, draft in enumerate(drafts, 1)]
    values: dict[str, list[Any]] = {
        "enabled": [True, False],
        "min_score": [0.0, 0.62, 1.0],
        "min_confidence": [0.5873],
        "min_votes": [1, 5],
        "majority": [0.51, 1.0],
        "hold_s": [0.0, 1.5, 3600.0],
        "privacy": ["events", "aggregate"],
    }
    for each in settables(config):
        payloads[topics.state(each.setting, each.camera)] = [
            Setting(setting=each.setting, camera=each.camera, value=value, persisted=False, error=None, time=NOW)
            for value in values[each.setting]
        ]
    return payloads


@every_form
def test_every_template_makes_of_what_is_sent_what_its_entity_accepts(
    privacy: Literal["events", "aggregate"], commands_on: bool, tells_temperature: bool
) -> None:
    config = config_of(privacy=privacy)
    message = message_for(config, commands_on=commands_on, tells_temperature=tells_temperature)
    sent = published_by(config)
    for key, component in message["components"].items():
        for payload in sent[component["state_topic"]]:
            rendered = render(component, payload.to_json())
            assert accepts(component, rendered), (key, rendered)
        if "json_attributes_topic" in component:
            for payload in sent[component["json_attributes_topic"]]:
                attributes = json.loads(render(component, payload.to_json(), "json_attributes_template"))
                assert not attributes.keys() & rules.ATTRIBUTES_TAKEN, key
        for source in component.get("availability", message["availability"]):
            if "value_template" in source:
                rendered_all = {render(source, payload.to_json()) for payload in sent[source["topic"]]}
                assert rendered_all == {"online", "offline"}, key
            else:
                assert source["topic"] == "maskd/lobby/availability"


def accepts(component: Mapping[str, Any], rendered: str) -> bool:
    match component["platform"]:
        case "binary_sensor" | "switch":
            return rendered in ("ON", "OFF")
        case "select":
            return rendered in component["options"]
        case "number":
            return bool(component["min"] <= float(rendered) <= component["max"])
        case "event":
            attributes = json.loads(rendered)
            event_type = attributes.pop("event_type")
            return event_type in component["event_types"] and not attributes.keys() & rules.ATTRIBUTES_TAKEN
        case _:
            return rendered == "None" or float(rendered) >= 0


def test_a_cleared_topic_says_nothing() -> None:
    for component in message_for(config_of())["components"].values():
        assert render(component, b"") == ("{}" if component["platform"] == "event" else "")
        if "json_attributes_template" in component:
            assert render(component, b"", "json_attributes_template") == "{}"


def test_the_values_shown_are_those_that_were_sent() -> None:
    config = config_of("front-door")
    message, sent = message_for(config), published_by(config)

    def shown(name: str, index: int) -> str:
        component = component_named(message, name)
        return render(component, sent[component["state_topic"]][index].to_json())

    def attributes(name: str, index: int) -> Any:
        component = component_named(message, name)
        payload = sent[component["json_attributes_topic"]][index]
        return json.loads(render(component, payload.to_json(), "json_attributes_template"))

    assert [shown("Front door violation", index) for index in (0, 1)] == ["ON", "OFF"]
    assert attributes("Front door violation", 0)["counts"] == {"with_mask": 1, "without_mask": 2, "unknown": 1}
    assert [shown("Front door people", index) for index in (0, 1)] == ["4", "0"]
    assert [shown("Front door people without mask", index) for index in (0, 1)] == ["2", "0"]
    assert [shown("Front door compliance rate", index) for index in (0, 1)] == ["33.3", "None"]
    assert [shown("Front door camera connected", index) for index in (0, 1, 2)] == ["ON", "OFF", "OFF"]
    assert attributes("Front door camera connected", 1) == {"error": 'it said "no"'}
    assert [shown("Front door frames per second", index) for index in (0, 2)] == ["9.8", "None"]
    assert [shown("Problem", index) for index in (0, 1)] == ["OFF", "ON"]
    assert attributes("Problem", 1) == {"problems": ["the camera door is lost"]}
    assert (shown("Events waiting", 0), shown("Events lost", 0)) == ("3", "2")
    assert [shown("Time to find faces", index) for index in (0, 1)] == ["38.21", "None"]
    assert json.loads(shown("Front door event", 1)) == {
        "event_type": "changed",
        "status": "unknown",
        "previous": "with_mask",
        "compliant": False,
        "zones": ["entrance"],
        "duration_s": 3.25,
    }


def test_what_home_assistant_sends_is_a_command_that_is_understood() -> None:
    config = config_of()
    topics = Topics(config.mqtt.prefix, config.device)
    sends: dict[str, Callable[[Message], list[Any]]] = {
        "number": lambda component: [component["max"], component["min"]],
        "switch": lambda _: ["OFF", "ON"],
        "select": lambda component: component["options"],
    }
    commanded = set()
    for component in message_for(config)["components"].values():
        if "command_topic" not in component:
            continue
        each = settable_of(component["command_topic"], topics, config)
        assert each is not None, component["command_topic"]
        commanded.add(each)
        for value in sends[component["platform"]](component):
            each.changed(config, parse_command(str(value).encode()).value)
    assert commanded == set(settables(config))


def test_only_a_camera_that_is_connected_tells_of_people_but_every_camera_can_be_switched_on() -> None:
    components = message_for(config_of("door"))["components"]
    at_all_times = {key for key, component in components.items() if "availability" not in component}
    assert {key for key in at_all_times if key.startswith("door_")} == {
        "door_connected",
        "door_enabled",
        "door_min_score",
        "door_min_confidence",
        "door_min_votes",
        "door_majority",
        "door_hold_s",
    }
    assert all(
        component["availability_mode"] == "all" and len(component["availability"]) == 2
        for key, component in components.items()
        if key not in at_all_times
    )


def test_with_aggregate_nothing_about_the_present_moment_is_announced() -> None:
    message = message_for(config_of("door", privacy="aggregate"))
    topics = {component["state_topic"] for component in message["components"].values()}
    assert not {topic for topic in topics if topic.endswith(("/presence", "/event"))}
    assert component_named(message, "Door people")["state_topic"] == "maskd/lobby/door/compliance"
    assert "Door violation" not in {component["name"] for component in message["components"].values()}


def test_without_commands_nothing_can_be_set_and_without_a_sensor_no_temperature_is_announced() -> None:
    message = message_for(config_of(), commands_on=False, tells_temperature=False)
    assert {component["platform"] for component in message["components"].values()} == {
        "binary_sensor",
        "sensor",
        "event",
    }
    assert "temperature" not in message["components"]
    assert "temperature" in message_for(config_of(), commands_on=False)["components"]


def test_a_threshold_outside_of_the_usual_bounds_is_still_inside_of_those_announced() -> None:
    beyond: dict[str, Any] = {"hold_s": 86_400.5, "min_votes": 5000, "majority": 0.505}
    for config in (
        config_of("door", compliance=ComplianceSettings(**beyond)),
        Config(cameras={"door": CameraSettings(source="demo", **beyond)}),
    ):
        components = message_for(config)["components"]
        assert components["door_hold_s"]["max"] >= 86_400.5
        assert components["door_min_votes"]["max"] >= 5000
        assert components["door_majority"]["min"] <= 0.505


def test_devices_that_share_a_broker_keep_apart() -> None:
    def identity(device: str, prefix: str) -> tuple[str, str]:
        announcement = announce(
            config_of(device=device, mqtt=MqttSettings(prefix=prefix)), LABELS, commands_on=True, tells_temperature=True
        )
        return announcement.topic, announcement.message["device"]["identifiers"][0]

    identities = [identity(device, prefix) for device in ("lobby", "hall") for prefix in ("maskd", "site/a", "site_a")]
    assert identities[0] == ("homeassistant/device/maskd_lobby/config", "maskd_lobby")
    assert len(set(identities)) == 6
    assert all(re.fullmatch(rf"homeassistant/device/{rules.TOPIC_LEVEL}/config", topic) for topic, _ in identities)


def test_the_discovery_prefix_is_that_of_the_settings() -> None:
    mqtt = MqttSettings(homeassistant=HomeAssistantSettings(prefix="ha/discovery"))
    announcement = announce(config_of(mqtt=mqtt), LABELS, commands_on=True, tells_temperature=True)
    assert announcement.topic == "ha/discovery/device/maskd_lobby/config"
    assert birth_topic(mqtt) == "ha/discovery/status"


def test_a_removed_component_is_sent_with_its_platform_alone() -> None:
    announcement = announce(config_of("door"), LABELS, commands_on=True, tells_temperature=True)
    before = copy.deepcopy(announcement.message)
    message = json.loads(announcement.to_json({"hall_people": "sensor", "door_enabled": "select"}))
    assert message["components"]["hall_people"] == {"platform": "sensor"}
    assert message["components"]["door_enabled"] == {"platform": "select"}
    assert message["components"]["door_people"] == before["components"]["door_people"]
    assert announcement.message == before


def test_everything_retained_that_entities_read_is_known_to_be_retained() -> None:
    config = config_of()
    topics = {component["state_topic"] for component in message_for(config)["components"].values()}
    retained = {topic for topic in topics if not topic.endswith("/event")}
    assert retained <= set(retained_topics(config, commands_on=True))
    assert not [topic for topic in retained_topics(config, commands_on=False) if topic.endswith("/state")]


def test_four_cameras_fit_into_a_message_that_any_broker_takes() -> None:
    config = config_of("door", "hall", "stairs", "canteen")
    announcement = announce(config, LABELS, commands_on=True, tells_temperature=True)
    assert len(announcement.to_json()) < 50_000
