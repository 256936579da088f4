"""Who changed which setting, for the page."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.control.audit import kept_lines
from edge.web.responses import json_response, refusal

MOST = 200


class AuditApi:
    def __init__(self, storage: Path) -> None:
        self._storage = storage

    async def newest(self, _request: Request) -> Response:
        """The last changes, newest first; values are without secrets."""
        try:
            lines = await run_in_threadpool(lambda: kept_lines(self._storage))
        except OSError as error:
            return refusal(500, f"the log of changed settings cannot be read: {error.strerror or error}")
        return json_response({"changes": lines[-MOST:][::-1]})
