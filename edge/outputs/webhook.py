"""Calls a server for each action: JSON by POST, signed, with a key by which a repetition is known.

The signature is that of https://www.standardwebhooks.com: HMAC-SHA256 over `<id>.<timestamp>.<body>`, in Base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast
from urllib.parse import SplitResult, urlsplit

from edge.config.outputs import WebhookSettings
from edge.config.template import filled_json
from edge.errors import MaskdError
from edge.outputs.action_queue import ActionQueue
from edge.outputs.keeping_output import KeepingOutput, NotDeliveredError
from edge.outputs.servers import reason_of, said
from edge.payloads.action import Action
from edge.system.secret_file import read_secret
from edge.system.tls_trust import trusting

_REFUSED_FOR_GOOD = {400: "Bad Request", 413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable"}
"""Answers that are about what was sent, and not about the server or the login: the same would be refused again."""
_ANSWER_BYTES = 4096
SLACK_S = 2.0
"""Beyond `timeout_s`, after which a request is ended whose answer comes drop by drop."""


class Webhook(KeepingOutput):
    def __init__(
        self,
        setting: str,
        settings: WebhookSettings,
        queue: ActionQueue,
        *,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        super().__init__(setting, queue, on_failure=on_failure)
        self._settings = settings
        self._connection: http.client.HTTPConnection | None = None

    def deliver(self, actions: Sequence[Action]) -> None:
        try:
            target = target_of(self._settings, self.setting)
        except MaskdError as error:
            raise NotDeliveredError(str(error)) from None
        body = body_of(actions[0], self._settings.template)
        headers = headers_of(actions[0], body, target.secret, time.time())
        self._connection = connection = target.connection(self._settings.timeout_s)
        with self.within(self._settings.timeout_s + SLACK_S), closing(connection):
            _post(connection, target, body, headers)

    def hurry(self) -> None:
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def try_out(self) -> str:
        target = target_of(self._settings, self.setting)
        connection = target.connection(self._settings.timeout_s)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            raise MaskdError(f"{self.setting}: {_reason(error, target)}") from None
        finally:
            connection.close()
        signed = "signed" if target.secret is not None else "not signed"
        return f"{target.address.hostname} answers; requests are {signed}; nothing was sent"


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, as the files of the settings say right now."""

    address: SplitResult
    secret: str | None
    context: ssl.SSLContext | None

    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        host = self.address.hostname or ""
        if self.context is None:
            return http.client.HTTPConnection(host, self.address.port, timeout=timeout_s)
        return http.client.HTTPSConnection(host, self.address.port, timeout=timeout_s, context=self.context)

    @property
    def path(self) -> str:
        return (self.address.path or "/") + (f"?{self.address.query}" if self.address.query else "")


def target_of(settings: WebhookSettings, setting: str) -> Target:
    """Read again for each request, so that a changed file needs no restart. Raises MaskdError."""
    url = settings.url
    if url is None:
        path = cast("Path", settings.url_file)
        url = read_secret(path, "the webhook's", "address", f"{setting}.url_file")
        if not url.isascii() or urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise MaskdError(f"the file {path} does not hold a web address; put one like https://host/... into it")
    secret = settings.secret_file
    key = None if secret is None else read_secret(secret, "the webhook's", "secret", f"{setting}.secret_file")
    address = urlsplit(url)
    context = None if address.scheme == "http" else trusting(settings.ca_file, f"correct {setting}.ca_file")
    return Target(address, key, context)


def body_of(action: Action, template: str | None) -> bytes:
    if template is None:
        return action.to_json()
    return filled_json(template, action.model_dump(mode="json")).encode()


def headers_of(action: Action, body: bytes, secret: str | None, now: float) -> dict[str, str]:
    """`now` in seconds since 1970."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "maskd",
        "Idempotency-Key": str(action.id),
        "webhook-id": str(action.id),
        "webhook-timestamp": str(int(now)),
        "Connection": "close",
    }
    if secret is not None:
        headers["webhook-signature"] = signature(secret, str(action.id), int(now), body)
    return headers


def signature(secret: str, message_id: str, at: int, body: bytes) -> str:
    """`v1,<Base64>`. A secret that begins with `whsec_` is the Base64 of the key, any other one is the key itself."""
    key = secret.encode()
    if secret.startswith("whsec_"):
        with suppress(ValueError):
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    digest = hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _post(connection: http.client.HTTPConnection, target: Target, body: bytes, headers: dict[str, str]) -> None:
    try:
        connection.request("POST", target.path, body, headers)
        response = connection.getresponse()
        answer = response.read(_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise NotDeliveredError(_reason(error, target)) from None
    status, host = response.status, target.address.hostname
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise NotDeliveredError(f"{host} answers {status}: it sends callers to another address; set url to that one")
    if status in _REFUSED_FOR_GOOD:
        words = said(answer)
        raise NotDeliveredError(
            f"{host} answers {status} {_REFUSED_FOR_GOOD[status]}{f': {words}' if words else ''}; check the template "
            "against what the server expects",
            is_final=True,
        )
    if status in (401, 403, 404, 405, 410):
        raise NotDeliveredError(f"{host} answers {status}; check the address and the secret")
    raise NotDeliveredError(f"{host} answers {status}", retry_after_s=_retry_after(response.getheader("Retry-After")))


def _retry_after(text: str | None) -> float | None:
    """Seconds; RFC 9110 allows a date as well."""
    if text is None:
        return None
    if text.isdecimal() and len(text) < 9:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _reason(error: Exception, target: Target) -> str:
    host = target.address.hostname or ""
    return reason_of(error, host) or f"{host} ended the connection, or does not speak HTTP; check the address"
