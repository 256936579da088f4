"""Trying a broker, as the commands of maskd do."""

from __future__ import annotations

from edge.config import MqttSettings
from edge.mqtt.brief_session import brief_session


def connect_once(settings: MqttSettings) -> None:
    """Raises MaskdError where the broker is absent or does not let us in."""
    with brief_session(settings, "lobby", "test"):
        pass
