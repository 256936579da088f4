"""The report of the last days, as a page of its own."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from edge.config import Config
from edge.errors import MaskdError
from edge.report.gather import report_of
from edge.report.page import as_html
from edge.report.style import STYLE
from edge.web.events_api import MOST_DAYS
from edge.web.responses import SECURITY_HEADERS, refusal

PAUSE_S = 0.005
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_POLICY = SECURITY_HEADERS["Content-Security-Policy"].replace("style-src 'self'", f"style-src 'sha256-{_HASH}'")


class ReportApi:
    """In `aggregate` there is none."""

    def __init__(self, config: Callable[[], Config]) -> None:
        self._config = config
        self._is_busy = False

    async def show(self, request: Request) -> Response:
        """`?days=7`. One at a time, since each reads the record."""
        text = request.query_params.get("days", "7")
        if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MOST_DAYS):
            return refusal(422, f"days must be a whole number from 1 to {MOST_DAYS}")
        if self._config().privacy == "aggregate":
            return refusal(403, "privacy is aggregate, so no report is made of the visits of single people")
        if self._is_busy:
            return refusal(503, "another report is being made; try again in a moment")
        self._is_busy = True
        try:
            page = await run_in_threadpool(lambda: self._made(int(text)))
        except MaskdError as error:
            return refusal(422, str(error))
        finally:
            self._is_busy = False
        if self._config().privacy == "aggregate":
            return refusal(403, "privacy is aggregate, so no report is made of the visits of single people")
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    def _made(self, days: int) -> str:
        now = time.time()
        return as_html(report_of(self._config(), now - days * 86_400, now, pause_s=PAUSE_S))
