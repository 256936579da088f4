"""What docs/security.md says is held: the docstring of each test begins with its line there."""

from __future__ import annotations

import ast
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.cli import main as maskd_main
from edge.config import Config, MqttSettings
from edge.config.file import load_config
from edge.config.settable import Settable
from edge.control.commands import WAITING_LIMIT
from edge.errors import UsageError
from edge.homeassistant.announcer import Announcer
from edge.homeassistant.attempt import Pace
from edge.mqtt import Message, MqttClient, session
from edge.system.backoff import Backoff
from edge.system.masking import mask_url
from tests.control.test_commands import changeable
from tests.support.mosquitto import HOST, Mosquitto, Subscriber
from tests.support.pictures import numbered, write_video
from tests.support.places import ROOT
from tests.support.waiting import wait_until

PAGE = (ROOT / "docs" / "security.md").read_text()
PASSWORD = "p@ss/w:rd 'quoted' #1%2B?&ü"


def test_every_line_of_what_is_held_has_its_test() -> None:
    held = re.findall(r"^- (.*(?:\n  .*)*)", PAGE.partition("## Held")[2].partition("\n## ")[0], re.MULTILINE)
    docstrings = "".join(
        (ast.get_docstring(node) or "") + "\n"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    )
    assert len(held) > 10
    assert [line for line in held if " ".join(line.split()) not in " ".join(docstrings.split())] == []


# --- messages that come in ---


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_hostile_payloads(mosquitto: Mosquitto, protocol: str) -> None:
    """A payload that is nested, garbled or not in range changes nothing."""
    with Subscriber(mosquitto.port, "maskd/#") as subscriber, changeable(mosquitto, protocol=protocol) as parts:
        wait_until(lambda: states(subscriber, "min_score"), what="the state")
        before = parts.daemon.config
        hostile: list[str | bytes] = [
            "[" * 4000,
            '{"value": ' + "[" * 4000,
            '{"value":' * 400 + "1" + "}" * 400,
            '{"value": 0.5, "camera": "../../etc"}',
            b"\xff\xfe\x00\x01",
            b"\x00",
            "NaN",
            "1e309",
            "-1",
            "0.5; reboot",
            "${jndi:ldap://x}",
            "{{ 7 * 7 }}",
            "!!python/object/apply:os.system ['true']",
            "9" * 4096,
        ]
        for payload in hostile:
            parts.send("min_score", payload)
        parts.send("source", "rtsp://evil/")
        parts.send("../../privacy", "aggregate")
        parts.send("min_score", "0.5", camera="nobody")
        parts.send("privacy", "none", camera=None)
        assert parts.daemon.config == before
        parts.send("min_score", "0.5")
        wait_until(lambda: states(subscriber, "min_score")[-1]["value"] == 0.5, what="an honest command")
        assert parts.daemon.times == 1
        assert parts.client.connections == 1


def states(subscriber: Subscriber, setting: str) -> list[dict[str, Any]]:
    topic = f"maskd/lobby/door/{setting}/state"
    return [json.loads(message.payload) for message in subscriber.messages.copy() if message.topic == topic]


def test_a_flood_of_commands(mosquitto: Mosquitto) -> None:
    """A flood of commands neither ends the connection nor fills the memory.

    Meanwhile events get through.
    """
    with Subscriber(mosquitto.port, "maskd/lobby/door/event") as subscriber, changeable(mosquitto) as parts:
        flood = "\n".join(f"0.{number:04}" for number in range(3000))
        sender = threading.Thread(target=parts.send, args=("min_score", flood, "-l"), name="flood")
        sender.start()
        for number in range(20):
            assert parts.client.publish(Message("maskd/lobby/door/event", b"%d" % number)) is not None
        subscriber.wait_for(20)
        sender.join(20)
        wait_until(lambda: parts.commands.dropped > 0, what="the dropping of what is too much")
        assert parts.client.connections == 1
        assert parts.daemon.times < 3000 - parts.commands.dropped + WAITING_LIMIT


