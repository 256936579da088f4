"""Pictures of events for the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.config import Config
from edge.store.snapshot_folder import SnapshotFolder
from edge.web.responses import refusal

AGGREGATE = "privacy is aggregate, so no snapshot is kept"


class SnapshotsApi:
    """In `aggregate` there is none."""

    def __init__(self, storage: Path, config: Callable[[], Config]) -> None:
        self._folder = SnapshotFolder(storage)
        self._config = config

    async def one(self, request: Request) -> Response:
        """The JPEG of the event with this id."""
        try:
            event = UUID(request.path_params["event"])
        except ValueError:
            return refusal(404, "an event's snapshot is asked for by the event's id")
        jpeg = await run_in_threadpool(lambda: self._folder.read(event))
        config = self._config()
        if config.privacy == "aggregate":
            return refusal(403, AGGREGATE)
        if jpeg is None or not config.keeps_snapshots:
            return refusal(404, "no snapshot of this event is kept")
        return Response(jpeg, media_type="image/jpeg")

    def kept_of(self, events: Iterable[UUID]) -> list[UUID]:
        """Those of which there is one."""
        return [event for event in events if self._folder.has(event)] if self._config().keeps_snapshots else []
