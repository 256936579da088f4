"""Messages from the broker: commands on the topics that maskd listens to, and on others."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge.config import Config
from edge.config.file import config_from_values, load_config
from edge.config.overrides_file import FILE_NAME
from edge.config.settable import settables
from edge.control.changes import Changes
from edge.control.commands import Commands
from edge.mqtt import Incoming, Listener, Message, Receipt
from edge.payloads.setting import Setting
from edge.payloads.topics import Topics
from edge.vision.thresholds import Recommendations, effective_setting
from tests.fuzz.edits import HOSTILE_JSON, HOSTILE_SCALARS
from tests.support.laid_over import overrides_over

_CONFIG = """\
device: lobby
privacy: events
cameras:
  door: {source: photos/}
  hall:
    source: "0"
    min_score: 0.4   # of the dark corner
mqtt: {commands: true}
"""
_TOPICS = Topics("maskd", "lobby")
_VALUES = {"privacy": "aggregate", "enabled": "off", "min_votes": "3"}
"""Of the others: 0.6."""
_SEPARATOR = b"\n"


class _Broker:
    """Takes everything, and keeps it."""

    topics = _TOPICS
    connection: int | None = None

    def __init__(self) -> None:
        self.published: list[Message] = []

    def add_listener(self, listener: Listener) -> None: ...

    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None]) -> None: ...

    def unsubscribe(self, topic_filter: str) -> None: ...

    def publish(self, message: Message) -> Receipt | None:
        self.published.append(message)
        return Receipt(1, len(self.published))


class _Device:
    """What commands act upon."""

    def __init__(self, path: Path) -> None:
        path.write_text(_CONFIG)
        self.config = load_config(path)
        self.failure: BaseException | None = None

    def apply(self, config: Config) -> None:
        self.config = config

    def fail(self, error: BaseException) -> None:
        self.failure = error


def feed_command(data: bytes, folder: Path) -> bool:
    """A topic, a line break, a payload: it is taken where config.yaml could hold the value, or answered with the
    reason, or passed over."""
    topic, _, payload = data.partition(_SEPARATOR)
    path = folder / "commands.yaml"
    device, broker = _Device(path), _Broker()
    before = device.config
    state_folder = folder / "state"
    state_folder.mkdir(exist_ok=True)
    (state_folder / FILE_NAME).unlink(missing_ok=True)
    changes = Changes(before, path, overrides_over(before, state_folder, path))
    changes.on_change = device.apply
    commands = Commands(
        broker,
        changes,
        effective=partial(effective_setting, recommended=Recommendations(min_score=0.35, min_confidence=0.7)),
        on_failure=device.fail,
    )
    commands.apply(before)
    # Called as its thread does, which would take its time over each.
    commands._received(Incoming(topic.decode(errors="replace"), payload, retained=False))
    commands._step(now=1000.0)
    if device.failure is not None:
        raise device.failure
    known = {_TOPICS.state(each.setting, each.camera): each for each in settables(before)}
    taken = False
    for message in broker.published:
        state = Setting.model_validate_json(message.payload)
        each = known[message.topic]
        assert (state.setting, state.camera) == (each.setting, each.camera)
        assert state.error is None or "\n" not in state.error
        assert message.retain
        taken |= state.error is None
    assert taken or device.config == before or b"persist" in payload, "changed, and called refused"
    assert config_from_values(device.config.model_dump()) == device.config, "what is in effect could not be configured"
    assert load_config(path) in (before, device.config), "config.yaml holds what nobody asked for"
    return taken


def command_seeds(_folder: Path) -> list[bytes]:
    config = Config.model_validate({"device": "lobby", "cameras": {"door": {"source": "0"}, "hall": {"source": "1"}}})
    seeds = []
    for each in settables(config):
        value = _VALUES.get(each.setting, "0.6")
        payloads = (value, json.dumps({"value": value}), json.dumps({"value": value, "persist": True}))
        topic = _TOPICS.set(each.setting, each.camera).encode()
        seeds += [topic + _SEPARATOR + payload.encode() for payload in payloads]
    return seeds


def replace_payload(data: bytes, where: int, how: int) -> bytes:
    """What YAML, or JSON, makes something of that is no value of this setting."""
    topic = data.partition(_SEPARATOR)[0]
    value = HOSTILE_JSON[how % len(HOSTILE_JSON)]
    payloads = (
        HOSTILE_SCALARS[how % len(HOSTILE_SCALARS)].encode(),
        json.dumps({"value": value}).encode(),
        json.dumps({"value": 0.5, "persist": value}).encode(),
        json.dumps({"value": HOSTILE_SCALARS[how % len(HOSTILE_SCALARS)], "persist": True}).encode(),
    )
    return topic + _SEPARATOR + payloads[where % len(payloads)]


def replace_level(data: bytes, where: int, how: int) -> bytes:
    """Another level of the topic: a name that is none, a wildcard, a way up."""
    topic, separator, payload = data.partition(_SEPARATOR)
    levels = topic.split(b"/")
    hostile = (b"", b"+", b"#", b"..", b"$SYS", b"door", b"set", b"privacy", b"\x00", b"a" * 70_000, "Ä\u202e".encode())
    levels[where % len(levels)] = hostile[how % len(hostile)]
    return b"/".join(levels) + separator + payload
