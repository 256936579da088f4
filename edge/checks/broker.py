"""The broker, a message to oneself through it, and what it knows of this device."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from pydantic import ValidationError

from edge.checks.row import Row, judged
from edge.config import Config, MqttSettings
from edge.errors import MaskdError
from edge.homeassistant import discovery_filter, discovery_topic
from edge.homeassistant.announced import Announced
from edge.mqtt.brief_session import LOOP_S, brief_session
from edge.mqtt.login import commands_enabled
from edge.mqtt.messages import Acknowledgement, Incoming, Message, Subscription
from edge.mqtt.session import Session
from edge.mqtt.versions import Version
from edge.payloads.payload import timestamp
from edge.payloads.topics import Topics

LIMIT_S = 16.0
"""More than a broker takes that accepts connections and then says nothing, which is said in its own words."""
ANSWER_S = 3.0
"""For subscriptions and the message to be answered, once the broker has let us in."""
ECHO_S = 1.0
"""For the message to come back, once the broker has acknowledged it."""
_CLOSED = "the broker closed the connection because of it"


@dataclass(slots=True)
class Visit:
    """What was seen at the broker."""

    version: Version = "5"
    """Of MQTT, that the broker speaks."""
    username: str | None = None
    warnings: list[str] = field(default_factory=list)
    tls_version: str | None = None
    refusal: str | None = None
    """Why the broker did not take the message."""
    echo_ms: float | None = None
    """From publishing the message to its return; None: it did not return."""
    availability: str | None = None
    """`online` or `offline`, as the broker keeps it; None: there is none, or it may not be read."""
    announced: bool = False
    """The broker keeps a message to Home Assistant."""


def visit_broker(config: Config) -> Visit:
    """Under a client id of its own, so that a running daemon is left alone. Publishes one message, not retained, below
    the device's own topics. Raises MaskdError where the broker is absent or does not let us in."""
    visit = Visit()
    with brief_session(config.mqtt, config.device, "check") as session:
        visit.version = session.version
        visit.username, visit.warnings, visit.tls_version = session.username, session.warnings, session.tls_version
        _talk(session, config, visit)
    return visit


def broker_row(settings: MqttSettings, visit: Visit, topics: Topics) -> Row:
    commands = commands_enabled(settings)
    warnings = [*visit.warnings]
    if visit.refusal is not None:
        warnings.append(
            f"it refuses messages on {topics.check}: {visit.refusal}; allow this device's user its own topics in the "
            f"broker's access list (Mosquitto's acl_file): topic write {topics.base}/#"
        )
    elif visit.echo_ms is None and visit.version == "3.1.1":
        warnings.append(
            f"the message on {topics.check} did not come back, and MQTT 3.1.1 gives no reason; allow this device's "
            f"user in the broker's access list: topic write {topics.base}/#, and topic read {topics.check}"
        )
    elif visit.echo_ms is None and commands:
        warnings.append(
            f"it accepts the message on {topics.check} but does not return it, so commands may not arrive; allow "
            f"this device's user in the broker's access list: topic read {topics.check}, and for commands topic read "
            f"{topics.base}/+/+/set"
        )
    address = f"{settings.host}:{settings.port}"
    user = "" if visit.username is None else f" as {visit.username}"
    tls = "" if visit.tls_version is None else f" and {visit.tls_version}"
    sent = "" if visit.refusal else ", accepts a message"
    back = "" if visit.echo_ms is None else f" and returns it in {visit.echo_ms:.0f} ms"
    on_off = "on" if commands else "off"
    return judged(
        "broker",
        f"{address} accepts maskd{user}, with MQTT {visit.version}{tls}{sent}{back}; commands are {on_off}",
        warnings=warnings,
        figures={
            "protocol": visit.version,
            "tls": visit.tls_version,
            "publish": visit.refusal is None,
            "receive": visit.echo_ms is not None,
            "commands": commands,
        },
    )


