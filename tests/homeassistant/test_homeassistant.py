"""The discovery message, key by key against what Home Assistant accepts, and its templates on real payloads."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pytest

from edge.config import (
    CameraSettings,
    ComplianceSettings,
    Config,
    HomeAssistantSettings,
    MqttSettings,
    SnapshotSettings,
)
from edge.config.settable import settables
from edge.control.settable import parse_command, settable_of
from edge.homeassistant import announce, birth_topic, discovery_filter, discovery_topic, retained_topics
from edge.payloads.events import draft_events
from edge.payloads.payload import Payload
from edge.payloads.reports import (
    CameraStatus,
    DayTotals,
    InferenceMs,
    MqttStatus,
    OutboxStatus,
    Presence,
    Status,
    Totals,
    Window,
)
from edge.payloads.setting import Setting
from edge.payloads.topics import Topics
from tests.support import homeassistant_rules as rules
from tests.support.homeassistant_check import Message, expanded, problems_of, render, whole_components
from tests.support.transitions import EPOCH, MODELS, WALL_OFFSET, transition

LABELS = ("with_mask", "without_mask", "mask_weared_incorrect")
CAMERAS = ("door", "front-door", "2nd_floor")
NOW = "2026-11-20T15:00:00.123Z"


PUBLISHED = SnapshotSettings(enabled=True, publish=True)


def config_of(
    *cameras: str, device: str = "lobby", privacy: Literal["events", "aggregate"] = "events", **more: Any
) -> Config:
    settings = {name: CameraSettings(source="demo") for name in cameras or CAMERAS}
    return Config(device=device, privacy=privacy, cameras=settings, **more)


def messages_for(
    config: Config, *, labels: tuple[str, ...] = LABELS, commands_on: bool = True, tells_temperature: bool = True
) -> dict[str, Message]:
    """By topic, expanded."""
    announced = announce(config, labels, commands_on=commands_on, tells_temperature=tells_temperature)
    return {each.topic: expanded(each.to_json()) for each in announced}


def shown_as(component: Mapping[str, Any]) -> str:
    """What its user calls it, as part of an entity's id."""
    if component["platform"] == "device_automation":
        return f"{component['type']} {component['subtype']}"
    return str(component["name"]).lower().replace(" ", "_")


def components_for(config: Config, **options: Any) -> dict[str, Message]:
    """Whole, by `<camera>/<name>`, or the name alone of what is the box's own."""
    found = {}
    for topic, message in messages_for(config, **options).items():
        camera = topic.removeprefix(f"{discovery_topic(config).removesuffix('config')}").rpartition("/")[0]
        for component in whole_components(message).values():
            found[f"{camera}/{shown_as(component)}".lstrip("/")] = {**component, "of": message["device"]["name"]}
    return found


every_form = pytest.mark.parametrize(
    ("privacy", "commands_on", "tells_temperature"),
    [("events", True, True), ("events", False, False), ("aggregate", True, False), ("aggregate", False, True)],
)


@every_form
def test_every_key_is_one_that_home_assistant_accepts(
    privacy: Literal["events", "aggregate"], commands_on: bool, tells_temperature: bool
) -> None:
    config = config_of(privacy=privacy)
    messages = messages_for(config, commands_on=commands_on, tells_temperature=tells_temperature)
    assert [problem for message in messages.values() for problem in problems_of(message)] == []
    ids = [
        each["unique_id"] for message in messages.values() for each in message["components"].values() if "name" in each
    ]
    assert len(ids) == len(set(ids))


def test_a_two_class_model_and_odd_labels_make_valid_entities_of_their_own() -> None:
    config, labels = config_of("door"), ("mask", "no mask", "no_mask", "qu\"o'te }}", "items")
    for message in messages_for(config, labels=labels).values():
        assert list(problems_of(message)) == []
    components = components_for(config, labels=labels)
    triggers = {each["subtype"]: each for each in components.values() if each["platform"] == "device_automation"}
    assert triggers.keys() == set(labels)
    assert render(triggers["qu\"o'te }}"], b'{"type": "started", "status": "qu\\"o\'te }}"}') == "started qu\"o'te }}"
    counts = render(components["door/people"], b'{"counts": {"qu\\"o\'te }}": 7}}', "json_attributes_template")
    assert json.loads(counts) == {"qu\"o'te }}": 7}


