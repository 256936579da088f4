"""The page itself."""

from __future__ import annotations

import html

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response


class Home:
    def __init__(self, device: str) -> None:
        self._device = device

    async def page(self, _request: Request) -> Response:
        return HTMLResponse(f"<!doctype html><title>maskd</title><p>maskd on {html.escape(self._device)} runs.")
