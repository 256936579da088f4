"""The connection to the broker; only session.py and paho_client.py know paho."""

from __future__ import annotations

from edge.mqtt.client import MqttClient
from edge.mqtt.messages import Acknowledgement, Incoming, Listener, Message, Receipt

__all__ = ["Acknowledgement", "Incoming", "Listener", "Message", "MqttClient", "Receipt"]
