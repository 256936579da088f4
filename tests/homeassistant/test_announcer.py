from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.publish
import pytest

from edge.config import CameraSettings, Config, HomeAssistantSettings, MqttSettings
from edge.homeassistant.announcer import Announcer
from edge.homeassistant.attempt import Pace
from edge.mqtt import Message, MqttClient
from edge.system.backoff import Backoff
from tests.support.mosquitto import Mosquitto, Received, Subscriber
from tests.support.waiting import wait_until

TOPIC = "homeassistant/device/maskd_lobby/config"
DOOR = "homeassistant/device/maskd_lobby/door/config"


def topics_of(*cameras: str) -> set[str]:
    """Of all discovery messages of a device with these cameras."""
    return {TOPIC, *(f"homeassistant/device/maskd_lobby/{camera}/config" for camera in cameras)}


PASSWORD = "correct horse battery"


def config_for(broker: Mosquitto, *cameras: str, device: str = "lobby", announced: bool = True, **more: Any) -> Config:
    settings = {name: CameraSettings(source="demo") for name in cameras or ("door",)}
    mqtt = MqttSettings(
        host=broker.host,
        port=broker.port,
        commands=True,
        homeassistant=HomeAssistantSettings(enabled=announced),
        **more.pop("mqtt", {}),
    )
    return Config(device=device, cameras=settings, mqtt=mqtt, **more)


@contextmanager
def announcing(
    config: Config,
    path: Path,
    *,
    labels: Sequence[str] = ("with_mask", "without_mask"),
    pause: Backoff | None = None,
    least_gap_s: float = 0.05,
    settled_s: float = 0.3,
) -> Iterator[tuple[Announcer, MqttClient]]:
    client = MqttClient(config.mqtt, config.device, backoff=Backoff(0.05, 0.2))
    failures: list[BaseException] = []

    def republish() -> None:
        client.publish(Message(client.topics.status, b"{}", retain=True))

    announcer = Announcer(
        client,
        config,
        labels,
        path,
        [republish],
        on_failure=failures.append,
        pace=Pace(0.2, least_gap_s, settled_s, pause or Backoff(0.2, 0.4)),
    )
    announcer.start()
    client.start()
    try:
        yield announcer, client
    finally:
        announcer.stop()
        client.stop()
    assert failures == []


def publish(broker: Mosquitto, topic: str, payload: str, *, retain: bool = False) -> None:
    paho.mqtt.publish.single(topic, payload, qos=1, retain=retain, hostname=broker.host, port=broker.port)


def components(message: Received) -> dict[str, Any]:
    """By their keys."""
    found: dict[str, Any] = json.loads(message.payload)["cmps"]
    return found


def named(message: Received) -> dict[str, str]:
    """The key of each entity by its name, and of each trigger by what it is for."""
    return {each.get("name") or each["stype"]: key for key, each in components(message).items()}


