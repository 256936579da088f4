"""Settings changed by messages: what is understood, what is refused, and what the broker gets to know of it."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cli import main
from edge.config import Config, MqttSettings, TlsSettings
from edge.config.file import load_config
from edge.config.overrides_file import read_overrides
from edge.config.settable import Settable, settables
from edge.control import changes
from edge.control.commands import WAITING_LIMIT, Commands
from edge.control.settable import Command, parse_command, settable_of
from edge.errors import MaskdError
from edge.mqtt import Incoming, Message, MqttClient
from edge.mqtt.login import commands_enabled
from edge.payloads.schemas import published_schemas
from edge.payloads.topics import Topics
from edge.system.deadline import Deadline
from edge.system.rate_limit import PerMinute
from edge.vision.thresholds import Recommendations, effective_setting
from tests.support.laid_over import overrides_over
from tests.support.mosquitto import HOST, Mosquitto, Subscriber
from tests.support.waiting import wait_until

EFFECTIVE = partial(effective_setting, recommended=Recommendations(min_score=0.35, min_confidence=0.7))


def configuration(**more: Any) -> Config:
    return Config.model_validate({"device": "lobby", "cameras": {"door": {"source": "photos/"}}, **more})


# --- what a payload means ---


@pytest.mark.parametrize(
    ("payload", "command"),
    [
        (b"0.6", Command("0.6")),
        (b" 0.6\n", Command("0.6")),
        (b"On", Command("On")),
        (b"aggregate", Command("aggregate")),
        (b"null", Command(None)),
        (b'{"value": 0.60}', Command("0.60")),
        (b'{"value": "0.6", "persist": false}', Command("0.6")),
        (b'{"value": true, "persist": true}', Command("true", persist=True)),
        (b'{"value": null, "persist": true}', Command(None, persist=True)),
        (b'{"value": 1e999}', Command("1e999")),
        (b'{"value": -Infinity}', Command("-Infinity")),
    ],
)
def test_a_payload_is_read_as_config_yaml_would_hold_it(payload: bytes, command: Command) -> None:
    assert parse_command(payload) == command


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff", "is not UTF-8 text"),
        (b"0" * 4097, "has 4097 bytes, but at most 4096"),
        (b"0" * 65, "longer than 64 characters"),
        (b"0.6\x1b[2J", "cannot be displayed"),
        (b'{"value": "\\ud800"}', "cannot be displayed"),
        (b'{"value": ' + b"[" * 4000, "a list or an object instead of one value"),
        (b'{"value": {"value": 1}}', "a list or an object instead of one value"),
        (b'{"value": 0.6', "is not valid JSON (Expecting ',' delimiter at character 14)"),
        (b"{}", 'must have "value"'),
        (b'{"persist": true}', 'must have "value"'),
        (b'{"value": 0.6, "retain": true}', "nothing else"),
        (b'{"value": 0.6, "value": 0.7}', "has a field twice"),
        (b'{"value": 0.6, "persist": "true"}', '"persist" must be true or false, without quotes'),
        (b'{"value": 0.6, "persist": 1}', '"persist" must be true or false, without quotes'),
    ],
)
def test_a_payload_that_is_no_command_is_refused_in_words(payload: bytes, reason: str) -> None:
    with pytest.raises(MaskdError) as caught:
        parse_command(payload)
    assert reason in str(caught.value)


@given(
    st.binary(max_size=200)
    | st.text().map(str.encode)
    | st.text(alphabet='{}[]":,tvalue 01.eE-\\u').map(lambda t: b"{" + t.encode())
)
def test_no_payload_does_more_than_be_refused_in_one_printable_line(payload: bytes) -> None:
    each, config, refusal = Settable("min_score", "door"), configuration(), ""
    try:
        config = each.changed(config, parse_command(payload).value)
    except MaskdError as error:
        refusal = str(error)
    value = Settable("min_score", "door").value_in(config)
    assert value is None or 0 <= float(value) <= 1
    assert refusal.isprintable()
    assert len(refusal) < 300


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        ("min_score", "0.6", 0.6),
        ("min_score", None, None),
        ("min_votes", "7", 7),
        ("min_votes", "7.0", 7),
        ("hold_s", "2.5", 2.5),
        ("enabled", "oFF", False),
        ("enabled", "TRUE", True),
    ],
)
def test_a_value_becomes_a_setting(setting: str, text: str | None, value: object) -> None:
    before = configuration(
        detector={"min_score": 0.3},
        cameras={"door": {"source": "0", "zones": {"a": {"corners": [(0, 0), (1, 0), (1, 1)]}}}},
    )
    each = Settable(setting, "door")
    after = each.changed(before, text)
    assert each.value_in(after) == value
    assert each.changed(after, "true" if setting == "enabled" else None) == before


@pytest.mark.parametrize(
    ("setting", "text", "problem"),
    [
        ("min_score", "7", '"7" is not valid; it must be a number from 0 to 1, or null'),
        ("min_score", "NaN", '"NaN" is not valid'),
        ("min_score", "", '"" is not valid'),
        ("hold_s", "1e999", '"1e999" is not valid; it must be a number at least 0'),
        ("hold_s", "Infinity", '"Infinity" is not valid'),
        ("min_votes", "true", '"true" is not valid; it must be a whole number'),
        ("min_votes", "2.5", '"2.5" is not valid'),
        ("majority", "0.5", '"0.5" is not valid; it must be a number above 0.5 and at most 1'),
        ("enabled", None, "has no value; it must be true or false"),
        ("enabled", "maybe", '"maybe" is not valid'),
    ],
)
def test_a_wrong_value_is_refused_as_config_yaml_would_be(setting: str, text: str | None, problem: str) -> None:
    with pytest.raises(MaskdError) as caught:
        Settable(setting, "door").changed(configuration(), text)
    assert str(caught.value).startswith(f"cameras.door.{setting}: {problem}")
    assert "\n" not in str(caught.value)


def test_a_camera_is_not_switched_on_whose_device_another_one_has() -> None:
    config = configuration(cameras={"door": {"source": "0"}, "till": {"source": "0", "enabled": False}})
    with pytest.raises(MaskdError, match='the camera "door" uses /dev/video0 already'):
        Settable("enabled", "till").changed(config, "on")


def test_only_topics_of_what_there_is_mean_something() -> None:
    topics, config = Topics("site/a", "lobby"), configuration()
    assert settable_of("site/a/lobby/privacy/set", topics, config) == Settable("privacy")
    assert settable_of("site/a/lobby/door/min_score/set", topics, config) == Settable("min_score", "door")
    for topic in ("site/a/lobby/yard/min_score/set", "site/a/lobby/door/source/set", "site/a/lobby/door/privacy/set"):
        assert settable_of(topic, topics, config) is None


@pytest.mark.parametrize(
    ("settings", "enabled"),
    [
        ({}, False),
        ({"commands": True}, True),
        ({"username": "maskd"}, True),
        ({"username_file": "/run/name"}, True),
        ({"username": "maskd", "commands": False}, False),
        ({"tls": TlsSettings()}, False),
        ({"tls": TlsSettings(cert_file=Path("/etc/maskd/device.pem"))}, True),
    ],
)
def test_commands_are_on_where_the_device_logs_in(settings: dict[str, Any], enabled: bool) -> None:
    assert commands_enabled(MqttSettings(**settings)) is enabled


def test_a_credential_of_systemd_is_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert not commands_enabled(MqttSettings())
    (tmp_path / "mqtt-username").write_text("maskd")
    assert commands_enabled(MqttSettings())


def test_so_many_a_minute_pass_and_the_rest_is_counted_once() -> None:
    limit = PerMinute(2)
    assert [limit.admits(now) for now in (0.0, 1.0, 2.0, 59.0)] == [True, True, False, False]
    assert limit.take_turned_away(59.9) == 0
    assert limit.take_turned_away(60.0) == 2
    assert limit.take_turned_away(61.0) == 0
    assert limit.admits(61.0)


# --- over a broker ---


class Applied:
    """Stands for the daemon: keeps the configuration in effect."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.times = 0
        self.error: Exception | None = None
        self.failures: list[BaseException] = []

    def apply(self, config: Config) -> None:
        if self.error is not None:
            raise self.error
        self.config = config
        self.times += 1


