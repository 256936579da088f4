"""One connection to the broker."""

from __future__ import annotations

import itertools
import logging
import math
import queue
import time
from collections.abc import Callable, Sequence
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import MqttSettings
from edge.errors import MaskdError
from edge.mqtt import reasons, sockets
from edge.mqtt.broker_limits import IN_FLIGHT_LIMIT, BrokerLimits
from edge.mqtt.ending import UNSUPPORTED_VERSION, ending_of
from edge.mqtt.guarding import guarded
from edge.mqtt.inbox import PAYLOAD_LIMIT, Inbox
from edge.mqtt.login import Login, read_login
from edge.mqtt.messages import Acknowledgement, Message, Receipt, Subscription
from edge.mqtt.paho_client import make_client, packet_size, publish_properties
from edge.mqtt.tls import key_warning, tls_context
from edge.mqtt.versions import Version
from edge.payloads.topics import Topics
from edge.system.deadline import Deadline

log = logging.getLogger(__name__)

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
STABLE_S = 10.0
"""A connection that lasted so long was a good one."""
GOODBYE_S = 2.0
"""For `offline` to be acknowledged, and the packet that ends the connection."""
DISCONNECT_S = 0.3
"""Of that, for the packet."""
SESSION_EXPIRY_S = 3600
ONLINE_EVERY_S = 60.0
"""Between two times that the device says `online`: a false `offline` lasts no longer."""


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
        answers to that are received. `keep_session` false: it forgets what it was asked for and has not yet
        delivered."""
        self.on_accepted: Callable[[Session], None] = lambda _session: None
        self.on_acknowledged: Callable[[Acknowledgement], None] = lambda _acknowledgement: None
        self.number = number
        self.address = f"{settings.host}:{settings.port}"
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
        self._limits = BrokerLimits()
        self._refused_mids = itertools.count(1)
        self._too_large: queue.SimpleQueue[Acknowledgement] = queue.SimpleQueue()
        """Answers that the broker need not be asked for."""
        self.keeps_session = keep_session and topics is not None
        self._client = make_client(client_id, is_version_5=self._is_version_5, keep_session=self.keeps_session)
        self._client.max_inflight_messages_set(IN_FLIGHT_LIMIT)
        self._listen()
        self.inbox = Inbox(self._client, subscriptions)
        """What the broker sends us."""

    @property
    def in_flight_limit(self) -> int:
        """Messages that the broker takes before it has acknowledged them."""
        return self._limits.in_flight

    @property
    def username(self) -> str | None:
        """Our login."""
        return self._login.username

    @property
    def warnings(self) -> list[str]:
        """What is not as it should be, though it did not keep us from connecting, in sentences."""
        key = None if self._settings.tls is None else key_warning(self._settings.tls)
        return [*self._login.warnings, *([key] if key else [])]

    @property
    def tls_version(self) -> str | None:
        """Such as `TLSv1.3`; None: the connection is plain, or over."""
        return sockets.tls_version(self._client.socket())

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
        sockets.await_objection(self._client.socket())
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
            ending = ending_of(
                self._client,
                result,
                self._settings,
                client_id=self._client_id,
                login=self._login,
                version=self.version,
                was_accepted=self.is_accepted,
            )
            self.version_doubt, self.end = ending.version_doubt or self.version_doubt, ending.lost
            raise MaskdError(ending.reason)
        if self._accepted_at is None and time.monotonic() > self._answer_by:
            self.version_doubt = f"it did not answer MQTT {self.version}"
            raise MaskdError(reasons.explain_silence(self.address, self._settings.protocol))
        if time.monotonic() >= self._online_at:
            self._say_online()

    def publish(self, message: Message) -> Receipt | None:
        """From any thread; the network thread does the sending."""
        properties = publish_properties(message) if self._is_version_5 else None
        if packet_size(message, properties) > self._limits.packet_bytes:
            # Sent nevertheless, it would end the connection, and be the first to be sent on the next one.
            receipt = Receipt(self.number, -next(self._refused_mids))
            self._too_large.put(Acknowledgement(receipt, f"it accepts at most {self._limits.packet_bytes} bytes", True))
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
        sockets.close(self._client.socket(), discard=self._client.is_mute)
        # They close a circle through this object, which would keep paho's other sockets open until it is collected.
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None
        self._client.on_subscribe = self._client.on_message = None

    def _listen(self) -> None:
        self._client.on_connect = guarded(self._answered)
        self._client.on_disconnect = guarded(self._disconnected)
        self._client.on_publish = guarded(self._published)

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
        limits = BrokerLimits.of(properties)
        if limits.takes_nothing:
            self.failure = reasons.explain_nonsense("it accepts the connection but no message", self.address)
            return
        if not limits.takes_qos_1:
            self.failure = reasons.explain_refusal("QoS not supported", self.address, self._client_id, self._login)
            return
        self._limits = limits
        self._client.limit_in_flight(limits.in_flight)
        self._accepted_at = time.monotonic()
        self.inbox.subscribe(self.inbox.subscriptions)
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