def test_a_retained_command(mosquitto: Mosquitto) -> None:
    """A retained command has no effect, at the start or later."""
    with Subscriber(mosquitto.port, "maskd/#") as subscriber:
        publish(mosquitto, "maskd/lobby/door/enabled/set", "off", "-r")
        publish(mosquitto, "maskd/lobby/privacy/set", "aggregate", "-r")
        with changeable(mosquitto) as parts:
            for connection in (1, 2):
                wait_until(lambda connection=connection: parts.client.connection == connection)  # type: ignore[misc]
                parts.send("min_score", f"0.{connection}")  # comes after what was retained
                wait_until(lambda connection=connection: is_latest(subscriber, connection / 10))  # type: ignore[misc]
                assert parts.daemon.config.cameras["door"].enabled
                assert parts.daemon.config.privacy == "events"
                parts.client.drop("a new connection is wanted")


def is_latest(subscriber: Subscriber, value: float) -> bool:
    return [state["value"] for state in states(subscriber, "min_score")[-1:]] == [value]


def publish(broker: Mosquitto, topic: str, payload: str, *options: str) -> None:
    address = ["-h", HOST, "-p", str(broker.port)]
    subprocess.run(["mosquitto_pub", *address, "-t", topic, "-q", "1", "-m", payload, *options], check=True, timeout=20)


