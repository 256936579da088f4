"""What a connection listens to, and who gets it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.guarding import guarded
from edge.mqtt.messages import Incoming, Subscription

PAYLOAD_LIMIT = 4096
"""Bytes of an incoming message; a command has a few dozen."""


class Inbox:
    """Of one connection; belongs to the thread that serves it."""

    def __init__(self, client: Client, subscriptions: Sequence[Subscription]) -> None:
        """`subscriptions` are to be asked for once there is a connection."""
        self.on_subscribed: Callable[[str, str | None], None] = lambda _topic_filter, _refusal: None
        self.on_discarded: Callable[[str, int], None] = lambda _topic, _size: None
        self.subscriptions = subscriptions
        self._client = client
        self._unanswered: dict[int | None, str] = {}
        client.on_subscribe = guarded(self._answered)
        client.on_message = guarded(self._received)

    def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Asks for these messages; the answers come to `on_subscribed`."""
        self.subscriptions = subscriptions
        for subscription in subscriptions:
            _, mid = self._client.subscribe(subscription.topic_filter, qos=1)
            self._unanswered[mid] = subscription.topic_filter

    def _answered(
        self, _client: Client, _userdata: Any, mid: int, answers: list[ReasonCode], _properties: Properties | None
    ) -> None:
        topic_filter = self._unanswered.pop(mid, None)
        if topic_filter is not None and answers:
            self.on_subscribed(topic_filter, answers[0].getName() if answers[0].is_failure else None)

    def _received(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # nothing that we asked for, and no broker that keeps to the rules delivers it
        if len(message.payload) > PAYLOAD_LIMIT:
            self.on_discarded(topic, len(message.payload))
            return
        incoming = Incoming(topic, bytes(message.payload), message.retain)
        for subscription in self.subscriptions:
            if topic_matches_sub(subscription.topic_filter, topic):
                guarded(subscription.handler)(incoming)
