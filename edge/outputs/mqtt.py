"""Publishes each action on a topic of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from edge.config.mqtt_output import MqttOutputSettings, is_json
from edge.config.template import filled, filled_json
from edge.mqtt.awaited import AwaitedPublisher, Unanswered, Wait
from edge.mqtt.messages import Acknowledgement, Message
from edge.outputs.action_queue import ActionQueue
from edge.outputs.keeping_output import IDLE_S, KeepingOutput, NotDeliveredError
from edge.payloads.action import Action
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline

ANSWER_S = 30.0
PATIENCE = 2
"""Times in a row that the connection may be lost over a message before there are long pauses."""
LEAST_PAUSE_S = 30.0
"""The broker may end the connection over a message that it refuses, as Mosquitto 2.0.11 does, and events are on it."""
_REFUSED_FOR_GOOD = {"Topic name invalid", "Payload format invalid", "Packet too large"}
"""Answers that are about the message itself: the same would be refused again."""
_LEVEL_LENGTH = 100
_UNSAFE = re.compile(r"[/+#$\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class MqttOutput(KeepingOutput):
    longest_pause_s = 600.0

    def __init__(
        self,
        setting: str,
        settings: MqttOutputSettings,
        queue: ActionQueue,
        publisher: AwaitedPublisher,
        *,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        super().__init__(setting, queue, on_failure=on_failure)
        self._settings = settings
        self._publisher = publisher
        self._wait = Wait()
        self._losses = 0
        """Times in a row that the connection was lost over a message."""
        self._pauses = Backoff(first_s=60.0, cap_s=self.longest_pause_s - LEAST_PAUSE_S)

    def start(self) -> None:
        self._publisher.watch(self.wake)
        super().start()

    def stop(self, deadline: Deadline) -> None:
        self._publisher.unwatch(self.wake)
        super().stop(deadline)

    def wait_s(self) -> float:
        """The status tells of an absent broker already."""
        return 0.0 if self._publisher.is_connected else IDLE_S

    def deliver(self, actions: Sequence[Action]) -> None:
        message = message_of(actions[0], self._settings)
        self._wait.begin()
        if self._withholds:
            raise NotDeliveredError("it is withheld")
        answer = self._publisher.publish(message, self._wait, ANSWER_S)
        match answer:
            case Unanswered.NO_CONNECTION:
                raise NotDeliveredError("the connection to the broker has ended", retry_after_s=0.0)
            case Unanswered.INTERRUPTED:
                if self._withholds:
                    self._publisher.discard(
                        "maskd reconnects without what an output was to publish, because privacy is aggregate now"
                    )
                raise NotDeliveredError("maskd ended the wait for the broker")
            case Unanswered.LATE:
                raise NotDeliveredError(
                    f"the broker has not acknowledged a message on {message.topic} for {ANSWER_S:g} s; see its log"
                )
            case Unanswered.LOST:
                raise self._lost(message.topic)
        self._losses = 0
        if answer.refusal is not None:
            raise self._refused(message.topic, answer)
        self._pauses.reset()

    def hurry(self) -> None:
        self._wait.interrupt()

    def try_out(self) -> str:
        return f"publishes on {self._settings.topic}; nothing was sent"

    def _refused(self, topic: str, answer: Acknowledgement) -> NotDeliveredError:
        refusal = f"the broker refuses a message on {topic}: {answer.refusal}"
        if answer.is_lasting or answer.refusal in _REFUSED_FOR_GOOD:
            return NotDeliveredError(f"{refusal}; shorten topic or payload", is_final=True)
        return NotDeliveredError(
            f"{refusal}; let this device's user publish there", retry_after_s=LEAST_PAUSE_S + self._pauses.next()
        )

    def _lost(self, topic: str) -> NotDeliveredError:
        self._losses += 1
        if self._losses < PATIENCE:
            return NotDeliveredError("the connection to the broker was lost over a message", retry_after_s=0.0)
        return NotDeliveredError(
            f"the connection to the broker was lost over each of the last {self._losses} messages on {topic}; let this "
            "device's user publish there",
            retry_after_s=LEAST_PAUSE_S + self._pauses.next(),
        )


def message_of(action: Action, settings: MqttOutputSettings) -> Message:
    """Published with QoS 1, and not retained: an action is a moment."""
    topic, values = topic_of(action, settings.topic), action.model_dump(mode="json")
    if settings.payload is None:
        return Message(topic, action.to_json(), schema=action.schema_name, id=str(action.id))
    if is_json(settings.payload):
        return Message(topic, filled_json(settings.payload, values).encode(), id=str(action.id))
    text = filled(settings.payload, values).encode("utf-8", "replace")
    return Message(topic, text, id=str(action.id), content_type="text/plain")


def topic_of(action: Action, template: str) -> str:
    """Each value is a part of one level, whatever it holds."""
    values = action.model_dump(mode="json")
    return filled(template, {name: _as_level(filled(f"{{{name}}}", values)) for name in values})


def _as_level(text: str) -> str:
    return _UNSAFE.sub("_", text)[:_LEVEL_LENGTH] or "none"