class Changeable:
    """Commands at work between a broker and a configuration."""

    def __init__(self, broker: Mosquitto, config: Config, path: Path | None) -> None:
        self.daemon = Applied(config)
        """What reached the parts."""
        self.client = MqttClient(config.mqtt, config.device)
        self.changes = changes.Changes(config, path, overrides_over(config, broker.folder, path))
        self.changes.on_change = self.daemon.apply
        self.commands = Commands(self.client, self.changes, effective=EFFECTIVE, on_failure=self.daemon.failures.append)
        self._broker = broker

    def send(self, setting: str, payload: str | bytes, *options: str, camera: str | None = "door") -> None:
        """As anybody would, with Mosquitto's own client; `-l` sends every line by itself."""
        topic = self.client.topics.set(setting, camera)
        lines = payload if isinstance(payload, bytes) else payload.encode()
        how = [] if "-n" in options or "-l" in options else ["-s"]
        address = ["-h", HOST, "-p", str(self._broker.port)]
        command = ["mosquitto_pub", *address, "-q", "1", "-t", topic, *how, *options]
        subprocess.run(command, input=lines, check=True, timeout=20)


@contextmanager
def changeable(
    broker: Mosquitto, config: Config | None = None, path: Path | None = None, **mqtt: Any
) -> Iterator[Changeable]:
    config = config or (load_config(path) if path else configuration())
    settings = MqttSettings(host=HOST, port=broker.port, **{"commands": True, **mqtt})
    parts = Changeable(broker, config.model_copy(update={"mqtt": settings}), path)
    parts.commands.start()
    parts.client.start()
    wait_until(lambda: parts.client.connection is not None, what="connected")
    try:
        yield parts
        assert parts.daemon.failures == []
    finally:
        parts.commands.stop()
        parts.client.stop()
        parts.changes.stop(Deadline(1))


