"""Why there is no connection, in a sentence that names the remedy."""

from __future__ import annotations

import socket
import ssl

from edge.config import TlsSettings
from edge.mqtt.login import Login
from edge.mqtt.tls_reasons import explain_tls
from edge.system.credentials import CREDENTIAL_STORE


def explain_failed_connect(error: Exception, address: str, tls: TlsSettings | None) -> str:
    # A plain port drops a TLS connection without a word.
    if tls is not None and isinstance(error, (ssl.SSLError, ConnectionResetError)):
        return explain_tls(error, address, tls)
    if isinstance(error, socket.gaierror):
        return f"the broker's name in {address} cannot be resolved; correct mqtt.host"
    if isinstance(error, TimeoutError):
        return f"the broker {address} does not answer; check that it is running, and that no firewall blocks it"
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return (
        f"no broker at {address}: {reason}; events wait in the outbox until one answers: "
        "start it, or correct mqtt.host and mqtt.port"
    )


def explain_silence(address: str, protocol: str) -> str:
    return (
        f"the broker {address} does not answer MQTT {_asked_for(protocol)}; check whether it is overloaded, and "
        f"whether {_expected(protocol)} what it expects"
    )


def explain_closed_unanswered(address: str, protocol: str) -> str:
    return (
        f"the broker {address} closed the connection without an answer to MQTT {_asked_for(protocol)}; check whether "
        f"{_expected(protocol)} what it expects, and whether it allows QoS 1 and retained messages"
    )


def explain_nonsense(what: str, address: str) -> str:
    return (
        f"the broker {address} violates the MQTT protocol: {what}; maskd reconnects: check that mqtt.port is a "
        "broker's port, and see the broker's log"
    )


def explain_backlog(address: str) -> str:
    return (
        f"the broker {address} neither reads nor acknowledges what it is sent; maskd reconnects: see the broker's log"
    )


def explain_short_connections(why: str, address: str, client_id: str) -> str:
    return (
        f"the connection to the broker {address} was lost within seconds several times ({why}); see the broker's "
        f"log. Possible reasons: another client is also named {client_id} (set mqtt.client_id), or a message is "
        "longer than the broker allows"
    )


def explain_lost_connection(why: str, address: str) -> str:
    return f"the connection to the broker {address} was lost ({why}); events wait in the outbox until it is back"


def explain_oversized(limit: int, address: str, *, protocol: str) -> str:
    # In MQTT 5 the broker was told the limit, and keeps such messages to itself.
    remedy = (
        "set mqtt.protocol to auto: with MQTT 5 the broker does not forward such messages"
        if protocol == "3.1.1"
        else "install a newer version of the broker, because this one forwards such messages"
    )
    return (
        f"the broker {address} sent a message of more than {limit} bytes, longer than any command, so the connection "
        "was closed; find out who publishes it below mqtt.prefix, and forbid it in the broker's access list, or "
        f"{remedy}"
    )


def explain_refusal(reason: str, address: str, client_id: str, login: Login) -> str:
    """`reason`: the name that MQTT 5 gives it."""
    if login.username is None:
        account = "set mqtt.username and mqtt.password_file to a login that the broker accepts"
        if login.is_withheld:
            account += f", or run this as root, who may read the service's login in {CREDENTIAL_STORE}"
    elif login.password is None:
        account = f"set mqtt.password_file to the password of {login.username}"
    else:
        account = "correct mqtt.username and mqtt.password_file"
    remedies = {
        "Not authorized": f"{account}, or give this device access at the broker",
        "Bad user name or password": account,
        "Client identifier not valid": f"the broker rejects the name {client_id}; set mqtt.client_id",
        "Unsupported protocol version": "set mqtt.protocol to auto",
        "Session taken over": f"another client connects as {client_id}; give one of them another mqtt.client_id",
        "Banned": "ask the broker's administrator",
        "QoS not supported": "allow QoS 1 at the broker: without it, maskd cannot know that an event has arrived",
        "Retain not supported": "allow retained messages at the broker: they hold this device's availability",
        "Packet too large": "raise the broker's limit (Mosquitto: max_packet_size): an event is longer than it allows",
    }
    remedy = remedies.get(reason, "see the broker's log")
    return f"the broker {address} refuses the connection: {reason}; {remedy}"


def explain_refused_subscription(topic_filter: str, reason: str, client_id: str) -> str:
    return (
        f"the broker does not let {client_id} subscribe to {topic_filter}: {reason}; messages there have no effect "
        "until the broker's access list allows this device's user to read that topic"
    )


def _asked_for(protocol: str) -> str:
    return "5 or 3.1.1" if protocol == "auto" else protocol


def _expected(protocol: str) -> str:
    return "mqtt.port and mqtt.tls are" if protocol == "auto" else "mqtt.port, mqtt.tls and mqtt.protocol are"
