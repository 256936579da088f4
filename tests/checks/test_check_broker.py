"""`maskd check` on a real broker: logins, access lists, and what the broker knows of this device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.config.file import load_config
from edge.homeassistant import announce, discovery_topic
from edge.mqtt import Message, MqttClient
from edge.store.outbox import Outbox
from tests.support.check_config import rows_of, write_config
from tests.support.mosquitto import Mosquitto, Subscriber
from tests.support.waiting import wait_until

USERS = {"lobby": "secret"}
PLAIN_ACL = ["user lobby", "topic write maskd/lobby/#"]


@contextmanager
def running(broker: Mosquitto) -> Iterator[Mosquitto]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def config_for(folder: Path, broker: Mosquitto, **mqtt: Any) -> Path:
    folder.mkdir(exist_ok=True)
    return write_config(folder, mqtt={"host": broker.host, "port": broker.port, **mqtt})


def login(folder: Path, password: str = "secret") -> dict[str, str]:
    file = folder / "password"
    file.write_text(password)
    file.chmod(0o600)
    return {"username": "lobby", "password_file": str(file)}


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_message_goes_there_and_back(mosquitto: Mosquitto, tmp_path: Path, protocol: str) -> None:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber:
        row = rows_of(config_for(tmp_path, mosquitto, protocol=protocol))["broker"]
        (message,) = subscriber.wait_for(1)
    assert (message.topic, message.retained) == ("maskd/lobby/check", False)
    assert json.loads(message.payload).keys() == {"nonce", "time"}
    assert (row.result, row.problem) == ("ok", None)
    assert row.figures == {"protocol": protocol, "tls": None, "publish": True, "receive": True, "commands": False}
    assert f"with MQTT {protocol}, accepts a message and returns it in" in row.detail
    assert row.detail.endswith("commands are off")
    with Subscriber(mosquitto.port, "#") as subscriber:
        assert subscriber.messages == [], "nothing stays at the broker"


def test_tls_is_told(mosquitto_folder: Path, tmp_path: Path) -> None:
    with running(Mosquitto(mosquitto_folder, tls=True)) as broker:
        row = rows_of(config_for(tmp_path, broker, tls={"ca_file": str(broker.ca_file)}))["broker"]
        distrusted = rows_of(config_for(tmp_path, broker, tls={}))["broker"]
    assert (row.result, row.figures["tls"]) == ("ok", "TLSv1.3")
    assert "with MQTT 5 and TLSv1.3" in row.detail
    assert distrusted.result == "FAIL"
    assert "mqtt.tls.ca_file" in (distrusted.problem or "")


def test_a_login_is_tried(mosquitto_folder: Path, tmp_path: Path) -> None:
    with running(Mosquitto(mosquitto_folder, users=USERS)) as broker:
        refused = rows_of(config_for(tmp_path, broker, **login(tmp_path, "wrong")))["broker"]
        accepted = rows_of(config_for(tmp_path, broker, **login(tmp_path)))["broker"]
        careless_login = login(tmp_path)
        (tmp_path / "password").chmod(0o644)
        careless = rows_of(config_for(tmp_path, broker, **careless_login))["broker"]
    assert refused.result == "FAIL"
    assert "mqtt.username" in (refused.problem or "")
    assert accepted.result == "ok"
    assert "accepts maskd as lobby" in accepted.detail
    assert accepted.detail.endswith("commands are on")
    assert careless.result == "warn"
    assert "every user of this device can read the secret" in (careless.problem or "")


@pytest.mark.parametrize(
    ("acl", "mqtt", "result", "names"),
    [
        ([*PLAIN_ACL, "topic read maskd/lobby/check"], {}, "ok", None),
        (PLAIN_ACL, {}, "warn", "topic read maskd/lobby/check"),
        (PLAIN_ACL, {"commands": False}, "ok", None),
        (PLAIN_ACL, {"commands": False, "protocol": "3.1.1"}, "warn", "topic write maskd/lobby/#, and topic read"),
        (["user lobby", "topic read maskd/#"], {}, "warn", "topic write maskd/lobby/#"),
        (["user lobby", "topic read maskd/#"], {"protocol": "3.1.1"}, "warn", "topic write maskd/lobby/#"),
        (["user lobby", "topic readwrite maskd/gate/#"], {}, "warn", "topic write maskd/lobby/#"),
    ],
)
def test_an_access_list_that_forbids_it_is_named(
    mosquitto_folder: Path, tmp_path: Path, acl: list[str], mqtt: dict[str, Any], result: str, names: str | None
) -> None:
    with running(Mosquitto(mosquitto_folder, users=USERS, acl=acl)) as broker:
        row = rows_of(config_for(tmp_path, broker, **login(tmp_path), **mqtt))["broker"]
    assert row.result == result, row
    assert (row.problem is None) if names is None else (names in (row.problem or "")), row


# --- the daemon, and Home Assistant ---


@contextmanager
def online(broker: Mosquitto, config: Path) -> Iterator[MqttClient]:
    settings = load_config(config)
    client = MqttClient(settings.mqtt, settings.device)
    client.start()
    try:
        wait_until(lambda: client.connection is not None, what="the client is connected")
        yield client
    finally:
        client.stop()


def test_a_daemon_is_seen_on_both_sides(mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = config_for(tmp_path, mosquitto)
    absent = rows_of(config)["daemon"]
    assert (absent.result, absent.figures) == ("ok", {"running": False, "availability": None})
    with online(mosquitto, config):
        stranger = rows_of(config)["daemon"]
        assert stranger.result == "warn"
        assert "another client is online as lobby: a device with the same name" in (stranger.problem or "")
        outbox = Outbox(tmp_path / "storage", max_events=10, max_bytes=10**6)
        outbox.open()
        try:
            row = rows_of(config)["daemon"]
            assert (row.result, row.detail) == ("ok", "running, online at the broker")
        finally:
            outbox.close()
    outbox.open()
    try:
        offline = rows_of(config)["daemon"]
    finally:
        outbox.close()
    assert (offline.result, offline.detail) == ("warn", "running, but offline at the broker")


def test_home_assistant_is_told_or_not(mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = config_for(tmp_path, mosquitto)
    assert rows_of(config)["home assistant"].result == "skipped"
    announcement = announce(load_config(config), ["with_mask"], commands_on=True, tells_temperature=True)[0]
    with online(mosquitto, config) as client:
        outbox = Outbox(tmp_path / "storage", max_events=10, max_bytes=10**6)
        outbox.open()
        try:
            missing = rows_of(config)["home assistant"]
        finally:
            outbox.close()
        client.publish(Message(announcement.topic, announcement.to_json(), retain=True))
        with Subscriber(mosquitto.port, announcement.topic) as subscriber:
            subscriber.wait_for(1)
    assert missing.result == "warn"
    assert "topic write homeassistant/device/maskd_lobby/#" in (missing.problem or "")
    told = rows_of(config)["home assistant"]
    assert (told.result, told.detail) == ("ok", f"announced on {announcement.topic}")
    off = config_for(tmp_path, mosquitto, homeassistant={"enabled": False})
    assert rows_of(off)["home assistant"].result == "skipped"


def test_what_the_device_remembers_counts_where_the_broker_does_not_tell(
    mosquitto_folder: Path, tmp_path: Path
) -> None:
    with running(Mosquitto(mosquitto_folder, users=USERS, acl=PLAIN_ACL)) as broker:
        config = config_for(tmp_path, broker, **login(tmp_path))
        topic = discovery_topic(load_config(config))
        (tmp_path / "storage").mkdir()
        (tmp_path / "storage" / "announced.json").write_text(json.dumps({"messages": {topic: {}}, "retained": []}))
        row = rows_of(config)["home assistant"]
    assert (row.result, row.detail) == ("ok", f"announced on {topic}, according to this device")
