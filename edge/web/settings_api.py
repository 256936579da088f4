"""What can be set from the page, and the one door through which it is set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edge.config import Config
from edge.config.settable import Settable, settables
from edge.control.audit import By
from edge.control.changes import Changes
from edge.control.settable import PAYLOAD_LIMIT, Command, parse_command
from edge.errors import MaskdError
from edge.web.responses import json_response, refusal

BODY_S = 10.0


class SettingsApi:
    def __init__(
        self,
        changes: Changes,
        effective: Callable[[Config, str | None, str], bool | float | str],
        on_change: Callable[[], None],
    ) -> None:
        """`effective(config, camera, setting)`: the value in effect. `on_change`: called after a change."""
        self._changes = changes
        self._effective = effective
        self._on_change = on_change

    async def all(self, _request: Request) -> Response:
        config = self._changes.config
        return json_response({"settings": [self._described(each, config) for each in settables(config)]})

    async def set(self, request: Request) -> Response:
        """The body is what a command over MQTT has: a bare value, or `{"value": ..., "persist": ...}`."""
        wanted = Settable(request.path_params["setting"], request.path_params.get("camera"))
        if wanted not in settables(self._changes.config):
            return refusal(404, "there is no such camera or setting")
        try:
            body = await asyncio.wait_for(_body(request), BODY_S)
            command = parse_command(body)
            await run_in_threadpool(lambda: self._carry_out(wanted, command, by_whom(request)))
        except MaskdError as error:
            return refusal(422, str(error))
        except (ClientDisconnect, asyncio.TimeoutError):
            return refusal(408, "the value did not arrive; try again")
        return json_response(self._described(wanted, self._changes.config))

    def _carry_out(self, each: Settable, command: Command, by: By) -> None:
        """Raises MaskdError."""
        now = time.monotonic()
        with self._changes.lock:
            self._changes.set(each, command.value, by)
            self._changes.keep(now)
            try:
                if command.persist:
                    self._changes.write(each, now)
            finally:
                self._on_change()

    def _described(self, each: Settable, config: Config) -> dict[str, Any]:
        return {
            **described(each),
            "widget": each.declared.control.widget,
            "value": self._effective(config, each.camera, each.setting),
            "persisted": self._changes.is_persisted(each),
            "unkept": self._changes.unkept(each),
        }


def described(each: Settable) -> dict[str, Any]:
    """What every control of this setting needs, whatever its value."""
    declared = each.declared
    control = declared.control
    return {
        "setting": each.setting,
        "camera": each.camera,
        "name": control.name,
        "unit": control.unit,
        "step": control.step,
        "range": declared.range,
        "choices": declared.choices,
    }


def by_whom(request: Request) -> By:
    address = "" if request.client is None else f" from {request.client.host}"
    return By("page", f"{request.scope['role']}{address}")


async def _body(request: Request) -> bytes:
    """One byte more than what is read of a command at most, which refuses it."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > PAYLOAD_LIMIT:
            return body[: PAYLOAD_LIMIT + 1]
    return body
