"""Takes requests to publish events again: over MQTT, where commands are on, and from commands on this device."""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from edge.config import Config
from edge.control.commands import Broker
from edge.errors import MaskdError
from edge.mqtt import Incoming, Message
from edge.mqtt.login import commands_enabled
from edge.mqtt.resender import Resender
from edge.store.resend_job import ResendRequest
from edge.system.deadline import Deadline
from edge.system.part import Part
from edge.system.rate_limit import PerMinute
from edge.system.worker import Worker

SETTING = "resend"
"""What its topics are named by, like a setting's."""
WAITING_LIMIT = 4
REFUSALS_PER_MINUTE = 5
PROGRESS_S = 10.0
IDLE_S = 1.0
_FORM = 'the first number, such as 1842, {"from": 1842, "to": 1900, "epoch": "9c41d07be2f5"}, or stop'

_log = logging.getLogger(__name__)


class ResendRequests(Part):
    """The thread `resend-requests`: reads what is asked for, and publishes on `.../resend/state` what came of it."""

    doing = "the local record, in which a resend begins"

    def __init__(
        self, broker: Broker, resender: Resender, config: Config, *, on_failure: Callable[[BaseException], None]
    ) -> None:
        """Before the client is started."""
        self._broker = broker
        self._resender = resender
        self._is_on = False
        self._inbox: queue.Queue[Incoming] = queue.Queue(WAITING_LIMIT)
        self._connection: int | None = None
        self._is_due = threading.Event()
        self._has_news = False
        """There was a request, or a resend, since the start."""
        self._error: str | None = None
        self._publish_at = 0.0
        self._refusals = PerMinute(REFUSALS_PER_MINUTE)
        self._worker = Worker("resend-requests", self._work, on_failure=on_failure)
        resender.on_news = self._news
        broker.add_listener(self)
        self.apply(config)

    def apply(self, config: Config) -> None:
        is_on = commands_enabled(config.mqtt)
        if is_on != self._is_on:
            self._is_on = is_on
            topic = self._broker.topics.set(SETTING)
            self._broker.subscribe(topic, self._received) if is_on else self._broker.unsubscribe(topic)

    def start(self) -> None:
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        self._worker.stop(deadline)

    def answer(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """To the command `resend` on this device. Raises MaskdError."""
        if fields.get("stop") is True:
            if not self._resender.cancel():
                raise MaskdError("no event is being published again")
        elif "request" in fields:
            self._resender.begin(_valid(fields["request"]))
        return {"resend": self._resender.state.model_dump(mode="json", by_alias=True)}

    def connection_changed(self) -> None:
        self._worker.wake()

    def acknowledged(self, acknowledgement: object) -> None:
        """The state comes again with every connection."""

    def _news(self) -> None:
        self._has_news = True
        self._is_due.set()
        self._worker.wake()

    def _received(self, incoming: Incoming) -> None:
        """In the connection's thread. What comes too fast is dropped: one resend runs at a time anyway."""
        if not incoming.retained and incoming.payload and not self._inbox.full():
            self._inbox.put(incoming)
            self._worker.wake()

    def _work(self, now: float) -> float:
        if self._broker.connection != self._connection:
            self._connection = self._broker.connection
            self._is_due.set()
        if not self._inbox.empty():
            self._obey(self._inbox.get().payload, now)
        if self._resender.state.state == "running" and now >= self._publish_at:
            self._is_due.set()
        if self._is_due.is_set() and self._connection is not None:
            self._is_due.clear()
            self._publish_at = now + PROGRESS_S
            self._publish()
        return IDLE_S if self._inbox.empty() else 0.0

    def _obey(self, payload: bytes, now: float) -> None:
        self._error = None
        try:
            request = parse_request(payload)
            if request is None:
                self._resender.cancel()
            else:
                self._resender.begin(request)
        except MaskdError as error:
            self._error = str(error)
            if self._refusals.admits(now):
                _log.warning("a request to publish events again was refused: %s", error)
        self._news()

    def _publish(self) -> None:
        if not (self._is_on and self._has_news):
            return
        state = self._resender.state
        state = state.model_copy(update={"error": self._error or state.error})
        topic = self._broker.topics.state(SETTING)
        if self._broker.publish(Message(topic, state.to_json(), retain=True, schema=state.schema_name)) is None:
            self._is_due.set()


def parse_request(payload: bytes) -> ResendRequest | None:
    """None: a resend that runs is to stop. Raises MaskdError."""
    text = payload.decode(errors="replace").strip()
    if text == "stop":
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 20:
        return _valid({"from": int(text)})
    # No request holds a bracket, and what nests thousands of levels deep never reaches the parser, which recurses.
    if not text.startswith("{") or text.count("{") + text.count("[") > 1:
        raise MaskdError(f"that is not a request to publish events again; send {_FORM}")
    try:
        return _valid(json.loads(text, parse_constant=str))
    except ValueError:
        raise MaskdError(f"the request is not valid JSON; send {_FORM}") from None


def _valid(fields: object) -> ResendRequest:
    """Raises MaskdError."""
    try:
        request = ResendRequest.model_validate(fields, strict=True)
    except ValidationError as error:
        places = ", ".join(sorted({str(each["loc"][0])[:20] for each in error.errors() if each["loc"]})) or "it"
        raise MaskdError(f"the request cannot be used ({places!a} is wrong); send {_FORM}") from None
    if request.end is not None and request.end < request.begin:
        raise MaskdError(f"the request ends at {request.end}, before it begins at {request.begin}")
    return request