class States:
    """What a subscriber knows of the settings."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber

    def of(self, setting: str, camera: str | None = "door") -> list[dict[str, Any]]:
        topic = Topics("maskd", "lobby").state(setting, camera)
        return [json.loads(each.payload) for each in self._subscriber.messages.copy() if each.topic == topic]

    def wait(self, setting: str, count: int, camera: str | None = "door") -> dict[str, Any]:
        """The state that was published as number `count`; it follows the published schema."""
        wait_until(lambda: len(self.of(setting, camera)) >= count, what=f"{count} states of {setting}")
        state = self.of(setting, camera)[count - 1]
        jsonschema.validate(state, json.loads(published_schemas()["setting-1.json"]))
        return state


@pytest.fixture
def states(mosquitto: Mosquitto) -> Iterator[States]:
    with Subscriber(mosquitto.port, "maskd/#") as subscriber:
        yield States(subscriber)


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level and "edge" in record.name]


def test_every_connection_gets_every_state(mosquitto: Mosquitto) -> None:
    cameras = {f"c{number}": {"source": "photos/"} for number in range(8)}
    config = configuration(cameras=cameras, detector={"min_score": 0.4})
    expected = {Topics("maskd", "lobby").state(each.setting, each.camera) for each in settables(config)}
    assert len(expected) == 1 + 8 * 6

    with changeable(mosquitto, config):
        for _ in range(2):
            with Subscriber(mosquitto.port, "maskd/#") as subscriber:
                wait_until(lambda: expected <= {each.topic for each in subscriber.messages.copy()}, what="all states")
                received = {each.topic: each for each in subscriber.messages.copy()}
            assert json.loads(received["maskd/lobby/c3/min_score/state"].payload)["value"] == 0.4
            mosquitto.restart()  # it has no memory


def test_the_states_tell_what_is_in_effect(mosquitto: Mosquitto, states: States) -> None:
    with changeable(mosquitto, configuration(compliance={"hold_s": 2})):
        state = states.wait("min_score", 1)
        del state["time"]
        assert state == {
            "schema": "maskd.setting/1",
            "setting": "min_score",
            "camera": "door",
            "value": 0.35,
            "persisted": True,
            "error": None,
        }
        assert states.wait("hold_s", 1)["value"] == 2
        assert states.wait("enabled", 1)["value"] is True
        assert states.wait("privacy", 1, None)["value"] == "events"
        assert states.wait("privacy", 1, None)["camera"] is None
    with Subscriber(mosquitto.port, "maskd/lobby/door/min_score/state") as later:
        assert later.wait_for(1)[0].retained


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_command_is_applied_and_answered(
    mosquitto: Mosquitto, states: States, caplog: pytest.LogCaptureFixture, protocol: Literal["5", "3.1.1"]
) -> None:
    caplog.set_level(logging.INFO)
    with changeable(mosquitto, protocol=protocol) as parts:
        states.wait("min_score", 1)
        parts.send("min_score", "0.6")
        answer = states.wait("min_score", 2)
        assert (answer["value"], answer["persisted"], answer["error"]) == (0.6, False, None)
        assert Settable("min_score", "door").value_in(parts.daemon.config) == 0.6

        parts.send("min_score", '{"value": null}')
        answer = states.wait("min_score", 3)
        assert (answer["value"], answer["persisted"]) == (0.35, True)
        assert Settable("min_score", "door").value_in(parts.daemon.config) is None

        parts.send("privacy", "aggregate", camera=None)
        assert states.wait("privacy", 2, None)["value"] == "aggregate"
        parts.send("enabled", "OFF")
        assert states.wait("enabled", 2)["value"] is False
        assert parts.daemon.times == 4
    assert [line for line in lines(caplog, logging.INFO) if "by a command" in line] == [
        "camera door: min_score is now 0.6, by a command",
        "camera door: min_score is now 0.35, by a command",
        "privacy is now aggregate, by a command",
        "camera door: enabled is now false, by a command",
    ]


def test_a_refused_command_leaves_the_old_value_and_says_why(
    mosquitto: Mosquitto, states: States, caplog: pytest.LogCaptureFixture
) -> None:
    with changeable(mosquitto, configuration(cameras={"door": {"source": "photos/", "min_score": 0.5}})) as parts:
        states.wait("min_score", 1)
        parts.send("min_score", "1.5")
        answer = states.wait("min_score", 2)
        assert answer["value"] == 0.5
        assert answer["error"].startswith('cameras.door.min_score: "1.5" is not valid; it must be a number from 0 to 1')
        assert parts.daemon.times == 0
        assert lines(caplog, logging.WARNING) == [f"a command was refused: camera door: min_score: {answer['error']}"]

        parts.send("min_score", "0.5")
        assert states.wait("min_score", 3)["error"] is None
        assert parts.daemon.times == 0

        parts.daemon.error = MaskdError("the camera is on fire; put it out")
        parts.send("min_score", "0.6")
        answer = states.wait("min_score", 4)
        assert (answer["value"], answer["error"]) == (0.5, "the camera is on fire; put it out")


def test_an_unexpected_error_reaches_the_daemon(mosquitto: Mosquitto) -> None:
    with changeable(mosquitto) as parts:
        parts.daemon.error = ZeroDivisionError()
        parts.send("min_score", "0.6")
        wait_until(lambda: parts.daemon.failures, what="the error")
        assert parts.daemon.failures.pop() is parts.daemon.error


def test_a_retained_command_is_ignored_and_so_is_its_clearing(
    mosquitto: Mosquitto, states: States, caplog: pytest.LogCaptureFixture
) -> None:
    config = configuration(cameras={"door": {"source": "photos/"}, "till": {"source": "photos/"}})
    parts = Changeable(mosquitto, config, None)
    parts.send("enabled", "off", "-r")
    parts.send("enabled", "off", "-r", camera="till")
    parts.send("privacy", "aggregate", "-r", camera=None)
    with changeable(mosquitto, config) as parts:
        wait_until(lambda: len(lines(caplog, logging.WARNING)) == 2, what="two warnings")
        assert (
            "a retained command on maskd/lobby/door/enabled/set is ignored because it would act at every start; "
            "publish commands without the retain flag, and clear this one: "
            "mosquitto_pub -r -n -t maskd/lobby/door/enabled/set"
        ) in lines(caplog, logging.WARNING)
        parts.send("enabled", "", "-r", "-n")
        parts.send("hold_s", "3")
        states.wait("hold_s", 2)
        assert parts.daemon.times == 1
        assert parts.daemon.config.privacy == "events"
        assert len(lines(caplog, logging.WARNING)) == 2


def test_no_topic_is_made_of_what_does_not_exist(
    mosquitto: Mosquitto, states: States, caplog: pytest.LogCaptureFixture
) -> None:
    with Subscriber(mosquitto.port, "#") as subscriber, changeable(mosquitto) as parts:
        states.wait("hold_s", 1)
        for camera, setting in (("yard", "min_score"), ("door", "source"), ("\u202edoor", "x" * 500)):
            parts.send(setting, "0.6", camera=camera)
        parts.send("hold_s", "3")
        states.wait("hold_s", 2)
        made = {each.topic for each in subscriber.messages if each.topic.endswith("/state")}
    assert made == {Topics("maskd", "lobby").state(each.setting, each.camera) for each in settables(configuration())}
    warnings = lines(caplog, logging.WARNING)
    assert warnings[0] == "a command was refused: there is no such camera or setting: 'maskd/lobby/yard/min_score/set'"
    assert len(warnings) == 3
    assert all(line.isascii() and len(line) < 250 for line in warnings)


def test_a_flood_fills_neither_log_nor_memory(
    mosquitto: Mosquitto, states: States, caplog: pytest.LogCaptureFixture
) -> None:
    with changeable(mosquitto) as parts:
        states.wait("min_score", 1)
        parts.send("min_score", "no number\n" * 500, "-l")
        wait_until(lambda: parts.commands.dropped > 300, what="dropped commands")
        parts.send("hold_s", "3", "--repeat", "20", "--repeat-delay", "0.2")
        states.wait("hold_s", 2)
        warnings = lines(caplog, logging.WARNING)
    refused = [line for line in warnings if line.startswith("a command was refused")]
    assert len(refused) == 5
    assert [line for line in warnings if line not in refused] == [
        line for line in warnings if line.endswith("commands came too fast and were dropped")
    ]
    assert len(warnings) <= 6
    assert Settable("hold_s", "door").value_in(parts.daemon.config) == 3


def test_the_queue_is_bounded_while_a_command_takes_long(mosquitto: Mosquitto) -> None:
    parts = Changeable(mosquitto, configuration(), None)
    for _ in range(WAITING_LIMIT + 3):
        parts.commands._received(Incoming("maskd/lobby/door/min_score/set", b"0.6", retained=False))
    assert parts.commands.dropped == 3


def test_commands_are_off_at_a_broker_for_everybody(mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with Subscriber(mosquitto.port) as subscriber, changeable(mosquitto, commands=None) as parts:
        parts.commands.publish_states()
        parts.send("min_score", "0.6")
        parts.client.publish(Message("maskd/lobby/mark", b"", retain=True))
        subscriber.wait_for(1, "/mark")
    assert [each.topic for each in subscriber.messages if each.topic.endswith("/state")] == []
    assert parts.daemon.times == 0
    assert parts.commands._inbox.empty()
    assert (
        "commands over MQTT are off because this device does not log in at the broker, so that anyone could send "
        "them; mqtt.username, or mqtt.commands: true, turns them on"
    ) in lines(caplog, logging.INFO)


# --- kept over a restart ---


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("device: lobby\ncameras:\n  door:\n    source: photos/  # for now\n    hold_s: 2\n")
    return path


def test_a_persistent_command_is_written_into_the_file(
    mosquitto: Mosquitto, states: States, config_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with changeable(mosquitto, path=config_file) as parts:
        states.wait("min_score", 1)
        parts.send("min_score", '{"value": 0.6, "persist": true}')
        answer = states.wait("min_score", 2)
        assert (answer["value"], answer["persisted"], answer["error"]) == (0.6, True, None)
        assert config_file.read_text() == (
            "device: lobby\ncameras:\n  door:\n    source: photos/  # for now\n    hold_s: 2\n    min_score: 0.6\n"
        )
        parts.send("min_score", "0.7")
        assert states.wait("min_score", 3)["persisted"] is False
        parts.send("min_score", "0.6")
        assert states.wait("min_score", 4)["persisted"] is True
        assert Settable("min_score", "door").value_in(load_config(config_file)) == 0.6
    assert f"camera door: min_score was written to {config_file}" in lines(caplog, logging.INFO)


def test_a_value_that_cannot_be_kept_stays_in_effect(mosquitto: Mosquitto, states: States, config_file: Path) -> None:
    with changeable(mosquitto, path=config_file) as parts:
        states.wait("hold_s", 1)
        config_file.write_text("nonsense: true\n")
        parts.send("hold_s", '{"value": 3, "persist": true}')
        answer = states.wait("hold_s", 2)
        assert (answer["value"], answer["persisted"]) == (3, False)
        assert answer["error"].startswith(
            "in effect, also after a restart, but not written to the file: nothing was written, since the file is not "
            "valid now: "
        )
        assert config_file.read_text() == "nonsense: true\n"


def test_without_a_file_nothing_can_be_kept(mosquitto: Mosquitto, states: States) -> None:
    with changeable(mosquitto) as parts:
        states.wait("hold_s", 1)
        parts.send("hold_s", '{"value": 3, "persist": true}')
        assert states.wait("hold_s", 2)["error"] == (
            "in effect, also after a restart, but not written to the file: there is no config.yaml to write; start "
            "maskd with one (-c FILE)"
        )


def test_the_file_is_written_so_many_times_a_minute(mosquitto: Mosquitto, states: States, config_file: Path) -> None:
    with changeable(mosquitto, path=config_file) as parts:
        states.wait("hold_s", 1)
        for number in range(1, 23):
            parts.send("hold_s", f'{{"value": {number}, "persist": true}}')
        wait_until(lambda: states.of("hold_s")[-1]["value"] == 22, what="the answer to the last one")
        answer = states.of("hold_s")[-1]
        assert answer["persisted"] is False
        assert "at most 20 times a minute" in answer["error"]
        assert Settable("hold_s", "door").value_in(load_config(config_file)) == 20


# --- the whole way ---


@contextmanager
def maskd_running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    with config.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "edge.cli", "run", "-c", str(config)], stderr=log)
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()
            process.wait()


def test_a_value_set_over_the_broker_outlives_a_restart_of_the_daemon(mosquitto: Mosquitto, tmp_path: Path) -> None:
    pixels = np.zeros((120, 160, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    assert cv2.imwrite(str(tmp_path / "photos" / "dark.png"), pixels)
    path = tmp_path / "config.yaml"
    text = f"""\
