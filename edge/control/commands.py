"""Carries out what is asked for on .../set, and tells on .../state what is in effect."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

from edge.config import Config, MqttSettings
from edge.config.settable import Settable, device_settings, settables
from edge.control.audit import By
from edge.control.changes import Changes
from edge.control.command_log import CommandLog
from edge.control.settable import Command, parse_command, settable_of
from edge.errors import MaskdError
from edge.mqtt import Acknowledgement, Incoming, Listener, Message, Receipt
from edge.mqtt.login import commands_enabled
from edge.payloads.payload import timestamp
from edge.payloads.setting import Setting
from edge.payloads.topics import Topics
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus
from edge.system.worker import Worker

WAITING_LIMIT = 32
"""Commands that wait for their turn; what comes on top of them is dropped."""
IDLE_S = 1.0
GAP_S = 0.05
"""Between two commands, so that a flood of them leaves the processor to the cameras."""
STATES_AT_ONCE = 5
"""States handed over and not yet acknowledged: most of what a broker takes at a time is for events."""
log = logging.getLogger(__name__)


class Broker(Protocol):
    """What Commands needs of edge.mqtt.MqttClient."""

    @property
    def topics(self) -> Topics: ...

    @property
    def connection(self) -> int | None: ...

    def add_listener(self, listener: Listener) -> None: ...

    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None]) -> None: ...

    def unsubscribe(self, topic_filter: str) -> None: ...

    def publish(self, message: Message) -> Receipt | None: ...


class Commands(Part):
    """The thread `commands`: one command after another, and every state on every new connection.

    Retained commands are ignored, since they would act again at every start.
    """

    doing = "a change of the configuration"

    def __init__(
        self,
        broker: Broker,
        changes: Changes,
        *,
        effective: Callable[[Config, str | None, str], bool | float | str],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """Before the client is started. `effective(config, camera, setting)`: the value in effect. `on_failure` hears,
        in this thread, of the error that ended it."""
        self.dropped = 0
        """Commands that came too fast."""
        self._broker = broker
        self._changes = changes
        self._effective = effective
        self._is_on = False
        self._inbox: queue.Queue[Incoming] = queue.Queue(WAITING_LIMIT)
        self._answers: queue.SimpleQueue[Acknowledgement] = queue.SimpleQueue()
        """Filled while states are on their way only."""
        self._expects_answers = False
        self._connection: int | None = None
        self._due: dict[Settable, None] = {}
        """States to be published, in order."""
        self._in_flight: set[Receipt] = set()
        self._errors: dict[Settable, str] = {}
        """What the latest command was told, where it was refused or not kept."""
        self._unkept: dict[Settable, str] = {}
        """Why what was set would be gone after a restart."""
        self._all_due = threading.Event()
        self._log = CommandLog()
        self._worker = Worker("commands", self._work, on_failure=on_failure)
        broker.add_listener(self)
        self.apply(changes.config)

    def apply(self, config: Config) -> None:
        """From any thread: on or off, as the configuration says."""
        settings = config.mqtt
        is_on = commands_enabled(settings)
        if is_on == self._is_on:
            return
        self._is_on = is_on
        topics = self._broker.topics
        for topic_filter in (f"{topics.base}/+/+/set", *(topics.set(setting) for setting in device_settings())):
            if is_on:
                self._broker.subscribe(topic_filter, self._received)
            else:
                self._broker.unsubscribe(topic_filter)
        if not is_on:
            log.info("%s", _why_off(settings))

    def start(self) -> None:
        if not self._is_on:
            log.info("%s", _why_off(self._changes.config.mqtt))
        self._worker.start()

    def stop(self, deadline: Deadline | None = None) -> None:
        """Ends the thread after the command that it is at."""
        self._worker.stop(deadline)

    def publish_states(self) -> None:
        """From any thread: every state is published again."""
        self._all_due.set()
        self._worker.wake()

    def status(self) -> PartStatus:
        if not self.dropped:
            return PartStatus()
        return PartStatus(
            ("commands arrived faster than they can be executed, and some were dropped; find out who sends them",)
        )

    def connection_changed(self) -> None:
        self._worker.wake()

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        if self._expects_answers:
            self._answers.put(acknowledgement)
            self._worker.wake()

    def _received(self, incoming: Incoming) -> None:
        """In the connection's thread."""
        try:
            self._inbox.put_nowait(incoming)
        except queue.Full:
            self.dropped += 1
        self._worker.wake()

    def _work(self, now: float) -> float:
        self._step(now)
        if self._inbox.empty():
            return IDLE_S
        self._worker.pause(GAP_S)
        return 0

    def _step(self, now: float) -> None:
        self._follow_connection()
        with contextlib.suppress(queue.Empty):
            self._obey(self._inbox.get_nowait(), now)
        self._keep(now)
        self._publish_due()
        self._log.tell_what_was_left_out(now, self.dropped)

    def _follow_connection(self) -> None:
        if self._broker.connection != self._connection:
            self._connection = self._broker.connection
            self._in_flight.clear()
            self._all_due.set()
        if self._all_due.is_set():
            self._all_due.clear()
            self._due |= dict.fromkeys(self._existing())

    def _publish_due(self) -> None:
        while not self._answers.empty():
            self._in_flight.discard(self._answers.get().receipt)
        self._expects_answers = bool(self._due or self._in_flight)
        config = self._changes.config
        existing = self._existing()
        self._due = {each: None for each in self._due if each in existing}
        for each in list(self._due)[: max(0, STATES_AT_ONCE - len(self._in_flight))]:
            receipt = self._publish(each, config)
            if receipt is None:
                return
            self._in_flight.add(receipt)
            del self._due[each]

    def _existing(self) -> list[Settable]:
        return settables(self._changes.config) if self._is_on else []

    def _publish(self, each: Settable, config: Config) -> Receipt | None:
        state = Setting(
            setting=each.setting,
            camera=each.camera,
            value=self._effective(config, each.camera, each.setting),
            persisted=self._changes.is_persisted(each),
            error=self._errors.get(each) or self._unkept.get(each),
            time=timestamp(time.time()),
        )
        topic = self._broker.topics.state(each.setting, each.camera)
        return self._broker.publish(Message(topic, state.to_json(), retain=True, schema=state.schema_name))

    def _obey(self, incoming: Incoming, now: float) -> None:
        with self._changes.lock:
            if self._is_on:
                self._obey_alone(incoming, now)

    def _obey_alone(self, incoming: Incoming, now: float) -> None:
        each = settable_of(incoming.topic, self._broker.topics, self._changes.config)
        if each is None:
            # No state is made of it: otherwise a writer could create endless topics.
            self._log.refused(f"there is no such camera or setting: {incoming.topic[:100]!a}", now)
        elif incoming.retained:
            self._log.retained(each, incoming.topic)
        elif incoming.payload:  # an empty one clears a retained command
            self._errors.pop(each, None)
            try:
                self._carry_out(each, parse_command(incoming.payload), now)
            except MaskdError as error:
                self._errors[each] = str(error)
                self._log.refused(f"{each}: {error}", now)
            self._due[each] = None

    def _keep(self, now: float) -> None:
        """Saves what commands set, and publishes what could not be saved."""
        self._changes.keep(now)
        unkept = {
            each: f"in effect, but gone after a restart: {reason}"
            for each in self._existing()
            if (reason := self._changes.unkept(each)) is not None
        }
        self._due |= dict.fromkeys(
            each for each in {**unkept, **self._unkept} if unkept.get(each) != self._unkept.get(each)
        )
        self._unkept = unkept

    def _carry_out(self, each: Settable, command: Command, now: float) -> None:
        if self._changes.set(each, command.value, By("command")):
            config = self._changes.config
            self._log.changed(each, self._effective(config, each.camera, each.setting), now)
        if command.persist:
            try:
                self._log.written(each, self._changes.write(each, now))
            except MaskdError as error:
                raise MaskdError(f"in effect, also after a restart, but not written to the file: {error}") from None


def _why_off(settings: MqttSettings) -> str:
    if settings.commands is False:
        return "commands over MQTT are off; mqtt.commands: true turns them on"
    return (
        "commands over MQTT are off because this device does not log in at the broker, so that anyone could send "
        "them; mqtt.username, or mqtt.commands: true, turns them on"
    )
