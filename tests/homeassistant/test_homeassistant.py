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
from edge.config.settable import camera_settings, settables
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


def components_for(config: Config, **options: Any) -> dict[str, Message]:
    """By `<camera>/<key>`, or the key alone of what is the device's own; with what their message shares."""
    found = {}
    for message in messages_for(config, **options).values():
        _, _, camera = message["device"]["identifiers"][0].partition("/")
        for key, component in whole_components(message).items():
            found[f"{camera}/{key}" if camera else key] = {**component, "of": message["device"]["name"]}
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
    counts = {key: component for key, component in components.items() if key.startswith("door/count_")}
    assert {each["name"] for each in counts.values()} == {
        f"People {x}" for x in ("mask", "no mask", "qu\"o'te }}", "items", "unknown")
    }
    assert len(counts) == 6
    quoted = next(each for each in counts.values() if each["name"] == "People qu\"o'te }}")
    assert render(quoted, b'{"counts": {"qu\\"o\'te }}": 7}}') == "7"
    assert render(counts["door/count_items"], b'{"counts": {"mask": 7}}') == "0"


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
        (lambda m: m["components"]["detect_ms"].update(unit_of_measurement="fps"), "detect_ms: unit fps"),
        (lambda m: m["components"]["problem"].update(device_class="mask"), "problem: device_class mask"),
        (lambda m: m["components"]["min_score"].pop("command_topic"), "min_score: no command_topic"),
        (lambda m: m["components"]["min_score"].update(min=1), "min_score: min is not below max"),
        (lambda m: m["components"]["min_score"].update(max="1"), "min_score: max is no number"),
        (lambda m: m["components"]["min_score"].update(step=0), "min_score: step"),
        (lambda m: m["components"]["min_score"].update(mode="knob"), "min_score: mode knob"),
        (lambda m: m["components"]["privacy"].update(options=[]), "privacy: options is no texts"),
        (lambda m: m["components"]["event"].pop("event_types"), "event: no event_types"),
        (lambda m: m["components"]["event"].update(availability=[{}]), "event: availability"),
        (lambda m: m["components"]["event"].update(availability=[{"topic": "a"}] * 2), "event: availability"),
        (lambda m: m["components"]["ended"].pop("subtype"), "ended: no subtype"),
        (lambda m: m["components"]["ended"].update(name="x"), "ended: name is unknown"),
        (lambda m: m.update({"~": "a"}), "the message: ~ is unknown"),
        (
            lambda m: m["components"]["event"].update(availability_mode="most"),
            "event: availability_mode most",
        ),
        (lambda m: m["components"].update({"a b": m["components"].pop("people")}), "the key a b"),
    ],
)
def test_the_check_notices(damage: Damage, problem: str) -> None:
    # All entities of one form in one message, as if they were of one device.
    messages = list(messages_for(config_of("door")).values())
    message = messages[2]
    for other in messages[:2] + messages[3:]:
        of_entities = {key: each for key, each in whole_components(other).items() if "name" in each}
        message["components"].update({**other["components"], **of_entities})
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
    for key, component in components.items():
        if component["platform"] == "device_automation":
            continue
        topic = component["state_topic"]
        for payload in sent.get(topic, []):
            rendered = render(component, payload.to_json())
            assert accepts(component, rendered), (key, rendered)
        assert topic in sent or topic == "maskd/lobby/availability"
        if "json_attributes_topic" in component:
            for payload in sent[component["json_attributes_topic"]]:
                attributes = json.loads(render(component, payload.to_json(), "json_attributes_template"))
                assert not attributes.keys() & rules.ATTRIBUTES_TAKEN, key
        for source in component["availability"]:
            if "value_template" in source:
                rendered_all = {render(source, payload.to_json()) for payload in sent[source["topic"]]}
                assert rendered_all <= {"online", "offline"}, key
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
    for component in components_for(config_of()).values():
        if "value_template" in component:
            assert render(component, b"") == ""
        if "json_attributes_template" in component:
            assert render(component, b"", "json_attributes_template") == "{}"
        for source in component.get("availability", ()):
            assert "value_template" not in source or render(source, b"") == ""


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
    assert [shown("front-door/count_without_mask", index) for index in (0, 1)] == ["2", "0"]
    assert [shown("front-door/compliance_rate", index) for index in (0, 1)] == ["33.3", "None"]
    assert attributes("front-door/compliance_rate", 0)["counts"] == {"with_mask": 1, "without_mask": 2, "unknown": 1}
    assert [shown("front-door/connected", index) for index in (0, 1, 2)] == ["ON", "OFF", "OFF"]
    assert attributes("front-door/connected", 1) == {"error": 'it said "no"'}
    assert [shown("front-door/fps", index) for index in (0, 2)] == ["9.8", "None"]
    assert [shown("front-door/view_blocked", index) for index in (0, 1, 2)] == ["ON", "OFF", "OFF"]
    assert attributes("front-door/view_blocked", 0) == {"view": ["dark", "small_faces"]}
    only_small = statuses(config)[0].to_json().replace(b'"dark",', b"")
    assert render(components["front-door/view_blocked"], only_small) == "OFF"
    counters = ("visits", "visits_today", "violations", "violations_today")
    assert [shown(f"front-door/{counter}", 0) for counter in counters] == ["1204", "31", "87", "2"]
    assert [shown("problem", index) for index in (0, 1)] == ["OFF", "ON"]
    assert attributes("problem", 1) == {"problems": ["the camera door is lost"]}
    assert (shown("outbox_depth", 0), shown("events_lost", 0)) == ("3", "2")
    assert [shown("detect_ms", index) for index in (0, 1)] == ["38.21", "None"]
    event = json.loads(shown("front-door/event", 1))
    assert event.pop("event_type") == "changed"
    assert event == json.loads(sent["maskd/lobby/front-door/event"][1].to_json())
    assert {"track", "id", "epoch", "seq", "confidence", "status", "previous", "zones", "duration_s"} <= event.keys()