def daemon_row(config: Config, visit: Visit | None, *, is_running: bool | None) -> Row:
    """`visit` None: the broker could not be asked. `is_running` None: this user may not know."""
    seen = visit.availability if visit is not None else None
    figures = {"running": is_running, "availability": seen}
    if is_running is None:
        return Row("skipped", "daemon", f"this user may not see whether one runs; the broker has {seen}")
    if is_running and seen == "offline":
        problem = "it runs, but has not connected to the broker since it was last offline; see journalctl -u maskd"
        return Row("warn", "daemon", "running, but offline at the broker", problem, figures)
    if is_running:
        return Row("ok", "daemon", "running" + (", online at the broker" if seen == "online" else ""), None, figures)
    if seen == "online":
        problem = (
            f"none runs on {config.storage.path}, but another client is online as {config.device}: a device with the "
            "same name, or a maskd with another configuration; give each its own `device`"
        )
        return Row("warn", "daemon", "not running here", problem, figures)
    return Row("ok", "daemon", "not running; sudo systemctl start maskd", None, figures)


def homeassistant_row(config: Config, visit: Visit | None, *, is_running: bool | None) -> Row:
    """`visit` None: the broker could not be asked."""
    what = "home assistant"
    if not config.mqtt.enabled or not config.mqtt.homeassistant.enabled:
        return Row("skipped", what, "switched off in the configuration")
    topic = discovery_topic(config)
    if visit is not None and visit.announced:
        return Row("ok", what, f"announced on {topic}", None, {"announced": True})
    if topic in _remembered(config):
        return Row("ok", what, f"announced on {topic}, according to this device", None, {"announced": True})
    if is_running and visit is not None:
        problem = f"allow this device's user in the broker's access list: topic write {discovery_filter(config)}"
        return Row("warn", what, "not announced", problem, {"announced": False})
    return Row("skipped", what, "not announced yet: maskd announces itself when it runs", None, {"announced": False})


def _talk(session: Session, config: Config, visit: Visit) -> None:
    topics, discovery = Topics(config.mqtt.prefix, config.device), discovery_topic(config)
    wanted = {topics.check, topics.availability, discovery}
    unanswered = set(wanted)
    message = Message(topics.check, json.dumps({"nonce": os.urandom(8).hex(), "time": timestamp(time.time())}).encode())
    published_at = 0.0
    acknowledged_at: float | None = None

    def received(incoming: Incoming) -> None:
        if incoming.payload == message.payload and incoming.topic == topics.check:
            visit.echo_ms = (time.monotonic() - published_at) * 1000
        elif incoming.topic == topics.availability and incoming.payload in (b"online", b"offline"):
            visit.availability = incoming.payload.decode()
        elif incoming.topic == discovery:
            visit.announced = True

    def acknowledged(acknowledgement: Acknowledgement) -> None:
        nonlocal acknowledged_at
        acknowledged_at, visit.refusal = time.monotonic(), acknowledgement.refusal

    def too_large(topic: str, _size: int) -> None:
        visit.announced = visit.announced or topic == discovery

    session.inbox.on_subscribed = lambda topic_filter, _refusal: unanswered.discard(topic_filter)
    session.inbox.on_discarded = too_large
    session.on_acknowledged = acknowledged
    session.inbox.subscribe([Subscription(topic, received) for topic in sorted(wanted)])
    give_up_at = time.monotonic() + ANSWER_S
    try:
        while unanswered and time.monotonic() < give_up_at:
            session.serve(LOOP_S)
        published_at = time.monotonic()
        session.publish(message)
        while time.monotonic() < give_up_at and not (visit.refusal or (visit.echo_ms is not None and acknowledged_at)):
            if acknowledged_at is not None and time.monotonic() - acknowledged_at >= ECHO_S:
                break
            session.serve(LOOP_S)
    except MaskdError:
        # Mosquitto 2.0 closes the connection over a message that its access list forbids.
        visit.refusal = _CLOSED
        return
    if acknowledged_at is None and visit.refusal is None:
        visit.refusal = f"no acknowledgement within {ANSWER_S:g} s"


def _remembered(config: Config) -> Collection[str]:
    """The topics on which this device last announced itself."""
    try:
        return Announced.model_validate_json((config.storage.path / "announced.json").read_bytes()).messages
    except (OSError, ValidationError):
        return ()