def test_forged_births(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A retained or forged birth message of Home Assistant triggers one announcement at most."""
    publish(mosquitto, "homeassistant/status", "online", "-r")
    config = Config.model_validate({"device": "lobby", "cameras": {"door": {"source": "photos/"}}})
    client = MqttClient(MqttSettings(host=HOST, port=mosquitto.port), "lobby", backoff=Backoff(0.05, 0.2))
    failures: list[BaseException] = []
    republished: list[int] = []
    announcer = Announcer(
        client,
        config,
        ["with_mask"],
        tmp_path / "announced",
        [lambda: republished.append(1)],
        on_failure=failures.append,
        pace=Pace(jitter_s=0.1, least_gap_s=2.0),
    )
    with Subscriber(mosquitto.port, "homeassistant/device/#") as subscriber:
        announcer.start()
        client.start()
        try:
            subscriber.wait_for(2, "/config")
            assert republished == []
            for payload in ("offline", "{" * 4000, "\N{BELL}"):
                publish(mosquitto, "homeassistant/status", payload)
            births = ["mosquitto_pub", "-h", HOST, "-p", str(mosquitto.port), "-t", "homeassistant/status", "-l"]
            subprocess.run(births, input="online\n" * 10, text=True, check=True, timeout=20)
            subscriber.wait_for(4, "/config")
            wait_until(lambda: republished, what="the answer to the births")
            assert len(subscriber.messages) == 4
            assert client.connections == 1
            assert failures == []
        finally:
            announcer.stop()
            client.stop()


def test_a_false_availability(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """A false availability is replaced on connecting, and within a minute."""
    assert session.ONLINE_EVERY_S <= 60
    monkeypatch.setattr(session, "ONLINE_EVERY_S", 0.2)
    publish(mosquitto, "maskd/lobby/availability", "offline", "-r")
    client = MqttClient(MqttSettings(host=HOST, port=mosquitto.port), "lobby", backoff=Backoff(0.05, 0.2))
    client.start()
    try:
        wait_until(lambda: kept(mosquitto, "maskd/lobby/availability") == b"online", what="the true one")
        publish(mosquitto, "maskd/lobby/availability", "offline", "-r")
        wait_until(lambda: kept(mosquitto, "maskd/lobby/availability") == b"online", what="the true one again")
        assert client.connections == 1
    finally:
        client.stop()


def kept(broker: Mosquitto, topic: str) -> bytes:
    """What the broker has retained there."""
    with Subscriber(broker.port, topic) as subscriber:
        return subscriber.wait_for(1)[0].payload


# --- names and topics ---


@pytest.mark.parametrize(
    "name",
    ["+", "#", "a/b", "a+b", "a#", "..", "../lobby", "$SYS", "a b", "a\0b", "a\nb", "ä", "🦊", "-a", "", "a" * 65],
)
def test_names_that_would_reach_into_another_topic(name: str, tmp_path: Path) -> None:
    """No name of a device or camera, and no prefix, can reach another topic."""
    camera = {"source": "photos/"}
    zone = {"corners": [[0, 0], [1, 0], [1, 1]]}
    for values in (
        {"device": name, "cameras": {"door": camera}},
        {"cameras": {name: camera}},
        {"cameras": {"door": {**camera, "zones": {name: zone}}}},
    ):
        assert_refused(values, tmp_path)


@pytest.mark.parametrize(
    "prefix", ["+", "#", "a/+/b", "a/#", "/a", "$SYS", "$share/a", "a b", "a\0b", "a\x7f", "a\n", ""]
)
def test_prefixes_that_would_reach_into_another_topic(prefix: str, tmp_path: Path) -> None:
    """No name of a device or camera, and no prefix, can reach another topic."""
    assert_refused({"mqtt": {"prefix": prefix}}, tmp_path)
    assert_refused({"mqtt": {"homeassistant": {"prefix": prefix}}}, tmp_path)


def assert_refused(values: dict[str, Any], folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(UsageError):
        load_config(path)


# --- secrets ---


SOURCES = {
    "yard": f"rtsp://admin:{PASSWORD}@127.0.0.1:1/stream",
    "roof": "http://127.0.0.1:1/snapshot?user=admin&pwd=qu3ry-s3cret&x=1",
    "gate": "rtsp://127.0.0.1:1/user=admin_password=p4th-s3cret_channel=1.sdp",
    "till": "http://admin:pl4in-s3cret@127.0.0.1:1/stream",
}
SECRETS = (PASSWORD, "p@ss", "w:rd", "quoted", "qu3ry-s3cret", "p4th-s3cret", "pl4in-s3cret", "br0ker-s3cret")


def assert_no_secret(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.fixture
def login_broker(mosquitto_folder: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(mosquitto_folder, users={"lobby": "br0ker-s3cret"})
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def secretive(tmp_path: Path, login_broker: Mosquitto) -> Path:
    """A configuration full of secrets, for a broker that lets this device in."""
    video = tmp_path / "video.avi"
    write_video(video, [numbered(number) for number in range(10)])
    (tmp_path / "password").write_text("br0ker-s3cret\n")
    (tmp_path / "password").chmod(0o600)
    config = {
        "device": "lobby",
        "log_level": "debug",
        "cameras": {
            "door": {"source": str(video), "loop": True},
            **{name: {"source": source} for name, source in SOURCES.items()},
        },
        "mqtt": {
            "host": HOST,
            "port": login_broker.port,
            "username": "lobby",
            "password_file": str(tmp_path / "password"),
        },
        "storage": {"path": str(tmp_path / "storage")},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return path


def maskd(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "edge.cli", *arguments]


def test_the_running_process(secretive: Path, login_broker: Mosquitto) -> None:
    """No secret is on the command line or in the environment of the process.

    Nor is it in what the process writes. A running maskd without a page listens on no port.
    """
    log = secretive.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(maskd("run", "-c", str(secretive)), cwd=ROOT, stdout=output, stderr=output)
    try:
        wait_until(
            lambda: all(f"camera {name}" in log.read_text() for name in SOURCES) and "connected to" in log.read_text(),
            timeout=60,
            what="four cameras that fail, and the broker",
        )
        running = Path("/proc", str(process.pid))
        assert_no_secret((running / "cmdline").read_text())
        assert_no_secret((running / "environ").read_text())
        assert listening_sockets(running) == []
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    finally:
        process.kill()
        process.wait()
    assert_no_secret(log.read_text())
    stored = [path for path in (secretive.parent / "storage").rglob("*") if path.is_file()]
    assert stored
    for path in stored:
        assert_no_secret(path.read_bytes().decode("utf-8", "replace"))


def listening_sockets(process: Path) -> list[str]:
    sockets = {str(link.readlink()) for link in (process / "fd").iterdir() if link.is_symlink()}
    lines = [line.split() for table in ("tcp", "tcp6") for line in (process / "net" / table).read_text().splitlines()]
    return [line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets]


def test_listening_sockets_are_seen() -> None:
    with socket.create_server((HOST, 0)):
        assert len(listening_sockets(Path("/proc/self"))) == 1


@pytest.mark.parametrize("arguments", [("config", "show"), ("check",), ("check", "--json")])
def test_what_is_printed(secretive: Path, arguments: tuple[str, ...]) -> None:
    """No secret appears in the output of `maskd config show` and `maskd check`."""
    done = run(*arguments, "-c", str(secretive))
    assert "***" in done.stdout
    assert_no_secret(done.stdout + done.stderr)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(maskd(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=90)


def test_what_is_printed_of_a_wrong_configuration(secretive: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No secret appears in the output of `maskd config show` and `maskd check`."""
    for line in (
        f'source: "{SOURCES["yard"]}"',
        f"source: {{url: '{SOURCES['till']}'}}",
        "password: pl4in-s3cret",
        "  passwd: pl4in-s3cret: oops",
    ):
        secretive.write_text(f"cameras:\n  door:\n    {line}\n    nothing: 1\n")
        for command in (["config", "show"], ["check"]):
            assert maskd_main([*command, "-c", str(secretive)]) != 0
            printed = "".join(capfd.readouterr())
            assert str(secretive) in printed
            assert_no_secret(printed)


def test_what_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    """No secret appears in the log, not even in a library's line or a traceback."""
    program = (
        "import logging, sys, threading\n"
        "from edge.daemon.logs import configure_logging\n"
        "configure_logging('debug')\n"
        "address = sys.stdin.read()\n"
        "logging.getLogger('a.dependency').debug('opening %s', address)\n"
        "try: raise OSError(f'{address} does not answer')\n"
        "except OSError: logging.exception('failed')\n"
        "def fails(): raise OSError(address)\n"
        "thread = threading.Thread(target=fails)\n"
        "thread.start(), thread.join()\n"
        "fails()\n"
    )
    for address in SOURCES.values():
        done = subprocess.run(
            [sys.executable, "-c", program], input=address, capture_output=True, text=True, timeout=30, cwd=ROOT
        )
        assert done.returncode == 1
        assert done.stderr.count("Traceback") == 3
        assert done.stderr.count("***") >= 4
        assert_no_secret(done.stderr)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("rtsp://u:a b@host/x", "rtsp://u:***@host/x"),
        ("lost rtsp://u:it's@host/x: timed out", "lost rtsp://u:***@host/x: timed out"),
        ('lost rtsp://u:"a b"@host/x', "lost rtsp://u:***@host/x"),
        ("rtsp://a:b@c and rtsp://d:e@f", "rtsp://a:***@c and rtsp://d:***@f"),
        ("rtsp://a:b c@c and rtsp://d:e@f", "rtsp://a:***@c and rtsp://d:***@f"),
        ("from rtsp://host:554/cam; ask me@home", "from rtsp://host:554/cam; ask me@home"),
        ("http://h/cgi?loginuse=admin&loginpas=abc&x=1", "http://h/cgi?loginuse=admin&loginpas=***&x=1"),
        ("rtsp://h:554/user=admin_password=abc_channel=1", "rtsp://h:554/user=admin_password=***"),
        ('gst: rtspsrc user-id=v user-pw="a b" ! decodebin', "gst: rtspsrc user-id=v user-pw=*** ! decodebin"),
        ("gst: rtspsrc user-pw=abc ! decodebin", "gst: rtspsrc user-pw=*** ! decodebin"),
        ("monkey=1, turkey=2", "monkey=1, turkey=2"),
    ],
)
def test_odd_passwords_are_masked(text: str, masked: str) -> None:
    assert mask_url(text) == masked
    assert mask_url(masked) == masked