def test_a_trigger_of_the_device_fires_for_its_event_alone() -> None:
    config = config_of("door")
    triggers = {k: c for k, c in components_for(config).items() if c["platform"] == "device_automation"}
    assert triggers.keys() == {
        *(f"door/{type_}_{label}" for type_ in ("started", "changed") for label in LABELS),
        "door/ended",
    }
    events = published_by(config)["maskd/lobby/door/event"]

    def fired(index: int) -> set[str]:
        payload = events[index].to_json()
        return {key for key, trigger in triggers.items() if render(trigger, payload) == trigger["payload"]}

    assert {trigger["topic"] for trigger in triggers.values()} == {"maskd/lobby/door/event"}
    assert [fired(index) for index in range(3)] == [{"door/started_without_mask"}, set(), {"door/ended"}]


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


def available(component: Message, online: bytes | None, status: Payload | None) -> bool:
    """As Home Assistant judges it, by what each topic last said; None: nothing."""
    said = {
        "maskd/lobby/availability": online,
        "maskd/lobby/status": None if status is None else status.to_json(),
    }
    values = []
    for source in component["availability"]:
        payload = said[source["topic"]]
        shown = None if payload is None else render(source, payload) if "value_template" in source else payload.decode()
        values.append(shown == "online")
    assert len(values) < 2 or component["availability_mode"] == "all"
    return all(values)


@pytest.mark.parametrize("form", ["events", "aggregate"])
def test_which_entities_are_available_when(form: Literal["events", "aggregate"]) -> None:
    config = config_of("door", privacy=form)
    entities = {k: c for k, c in components_for(config).items() if c["platform"] != "device_automation"}
    here, lost, _ = statuses(config)

    def unavailable(online: bytes | None, status: Payload | None) -> set[str]:
        return {key for key, component in entities.items() if not available(component, online, status)}

    of_people = {"door/violation", "door/event"}
    seen_now = {"door/people", "door/violation", *(f"door/count_{label}" for label in (*LABELS, "unknown"))}
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