def remembered(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def kept(broker: Mosquitto) -> dict[str, bytes]:
    """What the broker retains; a last message, which is not retained, tells that all of it has come."""
    with Subscriber(broker.port) as subscriber:
        publish(broker, "end", "")
        subscriber.wait_for(1, "end")
        return {message.topic: message.payload for message in subscriber.messages if message.topic != "end"}


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    announcers = [record for record in caplog.records if "announce" in record.name]
    return [record.getMessage() for record in announcers if record.levelno >= logging.WARNING]


def test_the_device_is_announced_on_every_new_connection_and_stays_announced(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with (
        Subscriber(mosquitto.port, "homeassistant/#") as subscriber,
        announcing(config_for(mosquitto), tmp_path / "announced.json"),
    ):
        first = subscriber.wait_for(2)
        assert {message.content_type for message in first} == {"application/json"}
        assert first[0].topic == TOPIC  # before the devices that are below it
        told = {message.topic: message.payload for message in first}
        assert told.keys() == topics_of("door")
        assert "Violation" in named(first[1])
        mosquitto.restart()  # with an empty memory
        subscriber.wait_for(4)
    assert told.items() <= kept(mosquitto).items()


def test_a_birth_is_answered_with_the_announcement_and_then_with_the_states(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with (
        Subscriber(mosquitto.port) as subscriber,
        announcing(config_for(mosquitto), tmp_path / "announced.json"),
    ):
        subscriber.wait_for(2, "/config")
        for payload in ("offline", "on" * 1000):
            publish(mosquitto, "homeassistant/status", payload)
        time.sleep(1.0)  # an answer would come within the jitter, 0.2 s
        assert [message.topic for message in subscriber.messages].count(TOPIC) == 1
        publish(mosquitto, "homeassistant/status", "online")
        subscriber.wait_for(1, "lobby/status")
        topics = [message.topic for message in subscriber.messages]
        assert topics.count(TOPIC) == 2
        assert topics.index("maskd/lobby/status") > topics.index(TOPIC, topics.index(TOPIC) + 1)


def test_a_retained_birth_is_old_news(mosquitto: Mosquitto, tmp_path: Path) -> None:
    publish(mosquitto, "homeassistant/status", "online", retain=True)
    with (
        Subscriber(mosquitto.port) as subscriber,
        announcing(config_for(mosquitto), tmp_path / "announced.json"),
    ):
        subscriber.wait_for(2, "/config")
        time.sleep(1.0)  # an answer would come within the jitter, 0.2 s
        assert [message.topic for message in subscriber.messages].count(TOPIC) == 1
        publish(mosquitto, "homeassistant/status", "online")
        subscriber.wait_for(1, "lobby/status")
        assert [message.topic for message in subscriber.messages].count(TOPIC) == 2


def test_a_storm_of_births_is_answered_now_and_then(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with (
        Subscriber(mosquitto.port) as subscriber,
        announcing(config_for(mosquitto), tmp_path / "announced.json", least_gap_s=1.0),
    ):
        subscriber.wait_for(1, TOPIC)
        began = time.monotonic()
        storm: list[Any] = [("homeassistant/status", "online", 1, False)] * 50
        while time.monotonic() - began < 2.5:
            paho.mqtt.publish.multiple(storm, hostname=mosquitto.host, port=mosquitto.port)
        subscriber.wait_for(3, TOPIC)
        took = time.monotonic() - began
        announced = [message.topic for message in subscriber.messages].count(TOPIC)
        assert announced <= 2 + took


def test_a_change_is_announced_only_where_home_assistant_is_told_something_new(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    config = config_for(mosquitto)
    with (
        Subscriber(mosquitto.port, "homeassistant/#") as subscriber,
        announcing(config, tmp_path / "announced.json") as (announcer, _),
    ):
        subscriber.wait_for(2)
        tuned = {"door": config.cameras["door"].model_copy(update={"hold_s": 2.0, "enabled": False})}
        announcer.apply(config.model_copy(update={"cameras": tuned}))
        time.sleep(1.0)  # nothing comes; were something sent, it would be among what follows
        announcer.apply(config_for(mosquitto, "door", "hall"))
        messages = subscriber.wait_for(5)
        assert [message.topic for message in messages[2:]] == [TOPIC, DOOR, DOOR.replace("door", "hall")]


def test_what_is_gone_is_withdrawn_and_cleared(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    topics = ["camera", "presence", "compliance", "totals", "enabled/state", "hold_s/state"]
    with (
        Subscriber(mosquitto.port, "homeassistant/#") as subscriber,
        announcing(config_for(mosquitto, "door", "hall"), path),
    ):
        subscriber.wait_for(3)
        wait_until(lambda: remembered(path).get("messages", {}).keys() == topics_of("door", "hall"), what="the file")
    for topic in topics:
        publish(mosquitto, f"maskd/lobby/hall/{topic}", "{}", retain=True)
        publish(mosquitto, f"maskd/lobby/door/{topic}", "{}", retain=True)
    # A fresh start, as after a restart of the daemon.
    with Subscriber(mosquitto.port, "#") as subscriber, announcing(config_for(mosquitto, "door"), path):
        subscriber.wait_for(2, "hall/hold_s/state")
        wait_until(lambda: remembered(path)["messages"].keys() == topics_of("door"), what="the file")
        live = [message for message in subscriber.messages.copy() if not message.retained]
    emptied = [message.topic for message in live if not message.payload and "homeassistant" in message.topic]
    assert emptied == [DOOR.replace("door", "hall")]
    still_kept = kept(mosquitto)
    assert not [topic for topic in still_kept if "/hall/" in topic]
    assert {f"maskd/lobby/door/{topic}" for topic in topics} <= still_kept.keys()


def test_what_was_announced_just_before_a_stop_is_remembered(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    with Subscriber(mosquitto.port, "homeassistant/#") as subscriber:
        with announcing(config_for(mosquitto, "door", "hall"), path, settled_s=3600):
            subscriber.wait_for(3)
        assert remembered(path)["messages"].keys() == topics_of("door", "hall")
        with announcing(config_for(mosquitto, "door", "yard"), path, settled_s=3600):
            subscriber.wait_for(7)  # what is kept, the old camera's cleared, and the new announcement
        assert remembered(path)["messages"].keys() == topics_of("door", "hall", "yard")


def test_what_was_announced_just_before_another_login_is_cleared_later(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    with (
        Subscriber(mosquitto.port, "homeassistant/#") as subscriber,
        announcing(config_for(mosquitto, "door", "hall"), path, settled_s=3600) as (announcer, _),
    ):
        subscriber.wait_for(1)
        announcer.forget_refusals()
        announcer.apply(config_for(mosquitto, "door"))
        wait_until(lambda: [m for m in subscriber.messages.copy() if "/hall/" in m.topic and not m.payload])
    assert not [topic for topic in kept(mosquitto) if "hall" in topic]


def test_a_component_that_is_gone_is_removed_once(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    with Subscriber(mosquitto.port, DOOR) as subscriber, announcing(config_for(mosquitto), path, labels=("a", "b")):
        gone = named(subscriber.wait_for(1)[0])["b"]
        wait_until(lambda: remembered(path), what="the file")
    with Subscriber(mosquitto.port, DOOR) as subscriber, announcing(config_for(mosquitto), path, labels=("a", "c")):
        _, removal, last = subscriber.wait_for(3)
        wait_until(lambda: named(last)["c"] in remembered(path)["messages"][DOOR], what="the file")
    final = components(last)
    assert components(removal) == {**final, gone: {"p": "device_automation"}}
    assert gone not in final
    # Not at every start.
    with Subscriber(mosquitto.port, DOOR) as subscriber, announcing(config_for(mosquitto), path, labels=("a", "c")):
        assert components(subscriber.wait_for(2)[1]) == final


def test_what_one_message_announced_in_earlier_versions_is_removed(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "announced.json"
    path.write_text(json.dumps({"topic": TOPIC, "platforms": {"door_event": "event"}, "retained": []}))
    publish(mosquitto, TOPIC, '{"components": {}}', retain=True)
    with Subscriber(mosquitto.port, TOPIC) as subscriber, announcing(config_for(mosquitto), path):
        _, removal, final = subscriber.wait_for(3)
        wait_until(lambda: "messages" in remembered(path), what="the file")
    assert components(removal)["door_event"] == {"p": "event"}
    assert "door_event" not in components(final)
    assert kept(mosquitto)[TOPIC] == final.payload
    assert warnings_in(caplog) == []


def test_aggregate_privacy_withdraws_no_entity(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    with (
        Subscriber(mosquitto.port, DOOR) as subscriber,
        announcing(config_for(mosquitto), path) as (announcer, _),
    ):
        subscriber.wait_for(1)
        wait_until(lambda: remembered(path), what="the file")
        announcer.apply(config_for(mosquitto, privacy="aggregate"))
        in_events, in_aggregate = (json.loads(message.payload) for message in subscriber.wait_for(2))
        announcer.apply(config_for(mosquitto))
        assert json.loads(subscriber.wait_for(3)[2].payload) == in_events
    assert in_aggregate["cmps"].keys() == in_events["cmps"].keys()
    assert all("uniq_id" in each for each in in_aggregate["cmps"].values() if each["p"] != "device_automation")
    of_people = next(key for key, each in in_events["cmps"].items() if each.get("name") == "People")
    assert [each["cmps"][of_people]["~"] for each in (in_events, in_aggregate)] == ["presence", "compliance"]


def test_under_another_name_the_device_clears_what_it_was_before(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    with Subscriber(mosquitto.port, TOPIC) as subscriber, announcing(config_for(mosquitto), path):
        subscriber.wait_for(1)
        wait_until(lambda: remembered(path), what="the file")
    publish(mosquitto, "maskd/lobby/status", "{}", retain=True)
    with announcing(config_for(mosquitto, device="hall"), path):
        wait_until(lambda: "maskd_hall" in str(remembered(path)["messages"]), what="the file")
    renamed = {topic.replace("maskd_lobby", "maskd_hall") for topic in topics_of("door")}
    assert kept(mosquitto).keys() == {*renamed, "maskd/hall/availability"}


def test_where_home_assistant_is_not_wanted_the_announcement_is_cleared_once(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path = tmp_path / "announced.json"
    with Subscriber(mosquitto.port, TOPIC) as subscriber, announcing(config_for(mosquitto), path):
        subscriber.wait_for(1)
        wait_until(lambda: remembered(path), what="the file")
    with announcing(config_for(mosquitto, announced=False), path):
        wait_until(lambda: remembered(path)["messages"] == {}, what="the file")
    assert kept(mosquitto).keys() == {"maskd/lobby/availability"}
    publish(mosquitto, TOPIC, "another's", retain=True)
    with Subscriber(mosquitto.port, "maskd/#") as subscriber, announcing(config_for(mosquitto, announced=False), path):
        subscriber.wait_for(2, "/availability")
        publish(mosquitto, "homeassistant/status", "online")
        time.sleep(0.5)
    assert kept(mosquitto)[TOPIC] == b"another's"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"messages": [], "retained": []}',
        '{"messages": {"maskd/#": {}}, "retained": ["+/+"]}',
        '{"topic": 1, "platforms": {}, "retained": []}',
    ],
)
def test_a_damaged_file_is_written_anew(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "announced.json"
    path.write_text(text)
    with announcing(config_for(mosquitto), path):
        wait_until(lambda: "/door/config" in path.read_text(), what="the file")
    assert warnings_in(caplog) == [
        f"what was announced to Home Assistant cannot be read from {path}: it is damaged; the file is written again; "
        "delete the entities of cameras that were removed meanwhile in Home Assistant"
    ]
    assert TOPIC in kept(mosquitto)


def test_a_file_that_cannot_be_written_stops_nothing_and_is_told_of_once(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "missing" / "announced.json"
    with (
        Subscriber(mosquitto.port, DOOR) as subscriber,
        announcing(config_for(mosquitto), path) as (announcer, _),
    ):
        subscriber.wait_for(1)
        wait_until(lambda: warnings_in(caplog), what="the warning")
        announcer.apply(config_for(mosquitto, "hall"))
        # What this process has announced it still knows, without the file.
        assert subscriber.wait_for(2)[1].payload == b""
        time.sleep(0.5)
    assert warnings_in(caplog) == [
        f"what was announced to Home Assistant cannot be saved in {path}: No such file or directory; "
        "if a camera is removed before this is fixed, delete its entities in Home Assistant"
    ]


def test_somebody_elses_message_on_our_topic_is_overwritten(mosquitto: Mosquitto, tmp_path: Path) -> None:
    publish(mosquitto, TOPIC, '{"components": {"lock": {"platform": "lock"}}}', retain=True)
    with Subscriber(mosquitto.port, TOPIC) as subscriber, announcing(config_for(mosquitto), tmp_path / "a.json"):
        assert "Problem" in named(subscriber.wait_for(2)[1])
    assert b'"lock"' not in kept(mosquitto)[TOPIC]


both_protocols = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


class Steady(Backoff):
    """Pauses of one length."""

    def next(self) -> float:
        return 3.0


@contextmanager
def guarded_broker(folder: Path, acl: Sequence[str]) -> Iterator[tuple[Mosquitto, dict[str, Any]]]:
    """A broker with an access list, and the settings for a login there."""
    broker = Mosquitto(folder, users={"maskd": PASSWORD, "all": PASSWORD}, acl=["user maskd", *acl, *OF_THE_OBSERVER])
    broker.start()
    password_file = folder.parent / "password"
    password_file.write_text(PASSWORD)
    try:
        yield broker, {"username": "maskd", "password_file": password_file}
    finally:
        broker.stop()


OF_THE_OBSERVER = ["user all", "topic readwrite #"]


@both_protocols
def test_a_broker_that_forbids_the_announcement_is_told_again_with_pauses_and_the_rest_gets_through(
    mosquitto_folder: Path, caplog: pytest.LogCaptureFixture, protocol: Literal["5", "3.1.1"]
) -> None:
    caplog.set_level(logging.INFO)
    with guarded_broker(mosquitto_folder, ["topic readwrite maskd/#"]) as (broker, login):
        config = config_for(broker, mqtt={**login, "protocol": protocol})
        path = mosquitto_folder.parent / "announced.json"
        with (
            Subscriber(broker.port, username="all", password=PASSWORD) as subscriber,
            announcing(config, path, pause=Steady()) as (_, client),
        ):
            wait_until(lambda: warnings_in(caplog), what="the warning")
            connections = client.connections
            wait_until(lambda: client.connection, what="the connection")
            client.publish(Message("maskd/lobby/status", b"{}"))
            subscriber.wait_for(1, "lobby/status")
            time.sleep(1.5)  # half of the pause, in which the connection is left alone
            assert client.connections <= connections + 1
            broker.allow(
                [
                    "user maskd",
                    "topic readwrite maskd/#",
                    "topic write homeassistant/device/maskd_lobby/#",
                    *OF_THE_OBSERVER,
                ]
            )
            subscriber.wait_for(1, TOPIC)
            wait_until(lambda: "the broker accepts what is announced to Home Assistant" in caplog.messages)
    (warning,) = warnings_in(caplog)
    # Mosquitto closes the connection behind its refusal, which over 3.1.1 is no refusal.
    reason = "Not authorized|the connection was lost as soon as it was sent"
    assert re.fullmatch(
        f"the broker refuses what is announced to Home Assistant on {TOPIC}: ({reason}); maskd retries now and "
        "then: let this device's user write there, or set mqtt.homeassistant.enabled to false",
        warning,
    )


@both_protocols
def test_what_may_not_be_cleared_does_not_keep_the_device_from_being_announced(
    mosquitto_folder: Path, caplog: pytest.LogCaptureFixture, protocol: Literal["5", "3.1.1"]
) -> None:
    path = mosquitto_folder.parent / "announced.json"
    old = {"messages": {TOPIC: {}}, "retained": ["maskd/lobby/status"]}
    path.write_text(json.dumps(old))
    allowed = ["topic write maskd/hall/#", "topic write homeassistant/device/maskd_hall/#"]
    with guarded_broker(mosquitto_folder, allowed) as (broker, login):
        config = config_for(broker, device="hall", mqtt={**login, "protocol": protocol})
        with (
            Subscriber(broker.port, username="all", password=PASSWORD) as subscriber,
            announcing(config, path),
        ):
            subscriber.wait_for(1, "maskd_hall/config")
            wait_until(lambda: "maskd_hall" in str(remembered(path)["messages"]), what="the file")
    assert warnings_in(caplog)[-1] == (
        f"the broker still retains old messages on {TOPIC}, maskd/lobby/status, which this device's user may not "
        "clear; clear each with mosquitto_pub -r -n -t TOPIC"
    )


def test_without_a_broker_the_thread_rests(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with (
        Subscriber(mosquitto.port, "homeassistant/device/#") as subscriber,
        announcing(config_for(mosquitto), tmp_path / "announced.json") as (announcer, client),
    ):
        subscriber.wait_for(2)
        mosquitto.stop()  # in the middle of the announcement, as it were
        wait_until(lambda: client.connection is None, what="the loss of the connection")
        announcer.apply(config_for(mosquitto, "hall"))
        before = time.process_time()
        time.sleep(1.0)
        assert time.process_time() - before < 0.5
        mosquitto.start()
        subscriber.wait_for(1, "/hall/config")
