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
from edge.mqtt import Message, MqttClient
from edge.system.backoff import Backoff
from tests.support.mosquitto import Mosquitto, Received, Subscriber
from tests.support.waiting import wait_until

TOPIC = "homeassistant/device/maskd_lobby/config"
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
    config: Config, path: Path, *, pause: Backoff | None = None, least_gap_s: float = 0.05
) -> Iterator[tuple[Announcer, MqttClient]]:
    client = MqttClient(config.mqtt, config.device, backoff=Backoff(0.05, 0.2))
    failures: list[BaseException] = []

    def republish() -> None:
        client.publish(Message(client.topics.status, b"{}", retain=True))

    announcer = Announcer(
        client,
        config,
        ["with_mask", "without_mask"],
        path,
        [republish],
        on_failure=failures.append,
        jitter_s=0.2,
        least_gap_s=least_gap_s,
        settled_s=0.3,
        pause=pause or Backoff(0.2, 0.4),
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
    found: dict[str, Any] = json.loads(message.payload)["components"]
    return found


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
        first = subscriber.wait_for(1)[0]
        assert (first.topic, first.content_type) == (TOPIC, "application/json")
        assert "door_violation" in components(first)
        mosquitto.restart()  # with an empty memory
        subscriber.wait_for(2)
    assert kept(mosquitto)[TOPIC] == first.payload


def test_a_birth_is_answered_with_the_announcement_and_then_with_the_states(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with (
        Subscriber(mosquitto.port) as subscriber,
        announcing(config_for(mosquitto), tmp_path / "announced.json"),
    ):
        subscriber.wait_for(1, "/config")
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
        subscriber.wait_for(1, "/config")
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
        subscriber.wait_for(1, "/config")
        began = time.monotonic()
        storm: list[Any] = [("homeassistant/status", "online", 1, False)] * 50
        while time.monotonic() - began < 2.5:
            paho.mqtt.publish.multiple(storm, hostname=mosquitto.host, port=mosquitto.port)
        subscriber.wait_for(3, "/config")
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
        subscriber.wait_for(1)
        tuned = {"door": config.cameras["door"].model_copy(update={"hold_s": 2.0, "enabled": False})}
        announcer.apply(config.model_copy(update={"cameras": tuned}))
        time.sleep(1.0)  # nothing comes; were something sent, it would be among what follows
        announcer.apply(config_for(mosquitto, "door", "hall"))
        messages = subscriber.wait_for(2)
        assert len(messages) == 2
        assert "hall_people" in components(messages[1])


def test_what_is_gone_is_withdrawn_and_cleared(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    topics = ["presence", "compliance", "enabled/state", "hold_s/state"]
    with (
        Subscriber(mosquitto.port, "homeassistant/#") as subscriber,
        announcing(config_for(mosquitto, "door", "hall"), path),
    ):
        subscriber.wait_for(1)
        wait_until(lambda: "hall_people" in remembered(path).get("platforms", {}), what="the file")
    for topic in topics:
        publish(mosquitto, f"maskd/lobby/hall/{topic}", "{}", retain=True)
        publish(mosquitto, f"maskd/lobby/door/{topic}", "{}", retain=True)
    # A fresh start, as after a restart of the daemon.
    with Subscriber(mosquitto.port, "#") as subscriber, announcing(config_for(mosquitto, "door"), path):
        live = [message for message in subscriber.wait_for(3, TOPIC) if not message.retained]
        removal, final = (components(message) for message in live)
        subscriber.wait_for(2, "hall/hold_s/state")
        wait_until(lambda: "hall_people" not in remembered(path)["platforms"], what="the file")
    gone = {key: component for key, component in removal.items() if component.keys() == {"platform"}}
    assert {key.partition("_")[0] for key in gone} == {"hall"}
    assert gone["hall_min_votes"] == {"platform": "number"}
    assert final == {key: component for key, component in removal.items() if key not in gone}
    still_kept = kept(mosquitto)
    assert not [topic for topic in still_kept if "/hall/" in topic]
    assert {f"maskd/lobby/door/{topic}" for topic in topics} <= still_kept.keys()
    # Withdrawn once, not at every start.
    with Subscriber(mosquitto.port, TOPIC) as subscriber, announcing(config_for(mosquitto, "door"), path):
        assert components(subscriber.wait_for(2)[1]) == final


def test_aggregate_privacy_withdraws_what_tells_of_single_people(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    with (
        Subscriber(mosquitto.port, TOPIC) as subscriber,
        announcing(config_for(mosquitto), path) as (announcer, _),
    ):
        subscriber.wait_for(1)
        wait_until(lambda: remembered(path), what="the file")
        announcer.apply(config_for(mosquitto, privacy="aggregate"))
        _, removal, final = (components(message) for message in subscriber.wait_for(3))
        assert removal["door_event"] == {"platform": "event"}
        assert removal["door_violation"] == {"platform": "binary_sensor"}
        assert not {"door_event", "door_violation"} & final.keys()
        assert "/compliance" in final["door_people"]["state_topic"]


def test_under_another_name_the_device_clears_what_it_was_before(mosquitto: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    with Subscriber(mosquitto.port, TOPIC) as subscriber, announcing(config_for(mosquitto), path):
        subscriber.wait_for(1)
        wait_until(lambda: remembered(path), what="the file")
    publish(mosquitto, "maskd/lobby/status", "{}", retain=True)
    with announcing(config_for(mosquitto, device="hall"), path):
        wait_until(lambda: "maskd_hall" in remembered(path)["topic"], what="the file")
    assert kept(mosquitto).keys() == {"homeassistant/device/maskd_hall/config", "maskd/hall/availability"}


def test_where_home_assistant_is_not_wanted_the_announcement_is_cleared_once(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    path = tmp_path / "announced.json"
    with Subscriber(mosquitto.port, TOPIC) as subscriber, announcing(config_for(mosquitto), path):
        subscriber.wait_for(1)
        wait_until(lambda: remembered(path), what="the file")
    with announcing(config_for(mosquitto, announced=False), path):
        wait_until(lambda: remembered(path)["topic"] is None, what="the file")
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
        '{"topic": 1, "platforms": {}, "retained": []}',
        '{"topic": "maskd/#", "platforms": {}, "retained": ["+/+"]}',
    ],
)
def test_a_damaged_file_is_written_anew(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "announced.json"
    path.write_text(text)
    with announcing(config_for(mosquitto), path):
        wait_until(lambda: "door_people" in path.read_text(), what="the file")
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
        Subscriber(mosquitto.port, TOPIC) as subscriber,
        announcing(config_for(mosquitto), path) as (announcer, _),
    ):
        subscriber.wait_for(1)
        wait_until(lambda: warnings_in(caplog), what="the warning")
        announcer.apply(config_for(mosquitto, "hall"))
        # What this process has announced it still knows, without the file.
        assert components(subscriber.wait_for(3)[1])["door_people"] == {"platform": "sensor"}
        time.sleep(0.5)
    assert warnings_in(caplog) == [
        f"what was announced to Home Assistant cannot be saved in {path}: No such file or directory; "
        "if a camera is removed before this is fixed, delete its entities in Home Assistant"
    ]


def test_somebody_elses_message_on_our_topic_is_overwritten(mosquitto: Mosquitto, tmp_path: Path) -> None:
    publish(mosquitto, TOPIC, '{"components": {"lock": {"platform": "lock"}}}', retain=True)
    with Subscriber(mosquitto.port, TOPIC) as subscriber, announcing(config_for(mosquitto), tmp_path / "a.json"):
        assert "door_people" in components(subscriber.wait_for(2)[1])
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
            broker.allow(["user maskd", "topic readwrite maskd/#", f"topic write {TOPIC}", *OF_THE_OBSERVER])
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
    old = {"topic": TOPIC, "platforms": {}, "retained": ["maskd/lobby/status"]}
    path.write_text(json.dumps(old))
    allowed = ["topic write maskd/hall/#", "topic write homeassistant/device/maskd_hall/config"]
    with guarded_broker(mosquitto_folder, allowed) as (broker, login):
        config = config_for(broker, device="hall", mqtt={**login, "protocol": protocol})
        with (
            Subscriber(broker.port, username="all", password=PASSWORD) as subscriber,
            announcing(config, path),
        ):
            subscriber.wait_for(1, "maskd_hall/config")
            wait_until(lambda: "maskd_hall" in remembered(path)["topic"], what="the file")
    assert warnings_in(caplog)[-1] == (
        f"the broker still retains old messages on {TOPIC}, maskd/lobby/status, which this device's user may not "
        "clear; clear each with mosquitto_pub -r -n -t TOPIC"
    )


def test_without_a_broker_the_thread_rests(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with (
        Subscriber(mosquitto.port, TOPIC) as subscriber,
        announcing(config_for(mosquitto), tmp_path / "announced.json") as (announcer, client),
    ):
        subscriber.wait_for(1)
        mosquitto.stop()  # in the middle of the announcement, as it were
        wait_until(lambda: client.connection is None, what="the loss of the connection")
        announcer.apply(config_for(mosquitto, "hall"))
        before = time.process_time()
        time.sleep(1.0)
        assert time.process_time() - before < 0.5
        mosquitto.start()
        assert "hall_people" in components(subscriber.wait_for(2)[-1])
