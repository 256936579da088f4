"""The connection to the broker; the only file that knows paho."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, Protocol

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.backoff import Backoff
from edge.config import MqttSettings, TlsSettings
from edge.errors import MaskdError
from edge.messaging.topics import Topics

log = logging.getLogger(__name__)

IN_FLIGHT_LIMIT = 20
"""Messages handed to the broker and not yet acknowledged; a broker may ask for fewer."""
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0
"""From the TCP connection to the broker's word that it lets us in."""
STABLE_S = 10.0
"""A connection that lasted so long was a good one."""
GOODBYE_S = 1.5
"""For `offline` to be acknowledged on a clean stop."""
LOOP_S = 0.25
"""A stop is noticed after so long at the latest."""
SESSION_EXPIRY_S = 3600

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    schema: str | None = None
    """Named in an MQTT 5 user property, with `seq`, so that a subscriber need not open the payload."""
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message that was handed over: paho's number for it, which is unique within one connection."""

    connection: int
    mid: int


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The broker's answer to a message."""

    receipt: Receipt
    refusal: str | None
    """Why the broker did not take the message (MQTT 5); None: it did."""


class Listener(Protocol):
    """Who wants to hear of the connection. Called in the connection's thread, so it returns at once, takes no lock,
    and never publishes."""

    def connection_changed(self) -> None: ...

    def acknowledged(self, acknowledgement: Acknowledgement) -> None: ...


class MqttClient:
    """Keeps a connection to the broker, from its own thread `mqtt`, for as long as it is started.

    Every connection gets a fresh paho client, since paho sends what it still has in memory without any limit when it
    reconnects; whoever published knows from the missing acknowledgement what to publish again. Nothing here raises for
    a broker that is absent or says no: the reason is logged, once until it changes, and tried again.
    """

    def __init__(
        self,
        settings: MqttSettings,
        device: str,
        *,
        on_state: Callable[[bool], None] = lambda _connected: None,
        backoff: Backoff | None = None,
    ) -> None:
        """`on_state` hears, in the connection's thread, whether the broker is there."""
        self.topics = Topics(settings.prefix, device)
        self.connections = 0
        """Times that a broker has let us in."""
        self.problem: str | None = None
        """Why there is no connection; None while there is one, or while the first attempt is under way."""
        self._settings = settings
        self._client_id = settings.client_id or f"maskd-{device}"
        self._on_state = on_state
        self._backoff = backoff or Backoff()
        self._listeners: list[Listener] = []
        self._session: _Session | None = None
        self._reported: str | None = None
        """The problem logged last; a connection that comes and goes does not fill the log with it."""
        self._connect_is_logged = False
        self._stopping = threading.Event()
        self._hurried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def add_listener(self, listener: Listener) -> None:
        """Before start()."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Returns at once; the broker may be absent."""
        self._thread.start()

    def stop(self, timeout: float = 3.0) -> None:
        """Says `offline` and disconnects, within `timeout` seconds."""
        self._stopping.set()
        self._hurried.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

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

    def drop(self, reason: str) -> None:
        """Gives the present connection up, for a new one."""
        session = self._session
        if session is not None:
            session.failure = session.failure or reason

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._connect_and_serve()
            except MaskdError as error:
                self._report(str(error))
            except Exception:
                # An error of paho's or of ours must not end the thread: without it nothing is ever sent again.
                log.exception("the connection to the broker failed on an unexpected error and is made anew")
            self._hurried.wait(self._backoff.next())
            self._hurried.clear()

    def _connect_and_serve(self) -> None:
        session = _Session(self._settings, self._client_id, self.topics, self.connections + 1)
        session.on_accepted = self._accepted
        session.on_acknowledged = self._acknowledged
        try:
            session.connect()
            while not self._stopping.is_set():
                session.serve(LOOP_S)
            session.say_goodbye()
        finally:
            was_connected = self._session is not None
            self._session = None
            session.close()
            if session.is_stable:
                # Past a good connection the next attempt follows soon, and a problem is news again.
                self._backoff.reset()
                self._reported = None
            if was_connected:
                self._tell_state(False)

    def _accepted(self, session: _Session) -> None:
        self._session = session
        self.connections = session.number
        self.problem = None
        if not self._connect_is_logged:
            version = self._settings.protocol
            log.info("connected to the broker %s with MQTT %s as %s", session.address, version, self._client_id)
            self._connect_is_logged = True
        self._tell_state(True)

    def _acknowledged(self, acknowledgement: Acknowledgement) -> None:
        for listener in self._listeners:
            listener.acknowledged(acknowledgement)

    def _tell_state(self, connected: bool) -> None:
        for tell in (*(listener.connection_changed for listener in self._listeners), lambda: self._on_state(connected)):
            _guarded(tell)()

    def _report(self, problem: str) -> None:
        self.problem = problem
        if problem != self._reported and not self._stopping.is_set():
            log.warning("%s", problem)
            self._reported = problem
            self._connect_is_logged = False


