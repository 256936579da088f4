"""Keeps the connection to the broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from edge.backoff import Backoff
from edge.config import Config, MqttSettings
from edge.deadline import Deadline
from edge.errors import MaskdError
from edge.messaging.mqtt.guarding import guarded
from edge.messaging.mqtt.messages import Acknowledgement, Incoming, Listener, Message, Receipt, Subscription
from edge.messaging.mqtt.reasons import explain_refused_subscription, explain_short_connections
from edge.messaging.mqtt.session import IN_FLIGHT_LIMIT, Session
from edge.messaging.mqtt.versions import Version, VersionChoice
from edge.payloads.topics import Topics
from edge.system.part import Part, PartStatus

log = logging.getLogger(__name__)

STOP_S = 3.0
LOOP_S = 0.25
"""A stop is noticed after so long at the latest."""
CONNECTION_SETTINGS = {
    "host",
    "port",
    "protocol",
    "username",
    "username_file",
    "password_file",
    "client_id",
    "keepalive_s",
    "tls",
    "commands",
    "homeassistant",
}
"""Those that a connection is made by; on the last two depends what is subscribed to."""
SHORT_CONNECTIONS = 3
"""So many short connections in a row are a sign of something that takes the connection away again and again."""
DEAF_S = 300.0
"""After a message that would have filled the memory nothing is subscribed for so long, for a retained one comes again
with every subscription."""


class MqttClient(Part):
    """Keeps a connection to the broker, from its own thread `mqtt`, for as long as it is started.

    Every connection gets a fresh paho client, since paho sends what it still has in memory without any limit when it
    reconnects; whoever published knows from the missing acknowledgement what to publish again. Nothing here raises for
    a broker that is absent or says no: the reason is logged, once until it changes, and tried again.
    """

    doing = "the connection to the broker"
    stop_s = kept_s = 1.0

    def __init__(
        self,
        settings: MqttSettings,
        device: str,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        self.topics = Topics(settings.prefix, device)
        self.connections = 0
        """Times that a broker has let us in."""
        self.discarded = 0
        """Incoming messages that were too large to be a command."""
        self.problem: str | None = None
        """Why there is no connection; None while there is one, or while the first attempt is under way."""
        self.on_other_broker: list[Callable[[], None]] = []
        """Called by apply() before another broker, or another login, comes next."""
        self._device = device
        self._settings = settings
        self._client_id = _client_id(settings, device)
        self._wanted = settings
        """Settings of the next connection."""
        self._backoff = backoff or Backoff()
        self._listeners: list[Listener] = []
        self._subscriptions: tuple[Subscription, ...] = ()
        """Replaced as a whole."""
        self._refused_filters: dict[str, str] = {}
        """Why the broker does not let us listen to a topic, as logged."""
        self._deaf_until = 0.0
        self._forgets_session = False
        """The next connection starts a new session, so that the broker drops what it was asked for and has not yet
        delivered."""
        self._versions = VersionChoice()
        self._short_connections = 0
        """Connections in a row that were lost soon after the broker had let us in."""
        self._session: Session | None = None
        self._reported: set[str] = set()
        """The problems logged since the last good connection; attempts every second do not fill the log with them."""
        self._warned: set[str] = set()
        self._connect_is_logged = False
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
        # The session would go on collecting them, and deliver them to whoever asks for them again.
        self._forgets_session = True

    def apply(self, config: Config) -> None:
        """Connects anew where another broker, login or subscription is asked for."""
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
                    "the thread of the connection to the broker has died of %r, and is replaced; please report this",
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
            except Exception as error:
                # An error of paho's or of ours must not end the thread: without it nothing is ever sent again.
                if repr(error) not in self._reported:
                    self._reported.add(repr(error))
                    log.exception("the connection to the broker failed on an unexpected error and is made anew")
            except BaseException as error:
                self._death = error
                raise
            if not self._outdated.is_set():
                self._hurried.wait(self._backoff.next())
            self._hurried.clear()

    def _take_over_settings(self) -> None:
        self._outdated.clear()
        settings = self._wanted
        if settings is not self._settings:
            self._settings = settings
            self._client_id = _client_id(settings, self._device)
            # Whatever was said of the broker so far was about another one.
            self.problem = None
            self._versions.forget()
            self._backoff.reset()
            self._reported.clear()
            self._warned.clear()
            self._refused_filters.clear()
            self._deaf_until = 0.0
            self._connect_is_logged = False

    def _connect_and_serve(self) -> None:
        self._take_over_settings()
        versions = self._versions.to_try(self._settings.protocol)
        doubt = None
        for version in versions:
            is_last = version == versions[-1]
            session = self._make_session(version, is_last=is_last)
            try:
                self._serve(session, doubt)
            except MaskdError as error:
                doubt = session.version_doubt
                if doubt is None or self._stopping.is_set() or self._outdated.is_set():
                    raise self._told_better(error, session) from error
                if is_last:
                    self._versions.forget()
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
            subscriptions=() if self._is_deaf else self._subscriptions,
            keep_session=not self._forgets_session,
        )
        session.on_acknowledged = self._acknowledged
        session.on_subscribed = self._subscribed
        session.on_discarded = self._discarded
        return session

    @property
    def _is_deaf(self) -> bool:
        return time.monotonic() < self._deaf_until

    def _serve(self, session: Session, doubt: str | None) -> None:
        """`doubt`: why the broker is not spoken to in a newer version."""
        session.on_accepted = lambda session: self._accepted(session, doubt)
        try:
            session.connect()
            for warning in session.warnings:
                self._warn_once(warning)
            while not self._stopping.is_set() and not self._outdated.is_set():
                session.serve(LOOP_S)
                if session.is_accepted and not self._is_deaf and session.subscriptions is not self._subscriptions:
                    session.subscribe(self._subscriptions)
            session.say_goodbye(self._goodbye_by)
        finally:
            was_connected = self._session is not None
            self._session = None
            session.close()
            if session.was_flooded:
                self._deaf_until = time.monotonic() + DEAF_S
                self._forgets_session = True
            if session.is_stable:
                # Past a good connection the next attempt follows soon, and a problem is news again.
                self._backoff.reset()
                self._reported.clear()
                self._short_connections = 0
            elif session.is_accepted:
                self._short_connections += 1
            if was_connected:
                self._tell_state()

    def _told_better(self, error: MaskdError, session: Session) -> MaskdError:
        """What several connections tell together, where one alone says little."""
        if session.end is None or not session.is_accepted or self._short_connections < SHORT_CONNECTIONS:
            return error
        return MaskdError(explain_short_connections(session.end, session.address, self._client_id))

    def _accepted(self, session: Session, doubt: str | None) -> None:
        self._session = session
        self._versions.spoken(session.version)
        if not session.keeps_session:
            self._forgets_session = False
        self.connections = session.number
        self.problem = None
        if not self._connect_is_logged:
            spoken = f"MQTT {session.version}" + ("" if doubt is None else f", since {doubt},")
            log.info("connected to the broker %s with %s as %s", session.address, spoken, self._client_id)
            self._connect_is_logged = True
        self._tell_state()

    def _acknowledged(self, acknowledgement: Acknowledgement) -> None:
        for listener in self._listeners:
            guarded(listener.acknowledged)(acknowledgement)

    def _subscribed(self, topic_filter: str, refusal: str | None) -> None:
        if refusal is None:
            if self._refused_filters.pop(topic_filter, None) is not None:
                log.info("the broker lets %s listen to %s again", self._client_id, topic_filter)
        elif self._refused_filters.get(topic_filter) != refusal:
            self._refused_filters[topic_filter] = refusal
            log.warning("%s", explain_refused_subscription(topic_filter, refusal, self._client_id))

    def _discarded(self, topic: str, size: int) -> None:
        self.discarded += 1
        if self.discarded == 1:
            log.warning(
                "a message of %d bytes on %s is too large for a command and was ignored, as all such will be; "
                "find who publishes it, or forbid it in the broker's access list",
                size,
                topic[:200],
            )

    def _tell_state(self) -> None:
        for listener in self._listeners:
            guarded(listener.connection_changed)()

    def _warn_once(self, warning: str) -> None:
        if warning not in self._warned:
            log.warning("%s", warning)
            self._warned.add(warning)

    def _report(self, problem: str) -> None:
        self.problem = problem
        if problem not in self._reported and not self._stopping.is_set():
            log.warning("%s", problem)
            self._reported.add(problem)
            self._connect_is_logged = False


def _client_id(settings: MqttSettings, device: str) -> str:
    return settings.client_id or f"maskd-{device}"
