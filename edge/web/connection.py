"""One connection of a browser, which must bring a request in time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

FIRST_REQUEST_S = 10.0
"""uvicorn itself waits for the first request without end."""


class Connection(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(FIRST_REQUEST_S, self._require_request)

    def _require_request(self) -> None:
        if self.cycle is None and self in self.connections:
            self.transport.abort()
