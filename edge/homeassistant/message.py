"""What this device says of itself to Home Assistant: one MQTT discovery message for the device and all its entities.

The form is that of https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload, understood by Home
Assistant 2024.12 and newer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from edge.config import Config, MqttSettings
from edge.config.settable import settables
from edge.homeassistant.entities import camera_entities, device_entities
from edge.payloads.topics import Topics


@dataclass(frozen=True, slots=True)
class Announcement:
    """The discovery message and its topic."""

    topic: str
    message: dict[str, Any]

    @property
    def platforms(self) -> dict[str, str]:
        """The platform of each component by its key."""
        return {key: component["platform"] for key, component in self.message["components"].items()}

    def to_json(self, removed: Mapping[str, str] | None = None) -> bytes:
        """`removed`: platforms, by their keys, of components that Home Assistant is to forget."""
        gone = {key: {"platform": platform} for key, platform in (removed or {}).items()}
        message = {**self.message, "components": {**self.message["components"], **gone}}
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def announce(config: Config, labels: Sequence[str], *, commands_on: bool, tells_temperature: bool) -> Announcement:
    """`labels`: the classifier's; `commands_on`: numbers and switches, too; `tells_temperature`: the board does."""
    topics = Topics(config.mqtt.prefix, config.device)
    identity = _identity(config)
    components = device_entities(config, topics, commands_on=commands_on, tells_temperature=tells_temperature)
    for camera in config.cameras:
        components |= camera_entities(camera, config, topics, labels, commands_on=commands_on)
    for key, component in components.items():
        component["unique_id"] = f"{identity}_{key}"
    message = {
        "device": {
            "identifiers": [identity],
            "name": f"maskd {config.device}",
            "manufacturer": "maskd",
            "model": "Mask compliance camera",
            "sw_version": version("maskd"),
        },
        "origin": {"name": "maskd", "sw_version": version("maskd")},
        "availability": [{"topic": topics.availability}],
        "availability_mode": "all",
        # Home Assistant subscribes with it; with 0 the broker may drop an event on the way.
        "qos": 1,
        "components": components,
    }
    return Announcement(f"{config.mqtt.homeassistant.prefix}/device/{identity}/config", message)


def birth_topic(settings: MqttSettings) -> str:
    """Where Home Assistant says `online` when it has started."""
    return f"{settings.homeassistant.prefix}/status"


def retained_topics(config: Config, *, commands_on: bool) -> list[str]:
    """Everything that the broker may keep of this device, apart from the discovery message."""
    topics = Topics(config.mqtt.prefix, config.device)
    of_cameras = [topic(camera) for camera in config.cameras for topic in (topics.presence, topics.compliance)]
    of_settings = [topics.state(each.setting, each.camera) for each in settables(config)] if commands_on else []
    return [topics.availability, topics.status, *of_cameras, *of_settings]


def _identity(config: Config) -> str:
    """Unlike the device's name alone it also tells devices apart that share a broker, but not the topics' prefix."""
    identity = f"maskd_{config.device}"
    if config.mqtt.prefix != MqttSettings().prefix:
        identity += f"-{hashlib.sha256(config.mqtt.prefix.encode()).hexdigest()[:8]}"
    return identity
