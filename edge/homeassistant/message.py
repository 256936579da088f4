"""What this device says of itself to Home Assistant: MQTT discovery messages for it and for each of its cameras.

The form is that of https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload, understood by Home
Assistant 2024.12 and newer. A device's entities come in several messages, so that each has at most 4 kB. Which one an
entity comes in never depends on what the others need: Home Assistant would forget an entity that moved to another.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from typing import Any

from edge.config import Config, MqttSettings
from edge.config.settable import settables
from edge.homeassistant.abbreviations import abbreviated
from edge.homeassistant.box_entities import box_sections
from edge.homeassistant.camera_entities import camera_sections
from edge.homeassistant.entity import TRIGGER, Entity, Section
from edge.payloads.topics import Topics

MOST_ENTITIES = 7
"""In one message: as many as fit into 4 kB with the longest names."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A discovery message and its topic."""

    topic: str
    message: dict[str, Any]
    """With unabbreviated keys."""

    @property
    def platforms(self) -> dict[str, str]:
        """The platform of each component by its key."""
        return {key: component["platform"] for key, component in self.message["components"].items()}

    def to_json(self, removed: Mapping[str, str] | None = None) -> bytes:
        """`removed`: platforms, by their keys, of components that Home Assistant is to forget."""
        gone = {key: {"platform": platform} for key, platform in (removed or {}).items()}
        message = abbreviated({**self.message, "components": {**self.message["components"], **gone}})
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def announce(
    config: Config, labels: Sequence[str], *, commands_on: bool, tells_temperature: bool, page_url: str | None = None
) -> list[Announcement]:
    """The device's own first, since the cameras name it as what they are connected by.

    `labels`: the classifier's; `commands_on`: numbers and switches, too; `tells_temperature`: the board does;
    `page_url`: the address of this device's web page, where it has one."""
    topics = Topics(config.mqtt.prefix, config.device)
    identity = _identity(config)
    name = f"maskd {config.device}"
    box = {"identifiers": [identity], "name": name, "manufacturer": "maskd", "model": "Mask compliance box"}
    box["sw_version"] = version("maskd")
    if page_url is not None:
        box["configuration_url"] = page_url
    announcements = list(
        _announcements(
            config,
            box,
            box_sections(config, topics, commands_on=commands_on, tells_temperature=tells_temperature),
            unique=identity,
        )
    )
    for camera in config.cameras:
        device = {
            "identifiers": [f"{identity}/{camera}"],
            "name": f"{name} {' '.join(camera.replace('-', ' ').replace('_', ' ').split())}",
            "manufacturer": "maskd",
            "model": "Camera",
            "via_device": identity,
        }
        sections = camera_sections(camera, config, topics, labels, commands_on=commands_on)
        # Each entity has it; the names could be long.
        unique = base64.b32encode(hashlib.sha256(f"{identity}/{camera}".encode()).digest())[:8].decode().lower()
        announcements += _announcements(config, device, sections, unique=unique, camera=camera)
    return announcements


def _announcements(
    config: Config, device: Mapping[str, Any], sections: Sequence[Section], *, unique: str, camera: str | None = None
) -> Iterator[Announcement]:
    origin = {"name": "maskd", "sw_version": version("maskd")}
    for section in sections:
        for page, entities in enumerate(_pages(section.entities)):
            components = {key: _with_id(entity, f"{unique}_{key}") for key, entity in entities.items()}
            message = {"device": device, "origin": origin, **section.shared, "components": components}
            yield Announcement(_topic(config, section.name, page, camera), message)


def _with_id(entity: Entity, unique_id: str) -> Entity:
    return entity if entity["platform"] == TRIGGER else {**entity, "unique_id": unique_id}


def _pages(entities: Mapping[str, Entity]) -> Iterator[dict[str, Entity]]:
    rest = iter(entities.items())
    while page := dict(islice(rest, MOST_ENTITIES)):
        yield page


def _topic(config: Config, section: str, page: int, camera: str | None) -> str:
    """A camera's name begins with a letter or a digit, so that what is put before it makes no other camera's name."""
    part = f"{section}{page + 1 if page else ''}"
    if camera is None:
        return f"{_node(config)}/_{part}/config" if part else discovery_topic(config)
    return f"{_node(config)}/{f'_{part}_' if part else ''}{camera}/config"


def discovery_topic(config: Config) -> str:
    """Of the first message, the device's own."""
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
        topic(camera) for camera in config.cameras for topic in (topics.presence, topics.compliance, topics.totals)
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
