"""One connection to the broker."""

from __future__ import annotations

import itertools
import logging
import math
import queue
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import MqttSettings
from edge.deadline import Deadline
from edge.errors import MaskdError
from edge.messaging.mqtt import reasons
from edge.messaging.mqtt.guarding import guarded
from edge.messaging.mqtt.login import Login, read_login
from edge.messaging.mqtt.messages import Acknowledgement, Incoming, Message, Receipt, Subscription
from edge.messaging.mqtt.paho_client import PACKET_LIMIT, make_client, packet_size, publish_properties
from edge.messaging.mqtt.tls import key_warning, tls_context
from edge.messaging.mqtt.tls_reasons import explain_tls
from edge.messaging.mqtt.versions import Version
from edge.payloads.topics import Topics

log = logging.getLogger(__name__)

IN_FLIGHT_LIMIT = 20
"""Messages handed to the broker and not yet acknowledged; a broker may ask for fewer."""
PAYLOAD_LIMIT = 4096
"""Bytes of an incoming message; a command has a few dozen."""
ANNOUNCED_PACKET_LIMIT = 2 * PAYLOAD_LIMIT
"""Bytes, topic and properties included, past which an MQTT 5 broker sends us no packet."""
ANSWER_TIMEOUT_S = 10.0
"""From the TCP connection to the broker's word that it lets us in."""
FIRST_ANSWER_TIMEOUT_S = 5.0
"""The same where another version can be tried."""
UNSENT_LIMIT = 1000
"""Packets for a broker that sends and does not read, past which the connection is given up."""
UNACKNOWLEDGED_LIMIT = 1000
"""Messages of all kinds that a broker may leave without an answer."""
OBJECTION_S = 0.5
"""For the broker to say what it has against our certificate."""
STABLE_S = 10.0
"""A connection that lasted so long was a good one."""
GOODBYE_S = 2.0
"""For `offline` to be acknowledged, and the packet that ends the connection."""
DISCONNECT_S = 0.3
"""Of that, for the packet."""
SESSION_EXPIRY_S = 3600
UNSUPPORTED_VERSION = "Unsupported protocol version"
ONLINE_EVERY_S = 60.0
"""Between two times that the device says `online`: a false `offline` stands no longer."""


