"""Keeps the connection to the broker."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from edge.config import Config, MqttSettings
from edge.errors import MaskdError
from edge.mqtt.broker_limits import IN_FLIGHT_LIMIT
from edge.mqtt.connection_history import ConnectionHistory
from edge.mqtt.connection_log import ConnectionLog
from edge.mqtt.guarding import guarded
from edge.mqtt.messages import Acknowledgement, Incoming, Listener, Message, Receipt, Subscription
from edge.mqtt.session import Session
from edge.mqtt.versions import Version
from edge.payloads.topics import Topics
from edge.system.backoff import Backoff
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus

log = logging.getLogger(__name__)

STOP_S = 3.0
LOOP_S = 0.25
"""A stop is noticed after so long at the latest."""
_NETWORK = {"host", "port", "protocol", "client_id", "keepalive_s", "tls"}
_LOGIN = {"username", "username_file", "password_file"}
CONNECTION_SETTINGS = {*_NETWORK, *_LOGIN, "commands", "homeassistant"}
"""Those that a connection is made by; on the last two depends what is subscribed to."""


class MqttClient(Part):
    """Keeps a connection to the broker, from its own thread `mqtt`, for as long as it is started.

    Every connection gets a fresh paho client, since paho sends what it still has in memory without any limit when it
    reconnects; the publisher knows from the missing acknowledgement what to publish again. Nothing here raises for a
    broker that is absent or says no: the reason is logged, once until it changes, and tried again.
    """

    doing = "the connection to the broker"
    stop_s = kept_s = 1.0

    def __init__(self, settings: MqttSettings, device: str, *, backoff: Backoff | None = None) -> None:
        self.topics = Topics(settings.prefix, device)
        self.connections = 0
        """Times that a broker has let us in."""
        self.problem: str | None = None
        """Why there is no connection; None while there is one, or while the first attempt is under way."""
        self.on_other_broker: list[Callable[[], None]] = []
        """Called by apply() before another broker, or another login, comes next."""
        self._device = device
        self._settings = settings
        self._client_id = _client_id(settings, device)
        self._wanted = settings
        """Settings of the next connection."""
        self._history = ConnectionHistory(backoff or Backoff())
        self._log = ConnectionLog()
        self._listeners: list[Listener] = []
        self._subscriptions: tuple[Subscription, ...] = ()
        """Replaced as a whole."""
        self._session: Session | None = None
        self._death: BaseException | None = None
        """What ended the thread."""
        self._goodbye_by: Deadline | None = None
        self._stopping = threading.Event()
        self._hurried = threading.Event()
        self._outdated = threading.Event()
        """The present connection, or attempt, is by settings that hold no more."""
        self._thread = self._make_thread()
        self._is_started = False

    def add_listener(self, listener: Listener) -> None:
        """Before start()."""
        self._listeners.append(listener)

    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None]) -> None:
        """Asks for these messages, now and on every new connection. Not from two threads at once.

        `handler` runs in the connection's thread: it returns at once, never publishes, and takes no lock that a
        publishing thread holds. Messages over 4 KiB do not reach it. Retained ones come again with every connection.
        """
        self._subscriptions = (*self._subscriptions, Subscription(topic_filter, handler))

    def unsubscribe(self, topic_filter: str) -> None:
        """From the next connection on these messages are neither asked for nor handed on. Not from two threads at
        once."""
        self._subscriptions = tuple(each for each in self._subscriptions if each.topic_filter != topic_filter)
        # The session would go on collecting them, and deliver them to the next subscriber.
        self._history.forgets_session = True

    def apply(self, config: Config) -> None:
        """Reconnects if another broker, login or subscription is asked for."""
        if not self.is_connected_by(config.mqtt):
            for tell in self.on_other_broker:
                tell()
            self.reconfigure(config.mqtt)

    @property
    def is_settled(self) -> bool:
        return self.connection is not None or self.problem is not None

    def status(self) -> PartStatus:
        return PartStatus(fields={"mqtt": {"connections": self.connections}})

    def is_connected_by(self, settings: MqttSettings) -> bool:
        """Whether these would make the same connection, and the same subscriptions."""
        present = self._wanted.model_dump(include=CONNECTION_SETTINGS)
        return present == settings.model_dump(include=CONNECTION_SETTINGS)

    def reconfigure(self, settings: MqttSettings) -> None:
        """From any thread: a new connection by these settings takes the place of the present one, which ends with
        `offline`. Topics stay as they are."""
        self._wanted = settings
        self._outdated.set()
        self._hurried.set()

    def start(self) -> None:
        """Returns at once; the broker may be absent."""
        self._thread.start()
        self._is_started = True

    def stop(self, deadline: Deadline | None = None) -> None:
        """Says `offline` and disconnects; without a deadline within `STOP_S`."""
        self._goodbye_by = deadline = deadline or Deadline(STOP_S)
        self._stopping.set()
        self._hurried.set()
        if self._thread.ident is not None:
            self._thread.join(deadline.left)

    def ensure_alive(self) -> None:
        """Replaces the connection's thread, should it have died; to be called now and then, from one thread."""
        if self._is_started and not self._thread.is_alive() and not self._stopping.is_set():
            if self._death is not None:
                log.error(
                    "the thread of the connection to the broker died of %r and is replaced; please report this",
                    self._death,
                )
                self._death = None
            self._thread = self._make_thread()
            with suppress(RuntimeError):  # the system starts no more threads; the next call tries again
                self._thread.start()

    def hurry(self) -> None:
        """Where there is no connection: tries now, instead of waiting the back-off out."""
        if self._session is None:
            self.problem = None
            self._hurried.set()

    @property
    def discarded(self) -> int:
        """Incoming messages that were too large to be a command."""
        return self._log.discarded

    @property
    def connection(self) -> int | None:
        """The number of the present connection; None where there is none."""
        session = self._session
        return None if session is None else session.number

    @property
    def in_flight_limit(self) -> int:
        """Messages that the broker takes before it has acknowledged them."""
        session = self._session
        return IN_FLIGHT_LIMIT if session is None else session.in_flight_limit

    def publish(self, message: Message) -> Receipt | None:
        """Hands a message over; its acknowledgement comes to the listeners. None where there is no connection."""
        session = self._session
        return None if session is None else session.publish(message)

    def drop(self, reason: str, *, discard: bool = False) -> None:
        """Gives the present connection up, for a new one. `discard`: what has not been sent by now is not sent."""
        session = self._session
        if session is not None:
            if discard:
                session.discard_unsent()
            session.failure = session.failure or reason

    def _make_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="mqtt", daemon=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._connect_and_serve()
            except MaskdError as error:
                self._report(str(error))
            except Exception as error:  # noqa: BLE001 - it is logged
                # An error of paho's or of ours must not end the thread: without it nothing is ever sent again.
                self._log.unexpected(error)
            except BaseException as error:
                self._death = error
                raise
            if not self._outdated.is_set():
                self._hurried.wait(self._history.backoff.next())
            self._hurried.clear()

    def _take_over_settings(self) -> None:
        self._outdated.clear()
        settings = self._wanted
        if settings is not self._settings:
            self._settings = settings
            self._client_id = _client_id(settings, self._device)
            # Whatever was said of the broker so far was about another one.
            self.problem = None
            self._history.other_broker()
            self._log.other_broker()

    def _connect_and_serve(self) -> None:
        self._take_over_settings()
        versions = self._history.versions.to_try(self._settings.protocol)
        doubt = None
        for version in versions:
            is_last = version == versions[-1]
            session = self._make_session(version, is_last=is_last)
            try:
                self._serve(session, doubt)
            except MaskdError as error:
                doubt = session.version_doubt
                if doubt is None or self._stopping.is_set() or self._outdated.is_set():
                    better = self._history.explain(error, session, self._client_id)
                    if better is error:
                        raise  # as its own cause it would keep the session's sockets until it is collected
                    raise better from error
                if is_last:
                    self._history.versions.forget()
                    raise
            else:
                return

    def _make_session(self, version: Version, *, is_last: bool) -> Session:
        session = Session(
            self._settings,
            self._client_id,
            self.topics,
            self.connections + 1,
            version=version,
            is_last=is_last,
            subscriptions=() if self._history.is_deaf else self._subscriptions,
            keep_session=not self._history.forgets_session,
        )
        session.on_acknowledged = self._acknowledged
        session.inbox.on_subscribed = lambda topic, refusal: self._log.subscribed(topic, refusal, self._client_id)
        session.inbox.on_discarded = self._log.too_large
        return session

    def _serve(self, session: Session, doubt: str | None) -> None:
        """`doubt`: why the broker is not spoken to in a newer version."""
        session.on_accepted = lambda session: self._accepted(session, doubt)
        try:
            session.connect()
            for warning in session.warnings:
                self._log.warning(warning)
            while not self._stopping.is_set() and not self._outdated.is_set():
                session.serve(LOOP_S)
                listens = session.is_accepted and not self._history.is_deaf
                if listens and session.inbox.subscriptions is not self._subscriptions:
                    session.inbox.subscribe(self._subscriptions)
            session.say_goodbye(self._goodbye_by)
        finally:
            was_connected = self._session is not None
            self._session = None
            session.close()
            self._history.ended(session)
            if session.is_stable:
                self._log.good_connection()
            if was_connected:
                self._tell_state()

    def _accepted(self, session: Session, doubt: str | None) -> None:
        self._history.accepted(session)
        self._log.connected(session, self._client_id, doubt)
        self.connections = session.number
        self.problem = None
        self._session = session
        self._tell_state()

    def _acknowledged(self, acknowledgement: Acknowledgement) -> None:
        for listener in self._listeners:
            guarded(listener.acknowledged)(acknowledgement)

    def _tell_state(self) -> None:
        for listener in self._listeners:
            guarded(listener.connection_changed)()

    def _report(self, problem: str) -> None:
        self.problem = problem
        if not self._stopping.is_set():
            self._log.problem(problem)


def _client_id(settings: MqttSettings, device: str) -> str:
    return settings.client_id or f"maskd-{device}"
