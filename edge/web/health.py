"""Whether maskd runs, and whether it can do its work: for monitoring."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from edge.payloads.reports import Status
from edge.view.words import is_about_view
from edge.web.responses import json_response


class Health:
    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    async def healthz(self, _request: Request) -> Response:
        """Needs no login, and tells nothing but that the server answers."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _request: Request) -> Response:
        """200, or 503 with the reasons."""
        reasons = [*reasons_against(await run_in_threadpool(self._status))]
        return json_response({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def status(self, _request: Request) -> Response:
        """As it is published over MQTT."""
        status = await run_in_threadpool(self._status)
        return Response(status.to_json(), media_type="application/json")


def reasons_against(status: Status) -> Iterator[str]:
    """Why cameras, models, broker or disk are not as they should be, one sentence each. What a camera shows is no
    reason: a room is dark at night."""
    yield from (problem for problem in status.problems if not is_about_view(problem))
    for name, camera in status.cameras.items():
        if camera.enabled and not camera.connected and camera.error is None:
            yield f"camera {name}: gives no pictures"
