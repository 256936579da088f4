"""paho, as maskd wants it: bounded, silent, and never writing from another thread."""

from __future__ import annotations

import errno
import logging
import ssl
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.mqtt.messages import Message

PACKET_LIMIT = 256 * 1024
"""Bytes past which a packet is not even read, whatever the broker promised."""
CONNECT_TIMEOUT_S = 5.0
CONNACK, UNKNOWN_VERSION = 2, b"\x01"
"""The packet that answers CONNECT, and what it holds in MQTT 3.1.1 where the version is not spoken."""

_log = logging.getLogger(__name__)


class BoundedClient(Client):
    """paho reads a packet of up to 256 MB into memory before it can be refused."""

    flooded = False
    """A packet that was too large ended the connection."""
    is_mute = False
    """Nothing is sent any more."""
    tls_error: ssl.SSLError | None = None
    """Why the broker refused us after the connection was made: in TLS 1.3 it looks at our certificate last."""
    nonsense: str | None = None
    """What is wrong with a packet that ended the connection."""

    refuses_version = False
    """It does not speak the version that it was asked for."""

    @property
    def unsent(self) -> int:
        """Packets that the broker has not read."""
        return len(self._out_packet)

    @property
    def unacknowledged(self) -> int:
        """Messages that wait for the broker's answer."""
        return len(self._out_messages)

    def limit_in_flight(self, count: int) -> None:
        """Holds back what exceeds it: events keep to the broker's limit by themselves, but state messages do not.

        paho's own setter refuses to work once there is a connection, before which the limit is not known.
        """
        self._max_inflight_messages = count

    def _packet_handle(self) -> MQTTErrorCode:
        """Whatever a packet makes of paho's decoders ends this connection alone."""
        kind = self._in_packet["command"] >> 4
        self.refuses_version = kind == CONNACK and self._in_packet["packet"][1:2] == UNKNOWN_VERSION
        try:
            result = super()._packet_handle()
        except Exception as error:  # noqa: BLE001 - they have nothing in common
            _log.debug("a packet of kind %d could not be read", kind, exc_info=error)
            result = MQTTErrorCode.MQTT_ERR_PROTOCOL
        if result == MQTTErrorCode.MQTT_ERR_PROTOCOL and not self.refuses_version:
            self.nonsense = f"it sent a packet of kind {kind} that violates the standard"
        return result

    def _handle_publish(self) -> MQTTErrorCode:
        """We ask for QoS 1 at most. What comes with QoS 2 all the same is handed on at once: paho keeps it until a
        PUBREL, which a broker need not send."""
        result = super()._handle_publish()
        while self._in_messages:
            _, message = self._in_messages.popitem(last=False)
            self._handle_on_message(message)
        return result

    def _sock_send(self, buf: bytes | bytearray) -> int:
        if self.is_mute:
            raise OSError(errno.ECONNABORTED, "the connection is closed")
        return super()._sock_send(buf)

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > PACKET_LIMIT:
            self.flooded = True
            raise OSError(errno.EMSGSIZE, "the packet is too large")
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as error:
            self.tls_error = error
            raise


def make_client(client_id: str, *, is_version_5: bool, keep_session: bool) -> BoundedClient:
    """Not connected yet; in MQTT 5 connect() says whether the session is kept."""
    options: dict[str, Any] = {} if is_version_5 else {"clean_session": not keep_session}
    client = BoundedClient(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTProtocolVersion.MQTTv5 if is_version_5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        **options,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    # Told that someone watches the socket, paho leaves the sending to loop(); without this publish() would write
    # from the caller's thread, into the middle of what the network thread is writing.
    client.on_socket_register_write = _nothing
    client.on_socket_unregister_write = _nothing
    return client


def publish_properties(message: Message) -> Properties:
    """What MQTT 5 says about a message in addition to its payload."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = message.content_type
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    named = {
        "schema": message.schema,
        "epoch": message.epoch,
        "seq": message.seq,
        "id": message.id,
        "resent": "true" if message.resent else None,
    }
    user_properties = [(name, str(value)) for name, value in named.items() if value is not None]
    if user_properties:
        properties.UserProperty = user_properties
    return properties


def packet_size(message: Message, properties: Properties | None) -> int:
    """Bytes of the PUBLISH packet."""
    packed = 0 if properties is None else len(properties.pack())  # type: ignore[no-untyped-call]
    rest = 2 + len(message.topic.encode()) + (2 if message.qos else 0) + packed + len(message.payload)
    return 1 + (rest.bit_length() + 6) // 7 + rest


def _nothing(*_: object) -> None:
    pass