device: lobby
cameras:
  door:
    source: {tmp_path}/photos
    loop: true  # for ever
    # hold_s: 2
mqtt: {{host: {HOST}, port: {mosquitto.port}, commands: true}}
storage: {{path: {tmp_path}/storage}}
"""
    path.write_text(text)
    sender = Changeable(mosquitto, load_config(path), None)
    with Subscriber(mosquitto.port, "maskd/#") as subscriber:
        states = States(subscriber)
        with maskd_running(path) as process:
            assert states.wait("min_score", 1)["value"] > 0
            sender.send("min_score", '{"value": 0.61, "persist": true}')
            answer = states.wait("min_score", 2)
            assert (answer["value"], answer["persisted"], answer["error"]) == (0.61, True, None)
            sender.send("enabled", '{"value": "off", "persist": true}')
            assert states.wait("enabled", 2)["value"] is False
            assert process.poll() is None
        assert path.read_text() == text.replace("# for ever\n", "# for ever\n    min_score: 0.61\n    enabled: false\n")
    with Subscriber(mosquitto.port, "maskd/#") as subscriber:
        states = States(subscriber)
        with maskd_running(path):
            answer = states.wait("min_score", 2)  # the first one is what the broker kept
            assert (answer["value"], answer["persisted"]) == (0.61, True)
            sender.send("enabled", "on")
            assert states.wait("enabled", 3)["value"] is True
    assert main(["purge", "-c", str(path)]) == 0
    with Subscriber(mosquitto.port) as subscriber:
        sender.send("mark", "end", camera=None)
        subscriber.wait_for(1, "mark/set")
        assert [each.topic for each in subscriber.messages if each.retained] == []


def test_a_value_that_the_disk_refuses_is_in_effect_and_kept_later(mosquitto: Mosquitto, states: States) -> None:
    blocked = mosquitto.folder / "overrides.json.new"
    with changeable(mosquitto) as parts:
        states.wait("privacy", 1, None)
        blocked.mkdir()
        parts.send("privacy", "aggregate", camera=None)
        answer = states.wait("privacy", 2, None)
        assert (answer["value"], parts.daemon.config.privacy) == ("aggregate", "aggregate")
        assert answer["error"].startswith("in effect, but gone after a restart: ")
        assert "overrides.json cannot be written" in answer["error"]
        blocked.rmdir()
        assert states.wait("privacy", 3, None)["error"] is None
    assert [each.value for each in read_overrides(mosquitto.folder / "overrides.json")] == ["aggregate"]


def test_a_flood_of_commands_is_kept_together(
    mosquitto: Mosquitto, states: States, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "SAVES_PER_MINUTE", 2)
    with changeable(mosquitto) as parts:
        states.wait("hold_s", 1)
        for number in range(2, 7):
            parts.send("hold_s", str(number))
        wait_until(lambda: states.of("hold_s")[-1]["value"] == 6, what="the last")
        assert "within a minute" in states.of("hold_s")[-1]["error"]
        path = mosquitto.folder / "overrides.json"
        assert [each.value for each in read_overrides(path)] == [3.0]
    assert [each.value for each in read_overrides(path)] == [6.0], "a stop keeps the rest"