@pytest.mark.parametrize(
    "text",
    ["a" * 50_000, "a-" * 25_000, "rtsp://a:" * 5000, "a:" * 25_000, "rtsp://" + "a" * 50_000, "x://a:1 " * 5000],
)
def test_masking_takes_time_in_proportion_to_the_text(text: str) -> None:
    """Every line of the log is masked, and some hold what others sent."""
    began = time.process_time()
    mask_url(text)
    assert time.process_time() - began < 2


# --- at the broker ---

ACL = re.search(r"^```\n(# Each device.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
USERS = {name: f"password of {name}" for name in ("lobby", "gate", "dashboard", "homeassistant")}


@contextmanager
def with_documented_acl(folder: Path) -> Iterator[Mosquitto]:
    assert ACL is not None
    broker = Mosquitto(folder, users=USERS, acl=ACL[1].splitlines())
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def publish_as(broker: Mosquitto, user: str, topics: Sequence[str], payload: str) -> None:
    """Retained, so that it is seen whether the broker took them."""
    for topic in topics:
        publish(broker, topic, payload, "-r", "-u", user, "-P", USERS[user])


def shown_to(broker: Mosquitto, user: str) -> dict[str, bytes]:
    """All that the broker keeps and lets this user read."""
    sentinel = f"maskd/{user}/sentinel/x/set"  # readable for a device of that name, and for who reads everything
    sender = user if user in DEVICES else "homeassistant"
    with Subscriber(broker.port, "#", username=user, password=USERS[user]) as subscriber:
        # What is kept was queued on subscribing, in any order; this comes after it.
        publish(broker, sentinel, "that is all", "-u", sender, "-P", USERS[sender])
        subscriber.wait_for(1, sentinel)
        return {message.topic: message.payload for message in subscriber.messages if message.topic != sentinel}


DEVICES = ("lobby", "gate")
DEVICE_TOPICS = [
    "maskd/lobby/availability",
    "maskd/lobby/status",
    "maskd/lobby/door/event",
    "maskd/lobby/door/camera",
    "maskd/lobby/door/presence",
]
COMMAND_TOPICS = ["maskd/lobby/door/min_score/set", "maskd/lobby/privacy/set"]
DISCOVERY = ["homeassistant/device/maskd_lobby/config", "homeassistant/device/maskd_lobby/door/config"]
BIRTH = "homeassistant/status"


def test_another_device_at_the_broker(mosquitto_folder: Path) -> None:
    """Another device's user can neither write nor read this device's topics."""
    with with_documented_acl(mosquitto_folder) as broker:
        publish_as(broker, "lobby", [*DEVICE_TOPICS, *DISCOVERY], "true")
        publish_as(broker, "homeassistant", [*COMMAND_TOPICS, BIRTH], "true")
        publish_as(broker, "gate", [*DEVICE_TOPICS, *COMMAND_TOPICS, *DISCOVERY, BIRTH], "forged")
        assert shown_to(broker, "gate") == {BIRTH: b"true"}
        everything = dict.fromkeys([*DEVICE_TOPICS, *COMMAND_TOPICS, *DISCOVERY, BIRTH], b"true")
        seen = shown_to(broker, "homeassistant")
        assert seen == everything
        seen = shown_to(broker, "lobby")
        assert seen == dict.fromkeys([*COMMAND_TOPICS, BIRTH], b"true")


def test_a_dashboard_at_the_broker(mosquitto_folder: Path) -> None:
    """A dashboard reads everything and changes nothing."""
    with with_documented_acl(mosquitto_folder) as broker:
        publish_as(broker, "lobby", DEVICE_TOPICS, "true")
        publish_as(broker, "dashboard", [*DEVICE_TOPICS, *COMMAND_TOPICS, *DISCOVERY, BIRTH], "forged")
        assert shown_to(broker, "dashboard") == dict.fromkeys(DEVICE_TOPICS, b"true")
        seen = shown_to(broker, "homeassistant")
        assert b"forged" not in seen.values()
        assert set(DEVICE_TOPICS) <= set(seen)


def test_a_guest_at_the_broker(mosquitto_folder: Path) -> None:
    """A guest without a login gets nothing."""
    with with_documented_acl(mosquitto_folder) as broker:
        for command in (["mosquitto_sub", "-t", "#", "-W", "2"], ["mosquitto_pub", "-t", "maskd/lobby/status", "-n"]):
            done = subprocess.run([*command, "-p", str(broker.port)], capture_output=True, text=True, timeout=20)
            assert done.returncode != 0
            assert "not authorised" in done.stderr


def test_a_device_at_the_broker(mosquitto_folder: Path, tmp_path: Path) -> None:
    """The documented access list lets a device do all that it does."""
    password = tmp_path / "password"
    password.write_text(USERS["lobby"])
    password.chmod(0o600)
    login: dict[str, Any] = {"username": "lobby", "password_file": password, "commands": None}
    with (
        with_documented_acl(mosquitto_folder) as broker,
        Subscriber(broker.port, "maskd/#", username="dashboard", password=USERS["dashboard"]) as subscriber,
        changeable(broker, **login) as parts,
    ):
        wait_until(lambda: states(subscriber, "min_score"), what="the state")
        command(broker, "maskd/lobby/door/min_score/set", "0.4")
        command(broker, "maskd/lobby/privacy/set", "aggregate")
        wait_until(lambda: parts.daemon.config.privacy == "aggregate", what="the commands")
        assert Settable("min_score", "door").value_in(parts.daemon.config) == 0.4


def command(broker: Mosquitto, topic: str, payload: str) -> None:
    login = ["-u", "homeassistant", "-P", USERS["homeassistant"]]
    publish(broker, topic, payload, *login)
