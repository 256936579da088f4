"""Why there is no connection, in a sentence that names the remedy."""

from __future__ import annotations

import socket
import ssl

from edge.config import TlsSettings
from edge.messaging.mqtt.login import CREDENTIAL_STORE, Login
from edge.messaging.mqtt.tls_reasons import explain_tls


def explain_failed_connect(error: Exception, address: str, tls: TlsSettings | None) -> str:
    # A plain port drops a TLS connection without a word.
    if tls is not None and isinstance(error, (ssl.SSLError, ConnectionResetError)):
        return explain_tls(error, address, tls)
    if isinstance(error, socket.gaierror):
        return f"the broker's name in {address} is not known to the network; correct mqtt.host"
    if isinstance(error, TimeoutError):
        return f"the broker {address} does not answer; see whether it is switched on, and whether a firewall is between"
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return (
        f"no broker at {address}: {reason}; events wait in the outbox until one answers: "
        "start it, or correct mqtt.host and mqtt.port"
    )


def explain_silence(address: str, protocol: str) -> str:
    return (
        f"the broker {address} does not answer MQTT {_asked_for(protocol)}; see whether it is overloaded, "
        f"and whether {_expected(protocol)} what it expects"
    )


def explain_closed_unanswered(address: str, protocol: str) -> str:
    return (
        f"the broker {address} closed the connection without an answer to MQTT {_asked_for(protocol)}; "
        f"see whether {_expected(protocol)} what it expects, and whether it allows QoS 1 and retained messages"
    )


def explain_nonsense(what: str, address: str) -> str:
    return (
        f"the broker {address} does not keep to MQTT: {what}; the connection is made again: see whether mqtt.port is "
        "a broker's, and the broker's log"
    )


def explain_backlog(address: str) -> str:
    return (
        f"the broker {address} neither reads nor acknowledges what it is sent; the connection is made again: see the "
        "broker's log"
    )


def explain_short_connections(why: str, address: str, client_id: str) -> str:
    return (
        f"the connection to the broker {address} was lost within seconds several times ({why}); see the broker's log. "
        f"Possible reasons: another client is named {client_id} too (set mqtt.client_id), or a message is longer than "
        "the broker allows"
    )


def explain_lost_connection(why: str, address: str) -> str:
    return f"the connection to the broker {address} was lost ({why}); events wait in the outbox until it is back"


def explain_oversized(limit: int, address: str, *, protocol: str) -> str:
    # In MQTT 5 the broker was told the limit, and keeps such messages to itself.
    remedy = (
        "set mqtt.protocol to auto: over MQTT 5 the broker keeps such messages to itself"
        if protocol == "3.1.1"
        else "put a newer version of the broker there, since this one does not keep such messages to itself"
    )
    return (
        f"the broker {address} sent a message of more than {limit} bytes, which no command has, so the connection was "
        "given up; find who publishes it below mqtt.prefix, and forbid it in the broker's access list, or "
        f"{remedy}"
    )


def explain_refusal(reason: str, address: str, client_id: str, login: Login) -> str:
    """`reason`: the name that MQTT 5 gives it."""
    if login.username is None:
        account = "set mqtt.username and mqtt.password_file to a login that the broker knows"
        if login.is_withheld:
            account += f", or do this as root, who may read the service's login in {CREDENTIAL_STORE}"
    elif login.password is None:
        account = f"set mqtt.password_file to the password of {login.username}"
    else:
        account = "correct mqtt.username and mqtt.password_file"
    remedies = {
        "Not authorized": f"{account}, or give this device access at the broker",
        "Bad user name or password": account,
        "Client identifier not valid": f"the broker does not like the name {client_id}; set mqtt.client_id",
        "Unsupported protocol version": "set mqtt.protocol to auto",
        "Session taken over": f"another client connects as {client_id}; give one of them another mqtt.client_id",
        "Banned": "ask whoever runs the broker why",
        "QoS not supported": "allow QoS 1 at the broker: without it, no event is known to have arrived",
        "Retain not supported": "allow retained messages at the broker: they hold this device's availability",
        "Packet too large": "raise the broker's limit (Mosquitto: max_packet_size): no event may be that long there",
    }
    remedy = remedies.get(reason, "see the broker's log")
    return f"the broker {address} does not serve us: {reason}; {remedy}"


def explain_refused_subscription(topic_filter: str, reason: str, client_id: str) -> str:
    return (
        f"the broker does not let {client_id} listen to {topic_filter}: {reason}; what is published there has no "
        "effect until this device's user may read that topic in the broker's access list"
    )


def _asked_for(protocol: str) -> str:
    return "5 or 3.1.1" if protocol == "auto" else protocol


def _expected(protocol: str) -> str:
    return "mqtt.port and mqtt.tls are" if protocol == "auto" else "mqtt.port, mqtt.tls and mqtt.protocol are"
