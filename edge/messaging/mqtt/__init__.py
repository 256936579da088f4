"""The connection to the broker; only session.py and paho_client.py know paho."""

from __future__ import annotations

from edge.messaging.mqtt.client import MqttClient
from edge.messaging.mqtt.messages import Acknowledgement, Incoming, Listener, Message, Receipt

__all__ = ["Acknowledgement", "Incoming", "Listener", "Message", "MqttClient", "Receipt"]
