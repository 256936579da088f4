"""The configuration files in docs/fleet: two real brokers run on them, and what cannot run here is checked as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import topic_matches_sub
from paho.mqtt.publish import single

from edge.payloads.topics import Topics
from tests.support.mosquitto import HOST, Mosquitto, Subscriber
from tests.support.places import ROOT
from tests.support.waiting import wait_until

FLEET = ROOT / "docs" / "fleet"
PASSWORD = "change-me"  # as in the files
TLS_ERROR = "client bridge-to-centre: A TLS error occurred"
"""How each attempt of Mosquitto 2.0.21 (Debian Trixie) ends, whatever the TLS version; docs/fleet.md says so."""


class Broker(Mosquitto):
    """A Mosquitto on a configuration from docs/fleet, with its ports and paths replaced and nothing else."""

    def __init__(
        self, folder: Path, names: list[str], acl: str, users: dict[str, str], replaced: dict[str, str]
    ) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True)
        passwords = self._write_passwords(users)
        (folder / acl).write_text((FLEET / acl).read_text())
        (folder / acl).chmod(0o600)
        text = "\n".join((FLEET / name).read_text() for name in names)
        for old, new in {
            "/etc/mosquitto/passwd": str(passwords),
            f"/etc/mosquitto/{acl}": str(folder / acl),
            "/var/lib/mosquitto/": f"{folder}/",
            **replaced,
        }.items():
            assert old in text, f"{names} no longer have {old}"
            text = text.replace(old, new)
        text, listeners = re.subn(r"^listener \d+$", f"listener {self.port} {HOST}", text, flags=re.MULTILINE)
        assert listeners == 1
        (folder / "mosquitto.conf").write_text(f"user root\n{text}")


@pytest.fixture
def centre(mosquitto_folder: Path) -> Iterator[Broker]:
    certificates = Mosquitto(mosquitto_folder / "certificates", tls=True)
    certificates.folder.mkdir(parents=True)
    certificates._make_certificates()
    broker = Broker(
        mosquitto_folder / "centre",
        ["mosquitto-centre.conf"],
        "maskd-centre.acl",
        {"berlin": PASSWORD, "paris": PASSWORD, "operator": PASSWORD, "telegraf": PASSWORD},
        {
            "/etc/mosquitto/certs/centre-ca.pem": str(certificates.ca_file),
            "/etc/mosquitto/certs/centre.pem": str(certificates.folder / "server.pem"),
            "/etc/mosquitto/certs/centre.key": str(certificates.folder / "server.key"),
        },
    )
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def site(centre: Broker, mosquitto_folder: Path) -> Iterator[Broker]:
    broker = Broker(
        mosquitto_folder / "site",
        ["mosquitto-site.conf", "mosquitto-bridge.conf"],
        "maskd-site.acl",
        {"lobby": PASSWORD, "bridge": "change-me-too", "homeassistant": PASSWORD},
        {
            "centre.example:8883": f"localhost:{centre.port}",
            "/etc/mosquitto/certs/centre-ca.pem": str(mosquitto_folder / "certificates" / "ca.pem"),
        },
    )
    broker.start()
    yield broker
    broker.stop()


def test_events_reach_the_centre_through_its_outage_and_commands_come_back(
    centre: Broker, site: Broker, mosquitto_folder: Path
) -> None:
    ca_file = mosquitto_folder / "certificates" / "ca.pem"
    with (
        Subscriber(centre.port, "+/#", username="operator", password=PASSWORD, ca_file=ca_file) as operator,
        Subscriber(site.port, "maskd/lobby/#", username="lobby", password=PASSWORD) as lobby,
    ):
        wait_until(
            lambda: payloads(operator, "berlin/bridge")[-1:] == [b"1"] or site.log.count(TLS_ERROR) >= 3,
            what="the bridge being up",
        )
        if site.log.count(TLS_ERROR) >= 3:
            pytest.skip(f"this Mosquitto makes no bridge over TLS: {site.log.splitlines()[-1]}")
        for seq in (1, 2):
            publish(site, "lobby", "maskd/lobby/door/event", f"{seq}")
        publish(site, "lobby", "maskd/lobby/status", "well", retain=True)
        publish(site, "lobby", "maskd/other/door/event", "forged")
        operator.wait_for(2, "berlin/maskd/lobby/door/event")
        operator.wait_for(1, "berlin/maskd/lobby/status")

        centre.stop()
        for seq in range(3, 30):
            publish(site, "lobby", "maskd/lobby/door/event", f"{seq}")
        publish(site, "lobby", "maskd/lobby/status", "still well", retain=True)
        site.restart()
        centre.start()
        operator.wait_for(29, "berlin/maskd/lobby/door/event")
        events = [int(payload) for payload in payloads(operator, "berlin/maskd/lobby/door/event")]
        assert list(dict.fromkeys(events)) == list(range(1, 30)), "in order, and none missing"

        wait_until(operator.subscribed.is_set, what="the operator being back")
        wait_until(lobby.subscribed.is_set, what="the device being back")
        publish(centre, "operator", "berlin/maskd/lobby/door/min_score/set", "0.6", ca_file=ca_file)
        publish(centre, "operator", "berlin/maskd/lobby/privacy/set", "aggregate", ca_file=ca_file)
        assert lobby.wait_for(1, "maskd/lobby/door/min_score/set")[0].payload == b"0.6"
        assert lobby.wait_for(1, "maskd/lobby/privacy/set")[0].payload == b"aggregate"
        assert payloads(operator, "berlin/maskd/other/door/event") == []
        with Subscriber(centre.port, "#", username="telegraf", password=PASSWORD, ca_file=ca_file) as late:
            (status,) = late.wait_for(1, "/status")
            assert (status.payload, status.retained) == (b"still well", True)


def test_a_site_can_neither_read_nor_write_what_is_another_s(centre: Broker, mosquitto_folder: Path) -> None:
    ca_file = mosquitto_folder / "certificates" / "ca.pem"
    with (
        Subscriber(centre.port, "#", username="operator", password=PASSWORD, ca_file=ca_file) as operator,
        Subscriber(centre.port, "#", username="paris", password=PASSWORD, ca_file=ca_file) as paris,
    ):
        publish(centre, "paris", "berlin/maskd/lobby/door/event", "forged", ca_file=ca_file)
        publish(centre, "operator", "berlin/maskd/lobby/door/enabled/set", "off", ca_file=ca_file)
        publish(centre, "operator", "paris/maskd/gate/door/enabled/set", "off", ca_file=ca_file)
        publish(centre, "paris", "paris/maskd/gate/door/event", "true", ca_file=ca_file)
        operator.wait_for(1, "paris/maskd/gate/door/event")
        paris.wait_for(1, "paris/maskd/gate/door/enabled/set")
        assert payloads(operator, "berlin/maskd/lobby/door/event") == []
        assert [message.topic for message in paris.messages] == ["paris/maskd/gate/door/enabled/set"]


def payloads(subscriber: Subscriber, topic: str) -> list[bytes]:
    return [message.payload for message in subscriber.messages.copy() if message.topic == topic]


def publish(
    broker: Mosquitto, user: str, topic: str, payload: str, *, retain: bool = False, ca_file: Path | None = None
) -> None:
    """Returns once the broker has it."""
    single(
        topic,
        payload,
        qos=1,
        retain=retain,
        hostname="localhost" if ca_file else HOST,
        port=broker.port,
        auth={"username": user, "password": PASSWORD},
        tls={"ca_certs": str(ca_file)} if ca_file else None,
    )


# --- what has no program here to run it ---


def telegraf() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 reads TOML")
    settings: dict[str, Any] = tomllib.loads((FLEET / "telegraf.conf").read_text())
    return settings


def test_telegraf_reads_what_the_payloads_hold() -> None:
    schemas = {path.stem: json.loads(path.read_text()) for path in (FLEET.parent / "schemas").glob("*.json")}
    by_topic = {"event": "event-1", "compliance": "window-1", "status": "status-1"}
    sources = telegraf()["inputs"]["mqtt_consumer"]
    assert [source["topics"][0].rpartition("/")[2] for source in sources] == list(by_topic)
    for source in sources:
        schema = schemas[by_topic[source["topics"][0].rpartition("/")[2]]]
        (parser,) = source["json_v2"]
        assert type_of(schema, parser["timestamp_path"]) == ({"string"}, True)
        for tag in parser["tag"]:
            assert type_of(schema, tag["path"]) == ({"string"}, True), tag
        for field in parser["field"]:
            types, always_there = type_of(schema, field["path"])
            wanted = {"int": "integer", "float": "number", "bool": "boolean", "string": "string"}[field["type"]]
            assert types == {wanted}, field
            assert field.get("optional", False) is not always_there, field


def type_of(schema: dict[str, Any], path: str) -> tuple[set[str], bool]:
    """The JSON types at a path, null left out, and whether something other than null always stands there."""
    part, always_there = schema, True
    for key in path.split("."):
        always_there &= key in part.get("required", ())
        part = part["properties"][key] if key in part.get("properties", {}) else part["additionalProperties"]
        part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    types = {part["type"]} if "type" in part else {choice["type"] for choice in part["anyOf"]}
    return types - {"null"}, always_there and "null" not in types


def test_telegraf_logs_in_as_the_access_list_expects_and_repeats_no_client_id() -> None:
    sources = telegraf()["inputs"]["mqtt_consumer"]
    acl = (FLEET / "maskd-centre.acl").read_text()
    assert f"user {sources[0]['username']}\ntopic read +/maskd/#\n" in acl
    assert len({source["client_id"] for source in sources}) == len(sources)
    for source in sources:
        assert source["topic_parsing"][0]["topic"] == source["topics"][0]
        assert source["topic_parsing"][0]["tags"].count("/") == source["topics"][0].count("/")


def test_the_table_has_a_column_for_each_field_of_an_event() -> None:
    (parser,) = telegraf()["inputs"]["mqtt_consumer"][0]["json_v2"]
    table = re.search(r"CREATE TABLE maskd_event \((.*?)\n\);", (FLEET / "events.sql").read_text(), re.DOTALL)
    assert table is not None
    columns = {line.split()[0].strip('"') for line in table[1].strip().splitlines()}
    assert columns == {"time", "site", *(part["path"] for part in (*parser["tag"], *parser["field"]))}


def test_emqx_forwards_what_the_mosquitto_bridge_does() -> None:
    bridge = re.findall(r"^topic (\S+) out 1", (FLEET / "mosquitto-bridge.conf").read_text(), re.MULTILINE)
    emqx = (FLEET / "emqx.conf").read_text()
    forwarded = re.search(r'FROM (".*?) """', emqx, re.DOTALL)
    assert forwarded is not None
    assert sorted(re.findall(r'"([^"]+)"', forwarded[1])) == sorted(bridge)
    assert emqx.count("{") == emqx.count("}")


def test_the_bridge_carries_every_topic_of_a_device() -> None:
    bridge = (FLEET / "mosquitto-bridge.conf").read_text()
    patterns = {way: re.findall(rf"^topic (\S+) {way} 1", bridge, re.MULTILINE) for way in ("out", "in")}
    topics = Topics("maskd", "lobby")
    out = [topics.availability, topics.status, *(topic("door") for topic in (topics.event, topics.compliance))]
    out += [topics.camera("door"), topics.presence("door"), topics.totals("door")]
    out += [topics.state("min_score", "door"), topics.state("privacy")]
    for way, wanted in {"out": out, "in": [topics.set("min_score", "door"), topics.set("privacy")]}.items():
        for topic in wanted:
            assert any(topic_matches_sub(pattern, topic) for pattern in patterns[way]), (way, topic)
    assert not any(topic_matches_sub(pattern, topics.set("privacy")) for pattern in patterns["out"]), "a loop"