def check_broker(settings: MqttSettings, device: str) -> None:
    """Connects once, under a name of its own so that a running daemon is left alone, and publishes nothing.

    Raises MaskdError where the broker is absent or does not let us in.
    """
    session = _Session(settings, f"maskd-{device}-check-{os.getpid()}", topics=None, number=0)
    accepted = threading.Event()
    session.on_accepted = lambda _session: accepted.set()
    try:
        session.connect()
        while not accepted.is_set():
            session.serve(LOOP_S)
        session.say_goodbye()
    finally:
        session.close()


class _Session:
    """One connection, from its first packet to its last; all methods but publish() belong to the thread that serves."""

    def __init__(self, settings: MqttSettings, client_id: str, topics: Topics | None, number: int) -> None:
        """Without `topics` nothing is said about this device's availability, and the broker keeps no session."""
        self.on_accepted: Callable[[_Session], None] = lambda _session: None
        self.on_acknowledged: Callable[[Acknowledgement], None] = lambda _acknowledgement: None
        self.number = number
        self.address = f"{settings.host}:{settings.port}"
        self.in_flight_limit = IN_FLIGHT_LIMIT
        self.failure: str | None = None
        """Why this connection is over."""
        self._settings = settings
        self._client_id = client_id
        self._topics = topics
        self._is_version_5 = settings.protocol == "5"
        self._accepted_at: float | None = None
        self._answer_by = 0.0
        self._goodbye_mid: int | None = None
        self._client = self._make_client()

    @property
    def is_stable(self) -> bool:
        """Whether the broker let us in and kept us for a while."""
        return self._accepted_at is not None and time.monotonic() - self._accepted_at >= STABLE_S

    def connect(self) -> None:
        """Opens the connection and asks to be let in. Raises MaskdError with the reason and a remedy."""
        settings = self._settings
        if settings.username is not None:
            self._client.username_pw_set(settings.username, _read_password(settings))
        if settings.tls is not None:
            self._client.tls_set_context(_tls_context(settings.tls))
        if self._topics is not None:
            self._client.will_set(self._topics.availability, b"offline", qos=1, retain=True)
        options: dict[str, Any] = {}
        if self._is_version_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if self._topics else 0
            options = {"clean_start": self._topics is None, "properties": properties}
        try:
            self._client.connect(settings.host, settings.port, settings.keepalive_s, **options)
        except (OSError, ValueError) as error:
            raise MaskdError(_explain_failed_connect(error, self.address)) from error
        self._answer_by = time.monotonic() + ANSWER_TIMEOUT_S

    def serve(self, seconds: float) -> None:
        """Sends and receives for so long. Raises MaskdError once the connection is over."""
        result = self._client.loop(seconds)
        if self.failure is not None:
            raise MaskdError(self.failure)
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise MaskdError(self._explain_end(result))
        if self._accepted_at is None and time.monotonic() > self._answer_by:
            raise MaskdError(
                f"the broker {self.address} does not answer; see whether it is overloaded, "
                "and whether mqtt.port and mqtt.tls are what it expects"
            )

    def publish(self, message: Message) -> Receipt | None:
        """From any thread; the network thread does the sending."""
        info = self._client.publish(
            message.topic, message.payload, message.qos, message.retain, self._properties_of(message)
        )
        return Receipt(self.number, info.mid) if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def say_goodbye(self) -> None:
        """Publishes `offline`, since a clean disconnect silences the will, and disconnects."""
        if self._accepted_at is None:
            return
        deadline = time.monotonic() + GOODBYE_S
        if self._topics is not None:
            self._goodbye_mid = self._client.publish(self._topics.availability, b"offline", qos=1, retain=True).mid
            while self._goodbye_mid is not None and time.monotonic() < deadline:
                if self._client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return
        self._client.disconnect()
        while self._client.socket() is not None and time.monotonic() < deadline + 0.5:
            if self._client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return

    def close(self) -> None:
        """Lets go of the socket, also where the connection failed half-way."""
        open_socket = self._client.socket()
        if open_socket is not None:
            open_socket.close()
        # They close a circle through this object, which would keep paho's other sockets open until it is collected.
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None

    def _make_client(self) -> Client:
        options: dict[str, Any] = {} if self._is_version_5 else {"clean_session": self._topics is None}
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_version_5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            **options,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(IN_FLIGHT_LIMIT)
        client.on_connect = _guarded(self._answered)
        client.on_disconnect = _guarded(self._disconnected)
        client.on_publish = _guarded(self._published)
        # Told that someone watches the socket, paho leaves the sending to loop(); without this publish() would write
        # from the caller's thread, into the middle of what the network thread is writing.
        client.on_socket_register_write = _nothing
        client.on_socket_unregister_write = _nothing
        return client

    def _properties_of(self, message: Message) -> Properties | None:
        if not self._is_version_5:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = "application/json"
        named = {"schema": message.schema, "seq": message.seq}
        user_properties = [(name, str(value)) for name, value in named.items() if value is not None]
        if user_properties:
            properties.UserProperty = user_properties
        return properties

    def _answered(
        self, client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.failure = _explain_refusal(reason.getName(), self.address, self._client_id)
            return
        receive_maximum = getattr(properties, "ReceiveMaximum", None)
        self.in_flight_limit = min(IN_FLIGHT_LIMIT, receive_maximum or IN_FLIGHT_LIMIT)
        self._accepted_at = time.monotonic()
        if self._topics is not None:
            client.publish(self._topics.availability, b"online", qos=1, retain=True)
        self.on_accepted(self)

    def _published(self, _client: Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        # paho holds the lock here that publish() takes, so nothing may wait for a thread that publishes.
        if mid == self._goodbye_mid:
            self._goodbye_mid = None
        refusal = reason.getName() if reason.is_failure else None
        self.on_acknowledged(Acknowledgement(Receipt(self.number, mid), refusal))

    def _disconnected(
        self, _client: Client, _userdata: Any, flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server and self.failure is None:
            self.failure = _explain_refusal(reason.getName(), self.address, self._client_id)

    def _explain_end(self, result: MQTTErrorCode) -> str:
        if self._accepted_at is not None and not self.is_stable:
            return (
                f"the connection to the broker {self.address} was lost as soon as it was made ({_name(result)}); "
                f"if that goes on, another client is named {self._client_id} too: set mqtt.client_id"
            )
        if self._accepted_at is not None:
            return (
                f"the connection to the broker {self.address} was lost ({_name(result)}); "
                "events wait in the outbox until it is back"
            )
        return (
            f"the broker {self.address} closed the connection without an answer; "
            "see whether mqtt.port, mqtt.tls and mqtt.protocol are what it expects"
        )


def _guarded(function: Callable[P, None]) -> Callable[P, None]:
    """An exception in a callback would end paho's loop, so it is logged instead."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            log.exception("an error while handling what the broker sent")

    return guarded


def _nothing(*_: object) -> None:
    pass


def _name(result: MQTTErrorCode) -> str:
    return MQTTErrorCode(result).name.removeprefix("MQTT_ERR_").lower().replace("_", " ")


def _read_password(settings: MqttSettings) -> str | None:
    """Read anew for every connection, so that a changed password needs no restart."""
    path = settings.password_file
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not text"
        raise MaskdError(
            f"the broker's password in {path} cannot be read: {reason}; "
            "put the password alone into that file, readable for maskd, or correct mqtt.password_file"
        ) from error


class _TidySslSocket(ssl.SSLSocket):
    """paho forgets a socket whose handshake failed without closing it."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _tls_context(tls: TlsSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise MaskdError(
            f"the authority's certificate in {tls.ca_file} cannot be used: {error.strerror or error}; "
            "correct mqtt.tls.ca_file, which wants a file in PEM"
        ) from error
    context.sslsocket_class = _TidySslSocket
    if tls.cert_file is not None:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        except (OSError, ssl.SSLError) as error:
            raise MaskdError(
                f"this device's certificate in {tls.cert_file} cannot be used: {error.strerror or error}; "
                "correct mqtt.tls.cert_file and mqtt.tls.key_file, which want files in PEM"
            ) from error
    return context


def _explain_failed_connect(error: Exception, address: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of the broker {address} is not trusted: {error.verify_message}; "
            "set mqtt.tls.ca_file to the authority that signed it, and mqtt.host to a name that it holds"
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"the broker {address} speaks no TLS that fits ours: {error.reason or error}; "
            "see whether mqtt.port is its TLS port, or remove mqtt.tls"
        )
    if isinstance(error, socket.gaierror):
        return f"the broker's name in {address} is not known to the network; correct mqtt.host"
    if isinstance(error, TimeoutError):
        return f"the broker {address} does not answer; see whether it is switched on, and whether a firewall is between"
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return (
        f"no broker at {address}: {reason}; events wait in the outbox until one answers: "
        "start it, or correct mqtt.host and mqtt.port"
    )


def _explain_refusal(reason: str, address: str, client_id: str) -> str:
    remedies = {
        "Not authorized": "correct mqtt.username and mqtt.password_file, or give that user access at the broker",
        "Bad user name or password": "correct mqtt.username and mqtt.password_file",
        "Client identifier not valid": f"the broker does not like the name {client_id}; set mqtt.client_id",
        "Unsupported protocol version": "set mqtt.protocol to 3.1.1",
        "Session taken over": f"another client connects as {client_id}; give one of them another mqtt.client_id",
        "Banned": "ask whoever runs the broker why",
    }
    remedy = remedies.get(reason, "see the broker's log")
    return f"the broker {address} does not serve us: {reason}; {remedy}"