class Session:
    """One connection, from its first packet to its last; all methods but publish() belong to the thread that serves."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        topics: Topics | None,
        number: int,
        *,
        version: Version,
        is_last: bool = True,
        subscriptions: Sequence[Subscription] = (),
        keep_session: bool = True,
    ) -> None:
        """`is_last`: no other version is tried where this one is not spoken. Without `topics` nothing is said about
        this device's availability, the broker keeps no session, and it sends packets of any size, though those past
        PACKET_LIMIT end the connection. `subscriptions` are asked for before the device is said to be online, so that
        whoever hears that can be heard. `keep_session` false: it forgets what it was asked for and has not yet
        delivered."""
        self.on_accepted: Callable[[Session], None] = lambda _session: None
        self.on_acknowledged: Callable[[Acknowledgement], None] = lambda _acknowledgement: None
        self.on_subscribed: Callable[[str, str | None], None] = lambda _topic_filter, _refusal: None
        self.on_discarded: Callable[[str, int], None] = lambda _topic, _size: None
        self.number = number
        self.address = f"{settings.host}:{settings.port}"
        self.in_flight_limit = IN_FLIGHT_LIMIT
        self.failure: str | None = None
        """Why this connection is over."""
        self._settings = settings
        self._client_id = client_id
        self._topics = topics
        self.version: Version = version
        self.version_doubt: str | None = None
        """What the broker did that one does which does not speak this version, as a part of a sentence."""
        self.end: str | None = None
        """How the connection was lost, where nothing else is known of it, as a part of a sentence."""
        self._is_version_5 = version == "5"
        self._answer_timeout_s = ANSWER_TIMEOUT_S if is_last else FIRST_ANSWER_TIMEOUT_S
        self._accepted_at: float | None = None
        self._online_at = math.inf
        """When `online` is said next."""
        self._answer_by = 0.0
        self._goodbye_mid: int | None = None
        self._login = Login()
        self._packet_limit: float = math.inf
        """Bytes that the broker takes at a time (MQTT 5)."""
        self._refused_mids = itertools.count(1)
        self._too_large: queue.SimpleQueue[Acknowledgement] = queue.SimpleQueue()
        """Answers that the broker need not be asked for."""
        self.subscriptions = subscriptions
        self._unanswered_filters: dict[int | None, str] = {}
        self.keeps_session = keep_session and topics is not None
        self._client = make_client(client_id, is_version_5=self._is_version_5, keep_session=self.keeps_session)
        self._client.max_inflight_messages_set(IN_FLIGHT_LIMIT)
        self._client.on_connect = guarded(self._answered)
        self._client.on_disconnect = guarded(self._disconnected)
        self._client.on_publish = guarded(self._published)
        self._client.on_subscribe = guarded(self._subscription_answered)
        self._client.on_message = guarded(self._received)

    @property
    def username(self) -> str | None:
        """Who we said we are."""
        return self._login.username

    @property
    def warnings(self) -> list[str]:
        """What is not as it should be, though it did not keep us from connecting, in sentences."""
        key = None if self._settings.tls is None else key_warning(self._settings.tls)
        return [*self._login.warnings, *([key] if key else [])]

    @property
    def tls_version(self) -> str | None:
        """Such as `TLSv1.3`; None: the connection is plain, or over."""
        open_socket = self._client.socket()
        return open_socket.version() if isinstance(open_socket, ssl.SSLSocket) else None

    @property
    def was_flooded(self) -> bool:
        """Whether it ended on a packet that was too large to be read."""
        return self._client.flooded

    @property
    def is_accepted(self) -> bool:
        return self._accepted_at is not None

    @property
    def is_stable(self) -> bool:
        """Whether the broker let us in and kept us for a while."""
        return self._accepted_at is not None and time.monotonic() - self._accepted_at >= STABLE_S

    def connect(self) -> None:
        """Opens the connection and asks to be let in. Raises MaskdError with the reason and a remedy."""
        settings = self._settings
        self._login = read_login(settings)
        if self._login.username is not None:
            self._client.username_pw_set(self._login.username, self._login.password)
        if settings.tls is not None:
            self._client.tls_set_context(tls_context(settings.tls))
        if self._topics is not None:
            self._client.will_set(self._topics.availability, b"offline", qos=1, retain=True)
        options: dict[str, Any] = {}
        if self._is_version_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if self._topics else 0
            if self._topics is not None:
                properties.MaximumPacketSize = ANNOUNCED_PACKET_LIMIT
            options = {"clean_start": not self.keeps_session, "properties": properties}
        try:
            self._client.connect(settings.host, settings.port, settings.keepalive_s, **options)
        except (OSError, ValueError) as error:
            raise MaskdError(reasons.explain_failed_connect(error, self.address, settings.tls)) from error
        self._await_objection()
        self._answer_by = time.monotonic() + self._answer_timeout_s

    def serve(self, seconds: float) -> None:
        """Sends and receives for so long. Raises MaskdError once the connection is over."""
        result = self._client.loop(seconds)
        while not self._too_large.empty():
            self.on_acknowledged(self._too_large.get())
        if self.failure is not None:
            raise MaskdError(self.failure)
        if self._client.unsent > UNSENT_LIMIT or self._client.unacknowledged > UNACKNOWLEDGED_LIMIT:
            raise MaskdError(reasons.explain_backlog(self.address))
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise MaskdError(self._explain_end(result))
        if self._accepted_at is None and time.monotonic() > self._answer_by:
            self.version_doubt = f"it did not answer MQTT {self.version}"
            raise MaskdError(reasons.explain_silence(self.address, self._settings.protocol))
        if time.monotonic() >= self._online_at:
            self._say_online()

    def subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        """Asks for these messages; the answers come to `on_subscribed`."""
        self.subscriptions = subscriptions
        for subscription in subscriptions:
            _, mid = self._client.subscribe(subscription.topic_filter, qos=1)
            self._unanswered_filters[mid] = subscription.topic_filter

    def publish(self, message: Message) -> Receipt | None:
        """From any thread; the network thread does the sending."""
        properties = publish_properties(message) if self._is_version_5 else None
        if packet_size(message, properties) > self._packet_limit:
            # Sent nevertheless, it would end the connection, and be the first to be sent on the next one.
            receipt = Receipt(self.number, -next(self._refused_mids))
            self._too_large.put(Acknowledgement(receipt, f"it takes no more than {self._packet_limit} bytes", True))
            return receipt
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        return Receipt(self.number, info.mid) if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def discard_unsent(self) -> None:
        """From any thread: nothing is sent any more, and the system throws away what it has not sent by close()."""
        self._client.is_mute = True

    def say_goodbye(self, deadline: Deadline | None = None) -> None:
        """Publishes `offline`, since a clean disconnect silences the will, and disconnects. Without a deadline it takes
        at most `GOODBYE_S`."""
        if self._accepted_at is None:
            return
        deadline = deadline or Deadline(GOODBYE_S)
        if self._topics is not None:
            self._goodbye_mid = self._client.publish(self._topics.availability, b"offline", qos=1, retain=True).mid
            acknowledged_by = deadline.within(GOODBYE_S, spare=DISCONNECT_S)
            while self._goodbye_mid is not None and not acknowledged_by.is_past:
                if self._client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return
        self._client.disconnect()
        while self._client.socket() is not None and not deadline.is_past:
            if self._client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return

    def close(self) -> None:
        """Lets go of the socket, also where the connection failed half-way."""
        open_socket = self._client.socket()
        if open_socket is not None:
            if self._client.is_mute and isinstance(open_socket, socket.socket):
                # A linger time of 0 s resets the connection; else the system goes on sending after the close.
                open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            open_socket.close()
        # They close a circle through this object, which would keep paho's other sockets open until it is collected.
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None
        self._client.on_subscribe = self._client.on_message = None

    def _await_objection(self) -> None:
        """In TLS 1.3 the broker looks at our certificate last. What it says then would be lost if our first packet met
        a connection that it has closed; a broker that is content sends a session ticket at that moment."""
        open_socket = self._client.socket()
        if isinstance(open_socket, ssl.SSLSocket) and open_socket.version() == "TLSv1.3":
            select.select([open_socket], [], [], OBJECTION_S)

    def _answered(
        self, _client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if self._accepted_at is not None:
            self.failure = reasons.explain_nonsense("it answered one CONNECT twice", self.address)
            return
        if reason.is_failure:
            if reason.getName() in (UNSUPPORTED_VERSION, "Malformed packet", "Protocol error"):
                self.version_doubt = f"it refused MQTT {self.version}"
            self.failure = reasons.explain_refusal(reason.getName(), self.address, self._client_id, self._login)
            return
        if 0 in (getattr(properties, "ReceiveMaximum", 1), getattr(properties, "MaximumPacketSize", 1)):
            self.failure = reasons.explain_nonsense("it lets us in and takes no message", self.address)
            return
        if getattr(properties, "MaximumQoS", 1) == 0:
            self.failure = reasons.explain_refusal("QoS not supported", self.address, self._client_id, self._login)
            return
        self.in_flight_limit = min(IN_FLIGHT_LIMIT, getattr(properties, "ReceiveMaximum", IN_FLIGHT_LIMIT))
        self._client.limit_in_flight(self.in_flight_limit)
        self._packet_limit = getattr(properties, "MaximumPacketSize", math.inf)
        self._accepted_at = time.monotonic()
        self.subscribe(self.subscriptions)
        self._say_online()
        self.on_accepted(self)

    def _say_online(self) -> None:
        if self._topics is not None:
            self._client.publish(self._topics.availability, b"online", qos=1, retain=True)
            self._online_at = time.monotonic() + ONLINE_EVERY_S

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
            self.failure = reasons.explain_refusal(reason.getName(), self.address, self._client_id, self._login)

    def _subscription_answered(
        self, _client: Client, _userdata: Any, mid: int, answers: list[ReasonCode], _properties: Properties | None
    ) -> None:
        topic_filter = self._unanswered_filters.pop(mid, None)
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

    def _explain_end(self, result: MQTTErrorCode) -> str:
        if self._client.flooded:
            return reasons.explain_oversized(PACKET_LIMIT, self.address, protocol=self._settings.protocol)
        if self._client.tls_error is not None and self._settings.tls is not None and self._accepted_at is None:
            return explain_tls(self._client.tls_error, self.address, self._settings.tls)
        if self._client.refuses_version:
            self.version_doubt = f"it refused MQTT {self.version}"
            return reasons.explain_refusal(UNSUPPORTED_VERSION, self.address, self._client_id, self._login)
        if self._accepted_at is None:
            if self._client.nonsense is None:
                self.version_doubt = f"it closed the connection when asked for MQTT {self.version}"
                return reasons.explain_closed_unanswered(self.address, self._settings.protocol)
            self.version_doubt = f"its answer to MQTT {self.version} was not understood"
        if self._client.nonsense is not None:
            return reasons.explain_nonsense(self._client.nonsense, self.address)
        self.end = _name(result)
        return reasons.explain_lost_connection(self.end, self.address)


def _name(result: MQTTErrorCode) -> str:
    return MQTTErrorCode(result).name.removeprefix("MQTT_ERR_").lower().replace("_", " ")
