"""Why a connection to the broker ended, and whether it may be for the version of MQTT."""

from __future__ import annotations

from dataclasses import dataclass

from paho.mqtt.enums import MQTTErrorCode

from edge.config import MqttSettings
from edge.mqtt import reasons
from edge.mqtt.login import Login
from edge.mqtt.paho_client import PACKET_LIMIT, BoundedClient
from edge.mqtt.tls_reasons import explain_tls
from edge.mqtt.versions import Version

UNSUPPORTED_VERSION = "Unsupported protocol version"


@dataclass(frozen=True, slots=True)
class Ending:
    reason: str
    """In a sentence, with the remedy."""
    version_doubt: str | None = None
    """What the broker did that one does which does not speak this version, as a part of a sentence."""
    lost: str | None = None
    """How the connection was lost, where nothing else is known of it, as a part of a sentence."""


def ending_of(
    client: BoundedClient,
    result: MQTTErrorCode,
    settings: MqttSettings,
    *,
    client_id: str,
    login: Login,
    version: Version,
    was_accepted: bool,
) -> Ending:
    """`result`: what paho's loop() has returned."""
    address = f"{settings.host}:{settings.port}"
    if client.flooded:
        return Ending(reasons.explain_oversized(PACKET_LIMIT, address, protocol=settings.protocol))
    if client.tls_error is not None and settings.tls is not None and not was_accepted:
        return Ending(explain_tls(client.tls_error, address, settings.tls))
    if client.refuses_version:
        refusal = reasons.explain_refusal(UNSUPPORTED_VERSION, address, client_id, login)
        return Ending(refusal, f"it refused MQTT {version}")
    if client.nonsense is not None:
        doubt = None if was_accepted else f"its answer to MQTT {version} was not understood"
        return Ending(reasons.explain_nonsense(client.nonsense, address), doubt)
    if not was_accepted:
        unanswered = reasons.explain_closed_unanswered(address, settings.protocol)
        return Ending(unanswered, f"it closed the connection when asked for MQTT {version}")
    lost = MQTTErrorCode(result).name.removeprefix("MQTT_ERR_").lower().replace("_", " ")
    return Ending(reasons.explain_lost_connection(lost, address), lost=lost)
