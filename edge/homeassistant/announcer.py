"""Announces this device to Home Assistant, and clears from the broker what is no longer there."""

from __future__ import annotations

import logging
import math
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.config import Config
from edge.homeassistant import Announcement, announce, birth_topic, retained_topics
from edge.homeassistant.announced import Announced, AnnouncedFile, plan
from edge.homeassistant.attempt import Attempt, Pace
from edge.mqtt import Acknowledgement, Incoming, Message, MqttClient
from edge.mqtt.login import commands_enabled
from edge.system.board import temperature_c
from edge.system.deadline import Deadline
from edge.system.part import Part
from edge.system.worker import Worker

log = logging.getLogger(__name__)

IDLE_S = 1.0
PATIENCE = 2
"""Attempts that may fail before there are pauses between them, and before what is gone is no longer cleared."""


class Announcer(Part):
    """The thread `homeassistant`: discovery messages on every new connection, on Home Assistant's birth message, and
    when the configuration changes.

    A broker that does not take it is told again with growing pauses, so that messages which it does take get through.
    """

    doing = "what is announced to Home Assistant"

    def __init__(
        self,
        client: MqttClient,
        config: Config,
        labels: Sequence[str],
        path: Path,
        on_republish: Sequence[Callable[[], None]],
        *,
        on_failure: Callable[[BaseException], None],
        pace: Pace | None = None,
        page_url: Callable[[Config], str | None] = lambda _: None,
    ) -> None:
        """Call it before the client is started.

        `labels`: the classifier's. `path`: the file that remembers what was announced. `on_republish`: called in
        this thread after an announcement that Home Assistant's birth asked for, to publish every retained state again.
        `on_failure` hears, in this thread, of the error that ended it. `page_url`: the address of the device's web
        page, if others can open it."""
        self._client = client
        self._config = config
        self._labels = labels
        self._file = AnnouncedFile(path)
        self._on_republish = on_republish
        self._pace = pace or Pace()
        self._page_url = page_url
        self._last: Announced | None = None
        """What the broker is known to keep."""
        self._attempt: Attempt | None = None
        self._birth_topic: str | None = None
        """Where Home Assistant's birth is listened for."""
        self._failures = 0
        """Attempts that failed, one after another."""
        self._due_at = math.inf
        self._not_before = -math.inf
        self._connection: int | None = None
        self._born = threading.Event()
        self._asks_for_states = False
        self._changed = threading.Event()
        self._forgets_refusals = threading.Event()
        self._told: tuple[int | None, Sequence[Announcement]] | None = None
        """What was announced last, and on which connection; None: it has to be announced again in any case."""
        self._expects_answers = False
        self._answers: queue.SimpleQueue[Acknowledgement] = queue.SimpleQueue()
        """Filled for the seconds of an attempt only."""
        self._worker = Worker("homeassistant", self._work, on_failure=on_failure, on_stop=self._finish)
        client.add_listener(self)
        self._listen_for_births(config)

    def start(self) -> None:
        self._last = self._file.read()
        self._worker.start()

    def stop(self, deadline: Deadline | None = None) -> None:
        """Ends the thread; what was announced stays."""
        self._worker.stop(deadline)

    def apply(self, config: Config) -> None:
        """From any thread, but one at a time: announces what is new in `config`."""
        self._listen_for_births(config)
        self._config = config
        self._changed.set()
        self._worker.wake()

    def forget_refusals(self) -> None:
        """From any thread, when another broker, or another login, comes next: that the connection is lost now, or that
        something was refused before, is not a reason to wait."""
        self._forgets_refusals.set()
        self._worker.wake()

    def _listen_for_births(self, config: Config) -> None:
        wanted = birth_topic(config.mqtt) if config.mqtt.homeassistant.enabled else None
        if wanted == self._birth_topic:
            return
        if self._birth_topic is not None:
            self._client.unsubscribe(self._birth_topic)
        if wanted is not None:
            self._client.subscribe(wanted, self._status_came)
        self._birth_topic = wanted

    def connection_changed(self) -> None:
        self._worker.wake()

    def acknowledged(self, acknowledgement: Acknowledgement) -> None:
        if self._expects_answers:
            self._answers.put(acknowledgement)
            self._worker.wake()

    def _status_came(self, incoming: Incoming) -> None:
        """In the connection's thread. A retained birth is old news: a new connection has us announce anyway."""
        if incoming.payload == b"online" and not incoming.retained:
            self._born.set()
            self._worker.wake()

    def _work(self, now: float) -> float:
        self._step(now)
        return self._rest(now)

    def _finish(self) -> None:
        """What was sent without an answer is remembered too: the broker may keep it."""
        self._take_answers(time.monotonic())
        if self._attempt is not None:
            self._remember(self._attempt.aim)

    def _step(self, now: float) -> None:
        self._take_answers(now)  # first, for a refusal may be the broker's last word on this connection
        if self._forgets_refusals.is_set():
            self._forgets_refusals.clear()
            self._begin_anew(now)
        self._follow_connection(now)
        if self._born.is_set():
            self._born.clear()
            if not self._asks_for_states:
                self._asks_for_states = True
                self._told = None
                self._ask(now + random.uniform(0, self._pace.jitter_s))  # noqa: S311
        if self._changed.is_set():
            self._changed.clear()
            self._ask(now)
        if self._connection is not None and self._attempt is None and now >= self._due_at:
            self._due_at = math.inf
            self._not_before = now + self._pace.least_gap_s
            self._announce(now)

    def _rest(self, now: float) -> float:
        """Seconds until there is something to do without being woken."""
        if self._attempt is not None:
            return min(IDLE_S, self._pace.settled_s)
        if self._connection is None:
            return IDLE_S
        return min(max(0.0, self._due_at - now), IDLE_S)

    def _ask(self, at: float) -> None:
        self._due_at = max(min(self._due_at, at), self._not_before)

    def _follow_connection(self, now: float) -> None:
        connection = self._client.connection
        if connection == self._connection:
            return
        self._connection = connection
        if self._attempt is not None:
            self._fail(self._attempt.topic, "the connection was lost as soon as it was sent", now)
        if connection is not None:
            self._ask(now)

    def _take_answers(self, now: float) -> None:
        while not self._answers.empty():
            answer = self._answers.get()
            topic = self._attempt.awaited.pop(answer.receipt, None) if self._attempt is not None else None
            if topic is not None and answer.refusal is not None:
                self._fail(topic, answer.refusal, now)
        attempt = self._attempt
        if attempt is not None and not attempt.awaited and now - attempt.since >= self._pace.settled_s:
            self._succeed(attempt.aim, attempt.given_up)

    def _announce(self, now: float) -> None:
        announcements = self._announcements()
        if self._told == (self._connection, announcements):
            return  # what changed is nothing that Home Assistant is told
        self._told = (self._connection, announcements)
        aim = Announced(
            messages={each.topic: each.platforms for each in announcements},
            retained=frozenset(retained_topics(self._config, commands_on=commands_enabled(self._config.mqtt))),
        )
        steps = plan(announcements, aim, self._last, clears=self._failures < PATIENCE)
        if steps.messages:
            topic = announcements[0].topic if announcements else steps.messages[0].topic
            self._send(steps.messages, Attempt(aim, topic, steps.given_up, now))
        else:
            self._succeed(aim, steps.given_up)
        if self._asks_for_states:
            self._asks_for_states = False
            for republish in self._on_republish:
                republish()

    def _send(self, messages: list[Message], attempt: Attempt) -> None:
        self._attempt = attempt
        self._expects_answers = True
        for message in messages:
            receipt = self._client.publish(message)
            if receipt is None:
                return  # the connection is gone, which the next step learns
            attempt.awaited[receipt] = message.topic

    def _announcements(self) -> Sequence[Announcement]:
        if not self._config.mqtt.homeassistant.enabled:
            return []
        return announce(
            self._config,
            self._labels,
            commands_on=commands_enabled(self._config.mqtt),
            tells_temperature=temperature_c() is not None,
            page_url=self._page_url(self._config),
        )

    def _succeed(self, aim: Announced, given_up: list[str]) -> None:
        self._end_attempt()
        if self._failures >= PATIENCE:
            log.info("the broker accepts what is announced to Home Assistant")
        if given_up:
            log.warning(
                "the broker still retains old messages on %s, which this device's user may not clear; clear each "
                "with mosquitto_pub -r -n -t TOPIC",
                ", ".join(given_up),
            )
        self._failures = 0
        self._pace.pause.reset()
        if aim != self._last:
            self._last = aim
            self._file.write(aim)

    def _fail(self, topic: str, reason: str, now: float) -> None:
        self._end_attempt()
        self._told = None
        self._failures += 1
        if self._failures >= PATIENCE:
            self._not_before = max(self._not_before, now + self._pace.pause.next())
        if self._failures == PATIENCE:
            log.warning(
                "the broker refuses what is announced to Home Assistant on %s: %s; maskd retries now and then: let "
                "this device's user write there, or set mqtt.homeassistant.enabled to false",
                topic,
                reason,
            )
        self._ask(now)

    def _begin_anew(self, now: float) -> None:
        if self._attempt is not None and not self._attempt.awaited:
            self._succeed(self._attempt.aim, self._attempt.given_up)
        elif self._attempt is not None:
            self._remember(self._attempt.aim)
        self._end_attempt()
        self._told = None
        self._failures = 0
        self._pace.pause.reset()
        self._not_before = now + self._pace.least_gap_s
        self._ask(now)

    def _remember(self, aim: Announced) -> None:
        """The broker may keep some of it."""
        self._last = aim if self._last is None else self._last | aim
        self._file.write(self._last)

    def _end_attempt(self) -> None:
        self._expects_answers = False
        self._attempt = None
        while not self._answers.empty():
            self._answers.get()