def test_privacy_changes_no_entity_s_identity_and_no_message_s_topic() -> None:
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


def test_commands_move_no_other_entity_to_another_message() -> None:
    with_commands, without = (messages_for(config_of("door"), commands_on=commands_on) for commands_on in (True, False))
    assert without.items() <= with_commands.items()


def test_each_camera_is_a_device_of_its_own_below_the_box() -> None:
    messages = messages_for(config_of("door", "front-door"))
    devices = {message["device"]["identifiers"][0]: message["device"] for message in messages.values()}
    assert {name: (each["name"], each.get("via_device")) for name, each in devices.items()} == {
        "maskd_lobby": ("maskd lobby", None),
        "maskd_lobby/door": ("maskd lobby door", "maskd_lobby"),
        "maskd_lobby/front-door": ("maskd lobby front door", "maskd_lobby"),
    }
    assert next(iter(messages)) == "homeassistant/device/maskd_lobby/config"  # before those that are below it
    assert len(messages) == len(set(messages)) == 12


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
    assert "temperature" not in components
    assert "temperature" in components_for(config_of(), commands_on=False)


def test_a_threshold_outside_of_the_usual_bounds_is_still_inside_of_those_announced() -> None:
    beyond: dict[str, Any] = {"hold_s": 86_400.5, "min_votes": 5000, "majority": 0.505}
    for config in (
        config_of("door", compliance=ComplianceSettings(**beyond)),
        Config(cameras={"door": CameraSettings(source="demo", **beyond)}),
    ):
        components = components_for(config)
        assert components["door/hold_s"]["max"] >= 86_400.5
        assert components["door/min_votes"]["max"] >= 5000
        assert components["door/majority"]["min"] <= 0.505


def test_devices_that_share_a_broker_keep_apart() -> None:
    def identity(device: str, prefix: str) -> tuple[str, str, frozenset[str]]:
        config = config_of("door", device=device, mqtt=MqttSettings(prefix=prefix))
        messages = messages_for(config)
        topic, message = next(iter(messages.items()))
        ids = {each.get("unique_id", key) for m in messages.values() for key, each in m["components"].items()}
        return topic, message["device"]["identifiers"][0], frozenset(x for x in ids if x.endswith("_people"))

    identities = [identity(device, prefix) for device in ("lobby", "hall") for prefix in ("maskd", "site/a", "site_a")]
    assert identities[0][:2] == ("homeassistant/device/maskd_lobby/config", "maskd_lobby")
    assert all(len({each[part] for each in identities}) == 6 for part in range(3))
    assert all(re.fullmatch(rf"homeassistant/device/{rules.TOPIC_LEVEL}/config", topic) for topic, *_ in identities)


def test_no_camera_s_name_makes_two_messages_of_one_topic() -> None:
    cameras = ("door", "2_door", "settings_door", "camera_door", "triggers2_door", "settings2_door", "2", "settings")
    messages = announce(
        config_of(*cameras), [f"label {n}" for n in range(20)], commands_on=True, tells_temperature=True
    )
    assert len({each.topic for each in messages}) == len(messages)
    form = rf"homeassistant/device/maskd_lobby/({rules.TOPIC_LEVEL}/)?config"
    assert all(re.fullmatch(form, each.topic) for each in messages)


def test_the_discovery_prefix_is_that_of_the_settings() -> None:
    mqtt = MqttSettings(homeassistant=HomeAssistantSettings(prefix="ha/discovery"))
    config = config_of("door", mqtt=mqtt)
    topics = list(messages_for(config))
    assert topics[0] == discovery_topic(config) == "ha/discovery/device/maskd_lobby/config"
    assert discovery_filter(config) == "ha/discovery/device/maskd_lobby/#"
    assert all(topic.startswith("ha/discovery/device/maskd_lobby/") for topic in topics)
    assert birth_topic(mqtt) == "ha/discovery/status"


