"""What this device says of itself to Home Assistant: MQTT discovery messages for it and for each of its cameras.

The form is that of https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload, understood by Home
Assistant 2024.12 and newer. Each device has one message. The broker keeps it, so it is small: 4 kB with usual names.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from edge.config import Config, MqttSettings
from edge.config.settable import settables
from edge.homeassistant.abbreviations import abbreviated
from edge.homeassistant.box_entities import box_group
from edge.homeassistant.camera_entities import camera_group
from edge.homeassistant.entity import TRIGGER, Group
from edge.payloads.topics import Topics


@dataclass(frozen=True, slots=True)
class Announcement:
    """A discovery message and its topic."""

    topic: str
    message: dict[str, Any]
    """With unabbreviated keys and topics."""
    base: str
    """What most of its state topics begin with, without the slash."""

    @property
    def platforms(self) -> dict[str, str]:
        """The platform of each component by its key."""
        return {key: component["platform"] for key, component in self.message["components"].items()}

    def to_json(self, removed: Mapping[str, str] | None = None) -> bytes:
        """`removed`: platforms, by their keys, of components that Home Assistant is to forget."""
        gone = {key: {"platform": platform} for key, platform in (removed or {}).items()}
        message = abbreviated({**self.message, "components": {**self.message["components"], **gone}}, self.base)
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def announce(
    config: Config, labels: Sequence[str], *, commands_on: bool, tells_temperature: bool, page_url: str | None = None
) -> list[Announcement]:
    """The device's own first, since the cameras name it as what they are connected by.

    `labels`: the classifier's; `commands_on`: numbers and switches, too; `tells_temperature`: the board does;
    `page_url`: the address of this device's web page, where it has one."""
    topics = Topics(config.mqtt.prefix, config.device)
    identity, name = _identity(config), f"maskd {config.device}"
    box = {"identifiers": [_short(identity)], "name": name, "manufacturer": "maskd", "model": "Mask compliance box"}
    box["sw_version"] = version("maskd")
    if page_url is not None:
        box["configuration_url"] = page_url
    group = box_group(config, topics, commands_on=commands_on, tells_temperature=tells_temperature)
    announcements = [_announcement(discovery_topic(config), box, group, identity)]
    for camera in config.cameras:
        device = {
            "identifiers": [_short(identity, camera)],
            "name": f"{name} {' '.join(camera.replace('-', ' ').replace('_', ' ').split())}",
            "model": "Camera",
            "via_device": _short(identity),
        }
        group = camera_group(camera, config, topics, labels, commands_on=commands_on)
        announcements.append(_announcement(f"{_node(config)}/{camera}/config", device, group, f"{identity}/{camera}"))
    return announcements


def _announcement(topic: str, device: Mapping[str, Any], group: Group, owner: str) -> Announcement:
    """`owner`: tells this device from all others."""
    components = {}
    for name, entity in group.entities.items():
        key = _short(owner, name)
        components[key] = entity if entity["platform"] == TRIGGER else {**entity, "unique_id": key}
    origin = {"name": "maskd"}
    message = {"device": device, "origin": origin, **group.availability, "components": components}
    return Announcement(topic, message, group.base)


def _short(*names: str) -> str:
    """An id that is as unique as these names. They could be long, and each entity has one: 30 bits are enough for
    those of one platform in one Home Assistant."""
    return base64.urlsafe_b64encode(hashlib.sha256("/".join(names).encode()).digest())[:5].decode()


def discovery_topic(config: Config) -> str:
    """Of the box's own message."""
    return f"{_node(config)}/config"


def discovery_filter(config: Config) -> str:
    """For all discovery messages of this device."""
    return f"{_node(config)}/#"


def _node(config: Config) -> str:
    return f"{config.mqtt.homeassistant.prefix}/device/{_identity(config)}"


def birth_topic(settings: MqttSettings) -> str:
    """Where Home Assistant says `online` when it has started."""
    return f"{settings.homeassistant.prefix}/status"


def retained_topics(config: Config, *, commands_on: bool) -> list[str]:
    """Everything that the broker may keep of this device, apart from the discovery messages."""
    topics = Topics(config.mqtt.prefix, config.device)
    of_cameras = [
        topic(camera)
        for camera in config.cameras
        for topic in (topics.camera, topics.presence, topics.compliance, topics.totals)
    ]
    of_cameras += map(topics.snapshot, config.cameras if config.publishes_snapshots else ())
    of_settings = [topics.state(each.setting, each.camera) for each in settables(config)] if commands_on else []
    resend = [topics.state("resend")] if commands_on else []
    return [topics.availability, topics.status, *of_cameras, *of_settings, *resend]


def _identity(config: Config) -> str:
    """Unlike the device's name alone it also tells devices apart that share a broker, but not the topics' prefix."""
    identity = f"maskd_{config.device}"
    if config.mqtt.prefix != MqttSettings().prefix:
        identity += f"-{hashlib.sha256(config.mqtt.prefix.encode()).hexdigest()[:8]}"
    return identity
