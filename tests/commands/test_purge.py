"""`maskd purge`: what a real broker keeps of a device, and that nothing of it is left."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.cli import main
from edge.config import MqttSettings
from edge.config.file import load_config
from edge.errors import MaskdError
from edge.homeassistant import announce
from edge.homeassistant import discovery_topic as discovery_topic_of
from edge.mqtt import retained
from tests.support.fake_broker import CONNECT, SUBSCRIBE, FakeBroker, connack, suback
from tests.support.mosquitto import HOST, Mosquitto, Subscriber

OTHERS = [
    "maskd/hall/availability",
    "maskd/lobby2/status",
    "homeassistant/device/maskd_hall/config",
    "zigbee/lobby/state",
]
OF_LOBBY = [
    "maskd/lobby/availability",
    "maskd/lobby/status",
    "maskd/lobby/door/compliance",
    "maskd/lobby/door/min_score/state",
    "maskd/lobby/door/min_score/set",
    "maskd/lobby/gone/presence",
    "maskd/lobby",
]


@pytest.fixture(autouse=True)
def brokers_nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.mqtt.retained.QUIET_S", 0.4)


def config_file(folder: Path, broker: Mosquitto, **mqtt: Any) -> Path:
    path = folder / "config.yaml"
    values = {
        "device": "lobby",
        "cameras": {"door": {"source": "photos/"}},
        "mqtt": {"host": HOST, "port": broker.port, **mqtt},
    }
    path.write_text(yaml.safe_dump(values))
    return path


def discovery_topic(path: Path) -> str:
    return discovery_topic_of(load_config(path))


def keep(broker: Mosquitto, topics: Sequence[str], payload: str = "offline", *login: str) -> None:
    for topic in topics:
        address = ["-h", HOST, "-p", str(broker.port), *login]
        subprocess.run(
            ["mosquitto_pub", *address, "-q", "1", "-r", "-t", topic, "-s"],
            input=payload.encode(),
            check=True,
            timeout=20,
        )


def kept(broker: Mosquitto, username: str | None = None, password: str | None = None) -> set[str]:
    """What a subscriber to everything gets that comes now."""
    with Subscriber(broker.port, username=username, password=password) as subscriber:
        keep(broker, ["mark"], "end", *(["-u", username, "-P", str(password)] if username else []))
        subscriber.wait_for(1, "mark")
        return {message.topic for message in subscriber.messages if message.retained} - {"mark"}


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_new_subscriber_finds_nothing_of_the_device_afterwards(
    mosquitto: Mosquitto, tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_file(tmp_path, mosquitto, protocol=protocol)
    large = [discovery_topic(path), "maskd/lobby/door/hold_s/set"]
    keep(mosquitto, OTHERS + OF_LOBBY)
    keep(mosquitto, large, "x" * 30_000)
    assert kept(mosquitto) == {*OTHERS, *OF_LOBBY, *large}

    assert main(["purge", "-c", str(path)]) == 0

    assert kept(mosquitto) == set(OTHERS)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[:-1] == [
        f"cleared 9 retained messages of lobby at {HOST}:{mosquitto.port}",
        *(f"  {topic}" for topic in sorted([*OF_LOBBY, *large])),
    ]


def test_a_device_that_is_online_is_left_alone(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_file(tmp_path, mosquitto)
    keep(mosquitto, ["maskd/lobby/status"])
    keep(mosquitto, ["maskd/lobby/availability"], "online")

    assert main(["purge", "-c", str(path)]) == 1
    assert capsys.readouterr().err == (
        f"maskd: lobby is online at {HOST}:{mosquitto.port}, and would publish everything again; stop it first "
        "(sudo systemctl stop maskd), or add --force\n"
    )
    assert kept(mosquitto) == {"maskd/lobby/status", "maskd/lobby/availability"}

    assert main(["purge", "-c", str(path), "--force"]) == 0
    assert kept(mosquitto) == set()


def guarded(folder: Path, *rights: str) -> Mosquitto:
    """A broker that knows a device, which has these rights, and an owner, who may do anything."""
    acl = ["user owner", "topic readwrite #", "user lobby", *rights]
    broker = Mosquitto(folder, users={"owner": "o", "lobby": "l"}, acl=acl)
    broker.start()
    keep(broker, OF_LOBBY, "offline", "-u", "owner", "-P", "o")
    return broker


def login(folder: Path) -> dict[str, str]:
    password = folder / "password"
    password.write_text("l")
    password.chmod(0o600)
    return {"username": "lobby", "password_file": str(password)}


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_may_be_written_but_not_read_is_cleared_unseen(
    mosquitto_folder: Path, tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = guarded(mosquitto_folder, "topic write maskd/lobby/#", "topic write homeassistant/#")
    try:
        path = config_file(tmp_path, broker, protocol=protocol, **login(tmp_path))
        assert main(["purge", "-c", str(path)]) == 0
        # The camera that is gone, and the command that somebody left, are known to those alone who may read.
        assert kept(broker, "owner", "o") == {
            "maskd/lobby/door/min_score/set",
            "maskd/lobby/gone/presence",
            "maskd/lobby",
        }
    finally:
        broker.stop()
    assert capsys.readouterr().out.startswith(f"cleared 0 retained messages of lobby at {HOST}:{broker.port}\n")


def test_a_topic_that_is_forbidden_does_not_keep_the_others(
    mosquitto_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = guarded(mosquitto_folder, "topic readwrite maskd/lobby/#", "topic deny maskd/lobby/status")
    try:
        path = config_file(tmp_path, broker, **login(tmp_path))
        assert main(["purge", "-c", str(path)]) == 0
        announced = announce(load_config(path), [], commands_on=True, tells_temperature=True)
        assert kept(broker, "owner", "o") == {"maskd/lobby/status"}
    finally:
        broker.stop()
    assert [line.rpartition(": ")[0] for line in capsys.readouterr().err.splitlines()] == [
        *(f"not cleared: {each.topic}" for each in announced),
        "not cleared: maskd/lobby/status",
    ]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_may_be_read_but_not_written_is_reported(
    mosquitto_folder: Path, tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = guarded(mosquitto_folder, "topic read maskd/lobby/#", "topic write maskd/lobby/availability")
    try:
        path = config_file(tmp_path, broker, protocol=protocol, **login(tmp_path))
        assert main(["purge", "-c", str(path)]) == 1
    finally:
        broker.stop()
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"maskd: the broker still retains {', '.join(sorted(OF_LOBBY[1:]))}; give this device's login "
        "the right to write there, and check that no other client publishes there"
    )


def test_an_absent_broker_is_one_sentence(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_file(tmp_path, mosquitto)
    mosquitto.stop()
    assert main(["purge", "-c", str(path)]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"maskd: no broker at {HOST}:{mosquitto.port}: Connection refused; ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_a_broker_that_keeps_messages_without_end_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retained, "FOUND_LIMIT", 100)

    def kept(topic: bytes) -> bytes:
        body = bytes([0, len(topic)]) + topic + b"\x00x"
        return bytes([0x31, len(body)]) + body

    def answer(kind: int, body: bytes) -> bytes:
        if kind == CONNECT:
            return connack()
        if kind == SUBSCRIBE:
            return suback(body, 1) + b"".join(kept(b"maskd/lobby/%04d/event" % number) for number in range(200))
        return b""

    with FakeBroker(answer) as broker:
        settings = MqttSettings(host=broker.host, port=broker.port)
        with pytest.raises(MaskdError, match=r"retains more than 100 messages below maskd/lobby/#"):
            retained.RetainedMessages(settings, "lobby").find(["maskd/lobby/#"])
