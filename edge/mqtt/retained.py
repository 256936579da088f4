"""What a broker keeps of a device, found and cleared."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from edge.config import MqttSettings
from edge.errors import MaskdError
from edge.mqtt.brief_session import LOOP_S, brief_session
from edge.mqtt.messages import Acknowledgement, Incoming, Message, Subscription
from edge.mqtt.session import Session

QUIET_S = 1.0
"""Silence after which a broker has sent all that it keeps."""
PATIENCE_S = 30.0
"""For a broker whose messages do not end, and for one acknowledgement."""
FOUND_LIMIT = 10_000
"""Many more than a device has; what a broker sends on top of them would only fill the memory."""


class RetainedMessages:
    """Looks at a broker under a client id of its own, so that a running daemon is left alone."""

    def __init__(self, settings: MqttSettings, device: str) -> None:
        self._settings = settings
        self._device = device

    def find(self, topic_filters: Sequence[str]) -> dict[str, bytes]:
        """What this login may read of them, by topic; the payload of one over 4 KiB is left out.

        Raises MaskdError where the broker is absent or does not let us in.
        """
        found: dict[str, bytes] = {}
        unanswered = set(topic_filters)
        quiet_since = time.monotonic()

        def take(topic: str, payload: bytes) -> None:
            nonlocal quiet_since
            quiet_since = time.monotonic()
            found[topic] = payload

        def received(incoming: Incoming) -> None:
            if incoming.retained:
                take(incoming.topic, incoming.payload)

        with brief_session(self._settings, self._device, "purge") as session:
            session.inbox.on_subscribed = lambda topic_filter, _refusal: unanswered.discard(topic_filter)
            session.inbox.on_discarded = lambda topic, _size: take(topic, b"")
            session.inbox.subscribe([Subscription(topic_filter, received) for topic_filter in topic_filters])
            give_up_at = time.monotonic() + PATIENCE_S
            while time.monotonic() < give_up_at and (unanswered or time.monotonic() - quiet_since < QUIET_S):
                session.serve(LOOP_S)
                if len(found) > FOUND_LIMIT:
                    raise MaskdError(
                        f"the broker retains more than {FOUND_LIMIT} messages below {', '.join(topic_filters)}, more "
                        "than any device publishes; check who else writes there, and clear them at the broker"
                    )
        return found

    def clear(self, topics: Iterable[str]) -> dict[str, str]:
        """Empties these topics; returns why, by topic, for those where the broker says no.

        A broker of MQTT 3.1.1 says nothing. Raises MaskdError where it is absent or does not let us in.
        """
        waiting = list(topics)
        refused: dict[str, str] = {}
        while waiting:
            with brief_session(self._settings, self._device, "purge") as session:
                refusal = None
                while waiting and refusal is None:
                    try:
                        refusal = _clear(session, waiting[0])
                    except MaskdError:
                        refusal = "the broker closed the connection"
                    topic = waiting.pop(0)
                # Mosquitto 2.0 closes the connection over a message that its access list forbids; the next topic must
                # not be blamed for it.
                if refusal is not None:
                    refused[topic] = refusal
        return refused


def _clear(session: Session, topic: str) -> str | None:
    """Returns why the broker does not want it; raises MaskdError where the connection is lost over it."""
    answers: list[Acknowledgement] = []
    session.on_acknowledged = answers.append
    receipt = session.publish(Message(topic, b"", retain=True))
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        for answer in answers:
            if answer.receipt == receipt:
                return answer.refusal
        if receipt is None or time.monotonic() > give_up_at:
            return "the broker has not acknowledged it"
        session.serve(LOOP_S)