def test_a_removed_component_is_sent_with_its_platform_alone() -> None:
    announcement = announce(config_of("door"), LABELS, commands_on=True, tells_temperature=True)[2]
    before = copy.deepcopy(announcement.message)
    message = expanded(announcement.to_json({"hall_people": "sensor", "violation": "select"}))
    assert message["components"]["hall_people"] == {"platform": "sensor"}
    assert message["components"]["violation"] == {"platform": "select"}
    assert message["components"]["people"] == before["components"]["people"]
    assert announcement.message == before


def test_everything_retained_that_entities_read_is_known_to_be_retained() -> None:
    config = config_of()
    topics = {each["state_topic"] for each in components_for(config).values() if "name" in each}
    retained = {topic for topic in topics if not topic.endswith("/event")}
    assert retained <= set(retained_topics(config, commands_on=True))
    assert not [topic for topic in retained_topics(config, commands_on=False) if topic.endswith("/state")]


def test_snapshots_are_an_image_entity_of_their_camera_only_while_they_are_published() -> None:
    config = config_of("door", snapshots=PUBLISHED)
    [message] = [each for topic, each in messages_for(config).items() if "/_snapshot_" in topic]
    assert list(problems_of(message)) == []
    image = message["components"]["snapshot"]
    assert (image["platform"], image["image_topic"]) == ("image", "maskd/lobby/door/snapshot")
    assert image["image_topic"] in retained_topics(config, commands_on=False)
    for other in (config_of("door"), config_of("door", privacy="aggregate", snapshots=PUBLISHED)):
        assert not [topic for topic in messages_for(other) if "snapshot" in topic]
        assert image["image_topic"] not in retained_topics(other, commands_on=False)


LONGEST = "n" * 64
MANY_LABELS = tuple(f"{'label':_<28}{number}" for number in range(12))


@every_form
@pytest.mark.parametrize(
    ("device", "camera", "labels"),
    [("lobby", "front-door", LABELS), (LONGEST, LONGEST, LABELS), (LONGEST, LONGEST, MANY_LABELS)],
    ids=["usual", "longest names", "many labels"],
)
def test_no_message_has_more_than_4_kb(
    device: str,
    camera: str,
    labels: tuple[str, ...],
    privacy: Literal["events", "aggregate"],
    commands_on: bool,
    tells_temperature: bool,
) -> None:
    config = config_of(camera, device=device, privacy=privacy, snapshots=PUBLISHED)
    page_url = f"http://{LONGEST}.local:8080/"
    announced = announce(
        config, labels, commands_on=commands_on, tells_temperature=tells_temperature, page_url=page_url
    )
    sizes = {each.topic: len(each.to_json()) for each in announced}
    assert max(sizes.values()) <= 4096, sizes


def test_many_settings_come_in_several_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    hold = camera_settings()["hold_s"]
    many = {f"a_setting_with_a_long_name_{number}": hold for number in range(20)}
    monkeypatch.setattr("edge.homeassistant.settings.camera_settings", lambda: many)
    monkeypatch.setattr("edge.config.settable.camera_settings", lambda: many)
    monkeypatch.setattr("edge.config.settable.Settable.configured_in", lambda *_: 1.0)
    config = config_of(LONGEST, device=LONGEST)
    announced = announce(config, LABELS, commands_on=True, tells_temperature=True)
    settings = [each for each in announced if "/_settings" in each.topic]
    assert {key for each in settings for key in each.platforms} == {*many, "privacy"}
    assert max(len(each.to_json()) for each in announced) <= 4096


def test_abbreviations_are_those_that_home_assistant_knows() -> None:
    for each in announce(config_of(), LABELS, commands_on=True, tells_temperature=True):
        message = copy.deepcopy(each.message)
        for component in message["components"].values():
            base = component.pop("~", None)
            for key in [key for key in component if base is not None and key.endswith("topic")]:
                component[key] = base + component[key][1:]
        assert expanded(each.to_json()) == message
        assert not re.search(rb'"(state_topic|unique_id|value_template|platform|device)":', each.to_json())
