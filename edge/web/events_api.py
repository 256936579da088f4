"""Recorded events for the page: the last ones, all of them as a file, and how many came."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from edge.config import Config
from edge.control.audit import By
from edge.errors import UsageError
from edge.payloads.events import Event
from edge.web.event_query import DAY_S, MOST_SHOWN, EventFilter, EventRecord
from edge.web.responses import json_response, refusal
from edge.web.settings_api import by_whom

MOST_DAYS = 366
AGGREGATE = "privacy is aggregate, so nothing is shown of single people"
COLUMNS = (
    *("time", "camera", "type", "status", "previous", "compliant", "confidence", "zones", "duration_s", "track"),
    *("started", "epoch", "seq", "id"),
)
Lines = Callable[[Iterator[tuple[Event, bytes]]], Iterator[str]]


class EventsApi:
    """In `aggregate` nothing of this is answered."""

    def __init__(
        self,
        record: EventRecord,
        config: Callable[[], Config],
        snapshots_of: Callable[[Iterable[UUID]], Sequence[UUID]],
        note: Callable[[str, str, By], None],
    ) -> None:
        """`snapshots_of`: of some events, those of which there is a snapshot. `note`: adds a line to the log of changed
        settings."""
        self._note = note
        self._snapshots_of = snapshots_of
        self._record = record
        self._config = config

    async def newest(self, request: Request) -> Response:
        """`?camera=&zone=&status=&type=&since=&until=&limit=`: newest first; and which of them have a
        snapshot."""
        try:
            wanted, limit = EventFilter.from_query(request.query_params), _limit(request)
        except UsageError as error:
            return refusal(422, str(error))
        found = await run_in_threadpool(lambda: self._record.newest(wanted, limit))
        pictured = await run_in_threadpool(lambda: self._snapshots_of(each.event.id for each in found))
        if self._is_aggregate:
            return refusal(403, AGGREGATE)
        events, ids = b",".join(each.payload for each in found), json.dumps([str(event) for event in pictured])
        return Response(
            b'{"events":[' + events + b'],"snapshots":' + ids.encode() + b"}", media_type="application/json"
        )

    async def as_csv(self, request: Request) -> Response:
        return self._export(request, "text/csv; charset=utf-8", "events.csv", _csv_lines)

    async def as_json(self, request: Request) -> Response:
        """One object a line, as it was published."""
        return self._export(request, "application/x-ndjson", "events.json", _json_lines)

    async def trends(self, request: Request) -> Response:
        """`?days=7`: visits that ended, by hour of the device's time, camera and outcome."""
        try:
            days = float(request.query_params.get("days", "7"))
        except ValueError:
            days = 0
        if not 0 < days <= MOST_DAYS:
            return refusal(422, f"days must be a number above 0 and at most {MOST_DAYS}")
        visits = await run_in_threadpool(lambda: self._record.visits(time.time() - days * DAY_S))
        if self._is_aggregate:
            return refusal(403, AGGREGATE)
        hours = [[*bucket, count] for bucket, count in sorted(visits.items())]
        return json_response({"hours": hours})

    @property
    def _is_aggregate(self) -> bool:
        return self._config().privacy == "aggregate"

    def _export(
        self,
        request: Request,
        media_type: str,
        name: str,
        lines: Callable[[Iterator[tuple[Event, bytes]]], Iterator[str]],
    ) -> Response:
        if self._is_aggregate:
            return refusal(403, AGGREGATE)
        try:
            wanted = EventFilter.from_query(request.query_params)
        except UsageError as error:
            return refusal(422, str(error))
        self._note("page.download", name, by_whom(request))
        disposition = {"Content-Disposition": f'attachment; filename="{self._config().device}-{name}"'}
        return StreamingResponse(lines(self._allowed(wanted)), media_type=media_type, headers=disposition)

    def _allowed(self, wanted: EventFilter) -> Iterator[tuple[Event, bytes]]:
        """Ends where privacy is switched meanwhile."""
        for each in self._record.oldest_first(wanted):
            if self._is_aggregate:
                return
            yield each.event, each.payload


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "100")
    if not (text.isdecimal() and 1 <= int(text) <= MOST_SHOWN):
        raise UsageError(f"limit must be a whole number from 1 to {MOST_SHOWN}")
    return int(text)


def _json_lines(events: Iterator[tuple[Event, bytes]]) -> Iterator[str]:
    for _, payload in events:
        yield payload.decode() + "\n"


def _csv_lines(events: Iterator[tuple[Event, bytes]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event, payload in events:
        fields = json.loads(payload)
        fields["zones"] = " ".join(event.zones)
        writer.writerow([fields[column] for column in COLUMNS])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()