Damage = Callable[[Message], object]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda m: m.pop("origin"), "no origin"),
        (lambda m: m["origin"].pop("name"), "origin has no name"),
        (lambda m: m["device"].pop("identifiers"), "the device has no identifiers"),
        (lambda m: m["device"].update(colour="red"), "device: colour is unknown"),
        (lambda m: m.update(icon="mdi:eye"), "the message: icon is unknown"),
        (lambda m: m["components"]["people"].update(device="x"), "people: device is unknown"),
        (lambda m: m["components"]["people"].update(object_id="x"), "people: object_id is unknown"),
        (lambda m: m["components"]["people"].update(state_topic="a/+/b"), "people: state_topic is no topic"),
        (lambda m: m["components"]["people"].update(icon="face"), "people: icon is no icon"),
        (lambda m: m["components"]["people"].pop("~"), "people: state_topic is no topic"),
        (lambda m: m.pop("state_topic"), "people: no state_topic"),
        (lambda m: m["components"]["people"].pop("unique_id"), "people: no unique_id"),
        (lambda m: m["components"]["people"].update(value_template="{{ x"), "people: value_template is no"),
        (
            lambda m: m["components"]["people"].update(value_template="{{ value_json | b64 }}"),
            "people: value_template is no template",
        ),
        (lambda m: m["components"]["people"].update(platform="camera"), "people: platform camera"),
        (lambda m: m["components"]["people"].update(state_class="average"), "people: state_class average"),
        (lambda m: m["components"]["people"].update(entity_category="config"), "people: category config"),
        (
            lambda m: m["components"]["people"].update(unique_id=m["components"]["violation"]["unique_id"]),
            "twice: ",
        ),
        (
            lambda m: m["components"]["time_to_find_faces"].update(unit_of_measurement="fps"),
            "time_to_find_faces: unit fps",
        ),
        (lambda m: m["components"]["problem"].update(device_class="mask"), "problem: device_class mask"),
        (lambda m: m["components"]["face_score"].pop("command_topic"), "face_score: no command_topic"),
        (lambda m: m["components"]["face_score"].update(min=1), "face_score: min is not below max"),
        (lambda m: m["components"]["face_score"].update(max="1"), "face_score: max is no number"),
        (lambda m: m["components"]["face_score"].update(step=0), "face_score: step"),
        (lambda m: m["components"]["face_score"].update(mode="knob"), "face_score: mode knob"),
        (lambda m: m["components"]["privacy"].update(options=[]), "privacy: options is no texts"),
        (lambda m: m["components"]["event"].pop("event_types"), "event: no event_types"),
        (lambda m: m["components"]["event"].update(availability=[{}]), "event: availability"),
        (lambda m: m["components"]["event"].update(availability=[{"topic": "a"}] * 2), "event: availability"),
        (lambda m: m["components"]["started without_mask"].pop("topic"), "started without_mask: no topic"),
        (lambda m: m["components"]["started without_mask"].update(name="x"), "started without_mask: name is unknown"),
        (lambda m: m.update({"~": "a"}), "the message: ~ is unknown"),
        (
            lambda m: m["components"]["event"].update(availability_mode="most"),
            "event: availability_mode most",
        ),
        (lambda m: m["components"].update({"a b": m["components"].pop("people")}), "the key a b"),
    ],
)
def test_the_check_notices(damage: Damage, problem: str) -> None:
    # All entities by their names in one message, as if they were of one device.
    box, message = messages_for(config_of("door")).values()
    together = [*message["components"].values(), *whole_components(box).values()]
    message["components"] = {shown_as(each): each for each in together}
    damage(message)
    assert any(problem in found for found in problems_of(message)), list(problems_of(message))


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
        name: CameraStatus(
            enabled=True, connected=True, fps=9.8, frames=3, dropped=0, error=None, view=("dark", "small_faces")
        )
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
        today = DayTotals(date="2026-11-20", visits=31, violations=2)
        payloads[topics.totals(camera)] = [
            Totals(**common, visits=1204, violations=87, today=today, since=NOW, time=NOW)
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
    components = components_for(config, commands_on=commands_on, tells_temperature=tells_temperature)
    sent = published_by(config)
    topics = Topics(config.mqtt.prefix, config.device)
    on_or_offline = {topics.availability, *map(topics.camera, config.cameras)}
    for key, component in components.items():
        if component["platform"] == "device_automation":
            continue
        topic = component["state_topic"]
        for payload in sent.get(topic, []):
            rendered = render(component, payload.to_json())
            assert accepts(component, rendered), (key, rendered)
        assert topic in sent or (topic in on_or_offline and component["payload_on"] == "online")
        if "json_attributes_topic" in component:
            for payload in sent[component["json_attributes_topic"]]:
                attributes = json.loads(render(component, payload.to_json(), "json_attributes_template"))
                assert not attributes.keys() & rules.ATTRIBUTES_TAKEN, key


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


def test_where_presence_is_cleared_no_violation_stays() -> None:
    """It is the one topic that is cleared while entities read it."""
    components = components_for(config_of("door"))
    read = {key for key, each in components.items() if each.get("state_topic") == "maskd/lobby/door/presence"}
    assert read == {"door/violation", "door/people"}
    assert render(components["door/violation"], b"") == "None"  # unknown
    assert render(components["door/people"], b"") == ""
    assert render(components["door/people"], b"", "json_attributes_template") == "{}"


def test_the_values_shown_are_those_that_were_sent() -> None:
    config = config_of("front-door")
    components, sent = components_for(config), published_by(config)

    def shown(key: str, index: int) -> str:
        component = components[key]
        return render(component, sent[component["state_topic"]][index].to_json())

    def attributes(key: str, index: int) -> Any:
        payload = sent[components[key]["json_attributes_topic"]][index]
        return json.loads(render(components[key], payload.to_json(), "json_attributes_template"))

    assert [shown("front-door/violation", index) for index in (0, 1)] == ["ON", "OFF"]
    assert [shown("front-door/people", index) for index in (0, 1)] == ["4", "0"]
    assert [attributes("front-door/people", index) for index in (0, 1)] == [
        {"with_mask": 1, "without_mask": 2, "unknown": 1},
        {},
    ]
    assert [shown("front-door/compliance_rate", index) for index in (0, 1)] == ["33.3", "None"]
    assert [shown("front-door/view_blocked", index) for index in (0, 1, 2)] == ["ON", "OFF", "OFF"]
    assert attributes("front-door/view_blocked", 0) == {"view": ["dark", "small_faces"]}
    only_small = statuses(config)[0].to_json().replace(b'"dark",', b"")
    assert render(components["front-door/view_blocked"], only_small) == "OFF"
    counters = ("visits", "visits_today", "violations", "violations_today")
    assert [shown(f"front-door/{counter}", 0) for counter in counters] == ["1204", "31", "87", "2"]
    assert [shown("problem", index) for index in (0, 1)] == ["OFF", "ON"]
    assert attributes("problem", 1) == {"problems": ["the camera door is lost"]}
    assert (shown("events_waiting", 0), shown("events_lost", 0)) == ("3", "2")
    assert [shown("time_to_find_faces", index) for index in (0, 1)] == ["38.21", "None"]
    event = json.loads(shown("front-door/event", 1))
    assert event.pop("event_type") == "changed"
    assert event == json.loads(sent["maskd/lobby/front-door/event"][1].to_json())
    assert {"track", "id", "epoch", "seq", "confidence", "status", "previous", "zones", "duration_s"} <= event.keys()


def triggers_for(config: Config) -> dict[str, Message]:
    return {k: c for k, c in components_for(config).items() if c["platform"] == "device_automation"}


def test_a_trigger_of_the_device_fires_for_its_event_alone() -> None:
    config = config_of("door")
    triggers = triggers_for(config)
    assert triggers.keys() == {"door/started without_mask", "door/started mask_weared_incorrect"}
    events = published_by(config)["maskd/lobby/door/event"]

    def fired(index: int) -> set[str]:
        payload = events[index].to_json()
        return {key for key, trigger in triggers.items() if render(trigger, payload) == trigger["payload"]}

    assert {trigger["topic"] for trigger in triggers.values()} == {"maskd/lobby/door/event"}
    assert [fired(index) for index in range(3)] == [{"door/started without_mask"}, set(), set()]
    again = json.dumps({**json.loads(events[0].to_json()), "resent": True}).encode()
    assert {render(trigger, again) for trigger in triggers.values()} == {"True"}


def test_each_status_that_breaks_a_rule_of_the_camera_has_a_trigger() -> None:
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]
    rules_of = {
        "hall": {},
        "ward": {"bed": {"corners": corners, "compliant": ["all"]}},
        "lab": {"bench": {"corners": corners, "compliant": []}},
    }
    cameras = {name: {"source": "demo", "zones": zones} for name, zones in rules_of.items()}
    config = Config.model_validate(
        {"device": "lobby", "cameras": cameras, "compliance": {"compliant": ["with_mask", "mask_weared_incorrect"]}}
    )
    assert triggers_for(config).keys() == {
        "hall/started without_mask",
        "ward/started without_mask",
        *(f"lab/started {label}" for label in LABELS),
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
    for component in components_for(config).values():
        if "command_topic" not in component:
            continue
        each = settable_of(component["command_topic"], topics, config)
        assert each is not None, component["command_topic"]
        commanded.add(each)
        for value in sends[component["platform"]](component):
            each.changed(config, parse_command(str(value).encode()).value)
    assert commanded == set(settables(config))


def available(component: Message, online: bytes | None, camera: bytes | None) -> bool:
    """As Home Assistant judges it, by what each topic last said; None: nothing."""
    said = {"maskd/lobby/availability": online, "maskd/lobby/door/camera": camera, "maskd/lobby/door/presence": b"{}"}
    values = [said[source["topic"]] == b"online" for source in component["availability"]]
    # By the latest alone, an entity that was available would stay so where its topics change.
    assert component.get("availability_mode") == "all" or component["of"] == "maskd lobby"
    return all(values)


@pytest.mark.parametrize("form", ["events", "aggregate"])
def test_which_entities_are_available_when(form: Literal["events", "aggregate"]) -> None:
    config = config_of("door", privacy=form)
    entities = {k: c for k, c in components_for(config).items() if c["platform"] != "device_automation"}
    here, lost = b"online", b"offline"

    def unavailable(online: bytes | None, camera: bytes | None) -> set[str]:
        return {key for key, component in entities.items() if not available(component, online, camera)}

    of_people = {"door/violation", "door/event"}
    seen_now = {"door/people", "door/violation"}
    if form == "events":
        assert unavailable(b"online", here) == set()
        # What waited for the broker is sent before the camera is there.
        assert unavailable(b"online", lost) == seen_now
    else:
        assert unavailable(b"online", here) == of_people
        assert unavailable(b"online", lost) == seen_now | of_people
    assert entities.keys() - unavailable(b"offline", here) == {"online"}
    assert entities.keys() - unavailable(None, None) == {"online"}


def test_the_connection_to_the_box_is_shown_even_when_it_is_gone() -> None:
    online = components_for(config_of("door"))["online"]
    assert (online["device_class"], online["state_topic"]) == ("connectivity", "maskd/lobby/availability")
    assert (online["payload_on"], online["payload_off"]) == ("online", "offline")
    assert online["availability"] == []


def test_privacy_changes_no_entity_s_identity() -> None:
    """Home Assistant keeps what its user made of an entity: a name, an area, its place on a page."""
    told = [messages_for(config_of("door", privacy=privacy)) for privacy in ("events", "aggregate")]
    kept = [
        {
            (topic, key): (component["platform"], component.get("unique_id"))
            for key, component in m["components"].items()
        }
        for messages in told
        for topic, m in messages.items()
    ]
    half = len(kept) // 2
    assert kept[:half] == kept[half:]
    people = components_for(config_of("door", privacy="aggregate"))["door/people"]
    assert people["state_topic"] == "maskd/lobby/door/compliance"


def test_commands_change_no_other_entity() -> None:
    with_commands, without = (
        components_for(config_of("door"), commands_on=commands_on) for commands_on in (True, False)
    )
    assert without.items() <= with_commands.items()


def test_each_camera_is_a_device_of_its_own_below_the_box() -> None:
    messages = messages_for(config_of("door", "front-door"))
    devices = [message["device"] for message in messages.values()]
    [box] = devices[0]["identifiers"]
    assert [(each["name"], each.get("via_device")) for each in devices] == [
        ("maskd lobby", None),
        ("maskd lobby door", box),
        ("maskd lobby front door", box),
    ]
    assert len({tuple(each["identifiers"]) for each in devices}) == 3
    assert list(messages) == [
        "homeassistant/device/maskd_lobby/config",  # before those that are below it
        "homeassistant/device/maskd_lobby/door/config",
        "homeassistant/device/maskd_lobby/front-door/config",
    ]


def test_the_box_leads_to_its_page_only_where_there_is_one() -> None:
    config = config_of("door")

    def pages(page_url: str | None) -> set[str | None]:
        announced = announce(config, LABELS, commands_on=True, tells_temperature=True, page_url=page_url)
        return {expanded(each.to_json())["device"].get("configuration_url") for each in announced}

    assert pages(None) == {None}
    assert pages("http://lobby.local:8080/") == {None, "http://lobby.local:8080/"}


def test_without_commands_nothing_can_be_set_and_without_a_sensor_no_temperature_is_announced() -> None:
    components = components_for(config_of(), commands_on=False, tells_temperature=False)
    assert {component["platform"] for component in components.values()} == {
        "binary_sensor",
        "sensor",
        "event",
        "device_automation",
    }
    assert "processor_temperature" not in components
    assert "processor_temperature" in components_for(config_of(), commands_on=False)


def test_a_threshold_outside_of_the_usual_bounds_is_still_inside_of_those_announced() -> None:
    beyond: dict[str, Any] = {"hold_s": 86_400.5, "min_votes": 5000, "majority": 0.505}
    for config in (
        config_of("door", compliance=ComplianceSettings(**beyond)),
        Config(cameras={"door": CameraSettings(source="demo", **beyond)}),
    ):
        components = components_for(config)
        assert components["door/hold_time"]["max"] >= 86_400.5
        assert components["door/votes_needed"]["max"] >= 5000
        assert components["door/majority"]["min"] <= 0.505


def test_devices_that_share_a_broker_keep_apart() -> None:
    def identity(device: str, prefix: str) -> tuple[str, str, str]:
        config = config_of("door", device=device, mqtt=MqttSettings(prefix=prefix))
        messages = messages_for(config)
        topic, message = next(iter(messages.items()))
        people = {
            shown_as(c): c["unique_id"] for m in messages.values() for c in m["components"].values() if "name" in c
        }
        return topic, message["device"]["identifiers"][0], people["people"]

    identities = [identity(device, prefix) for device in ("lobby", "hall") for prefix in ("maskd", "site/a", "site_a")]
    assert identities[0][0] == "homeassistant/device/maskd_lobby/config"
    assert all(len({each[part] for each in identities}) == 6 for part in range(3))
    assert all(re.fullmatch(rf"homeassistant/device/{rules.TOPIC_LEVEL}/config", topic) for topic, *_ in identities)


def test_the_discovery_prefix_is_that_of_the_settings() -> None:
    mqtt = MqttSettings(homeassistant=HomeAssistantSettings(prefix="ha/discovery"))
    config = config_of("door", mqtt=mqtt)
    topics = list(messages_for(config))
    assert topics[0] == discovery_topic(config) == "ha/discovery/device/maskd_lobby/config"
    assert discovery_filter(config) == "ha/discovery/device/maskd_lobby/#"
    assert all(topic.startswith("ha/discovery/device/maskd_lobby/") for topic in topics)
    assert birth_topic(mqtt) == "ha/discovery/status"


def test_a_removed_component_is_sent_with_its_platform_alone() -> None:
    _, announcement = announce(config_of("door"), LABELS, commands_on=True, tells_temperature=True)
    before = copy.deepcopy(announcement.message)
    violation, *others = announcement.platforms
    message = expanded(announcement.to_json({"gone": "sensor", violation: "select"}))
    assert message["components"]["gone"] == {"platform": "sensor"}
    assert message["components"][violation] == {"platform": "select"}
    assert message["components"].keys() == {"gone", violation, *others}
    assert announcement.message == before


def test_everything_retained_that_entities_read_is_known_to_be_retained() -> None:
    config = config_of()
    entities = [each for each in components_for(config).values() if "name" in each]
    topics = {each["state_topic"] for each in entities}
    topics |= {source["topic"] for each in entities for source in each["availability"]}
    retained = {topic for topic in topics if not topic.endswith("/event")}
    assert retained <= set(retained_topics(config, commands_on=True))
    assert not [topic for topic in retained_topics(config, commands_on=False) if topic.endswith("/state")]


def test_snapshots_are_an_image_entity_of_their_camera_only_while_they_are_published() -> None:
    config = config_of("door", snapshots=PUBLISHED)
    assert [problem for message in messages_for(config).values() for problem in problems_of(message)] == []
    image = components_for(config)["door/snapshot"]
    assert (image["platform"], image["image_topic"]) == ("image", "maskd/lobby/door/snapshot")
    assert image["image_topic"] in retained_topics(config, commands_on=False)
    for other in (config_of("door"), config_of("door", privacy="aggregate", snapshots=PUBLISHED)):
        assert "door/snapshot" not in components_for(other)
        assert image["image_topic"] not in retained_topics(other, commands_on=False)


LONGEST = "n" * 64
MANY_LABELS = tuple(f"{'label':_<28}{number}" for number in range(12))


def largest(config: Config, labels: tuple[str, ...] = LABELS, **options: bool) -> int:
    """Bytes of the largest discovery message, and each device has one."""
    form = {"commands_on": True, "tells_temperature": True, **options}
    announced = announce(config, labels, **form, page_url=f"http://{config.device}.local:8470/")
    assert len(announced) == 1 + len(config.cameras)
    return max(len(each.to_json()) for each in announced)


@every_form
def test_all_that_is_announced_of_a_device_has_at_most_4_kb(
    privacy: Literal["events", "aggregate"], commands_on: bool, tells_temperature: bool
) -> None:
    config = config_of("front-door", privacy=privacy)
    assert largest(config, commands_on=commands_on, tells_temperature=tells_temperature) <= 4096


@every_form
def test_the_longest_names_and_snapshots_take_less_than_twice_as_much(
    privacy: Literal["events", "aggregate"], commands_on: bool, tells_temperature: bool
) -> None:
    config = config_of(LONGEST, device=LONGEST, privacy=privacy, snapshots=PUBLISHED)
    assert largest(config, commands_on=commands_on, tells_temperature=tells_temperature) <= 6300
    # Each status that breaks a rule is a trigger more.
    assert largest(config, MANY_LABELS, commands_on=commands_on, tells_temperature=tells_temperature) <= 10_500


def test_what_is_shortened_is_read_as_it_was_meant() -> None:
    for each in announce(config_of(), LABELS, commands_on=True, tells_temperature=True):
        message = expanded(each.to_json())
        plain = copy.deepcopy(each.message)
        assert message.pop("state_topic") == f"{each.base}/~"
        message["components"] = {
            key: {name: value for name, value in component.items() if name in plain["components"][key]}
            for key, component in whole_components({**message, "state_topic": f"{each.base}/~"}).items()
        }
        assert message == plain
        assert not re.search(rb'"(state_topic|unique_id|value_template|platform|device)":', each.to_json())
