"""Visits of zones, and where people stood, for the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.config import Config
from edge.store.places_file import COLUMNS, ROWS, CameraDay, PlacesFolder, ZoneHour
from edge.web.event_query import DAY_S
from edge.web.events_api import AGGREGATE, MOST_DAYS
from edge.web.responses import json_response, refusal

Key = tuple[int, str, str]
"""When the hour or the day begins, in seconds since 1970; camera; zone."""


class PlacesApi:
    """In `aggregate` nothing of this is kept, and nothing answered."""

    def __init__(self, storage: Path, config: Callable[[], Config]) -> None:
        self._folder = PlacesFolder(storage)
        self._config = config

    async def zones(self, request: Request) -> Response:
        """`?days=7&step=hour`: visits of each zone by the hour, or day, of the device's time in which they ended. One
        without a visit is not among them."""
        step = request.query_params.get("step", "hour")
        try:
            days = float(request.query_params.get("days", "7"))
        except ValueError:
            days = 0
        if not 0 < days <= MOST_DAYS or step not in ("hour", "day"):
            return refusal(422, f"days must be a number above 0 and at most {MOST_DAYS}, and step hour or day")
        found = await run_in_threadpool(lambda: self._by_step(time.time() - days * DAY_S, step))
        if self._is_aggregate:
            return refusal(403, AGGREGATE)
        return json_response({"zones": [_row(key, each) for key, each in sorted(found.items())]})

    async def heat(self, request: Request) -> Response:
        """`/api/heat/CAMERA?day=2026-11-29`: seconds that people were seen in each cell of the picture, row by row, on
        the day, by default the latest; and the days that there are."""
        camera = request.path_params["camera"]
        if camera not in self._config().cameras:
            return refusal(404, "there is no such camera")
        wanted = request.query_params.get("day")
        try:
            day = date.fromisoformat(wanted) if wanted else None
        except ValueError:
            return refusal(422, "day must be a date such as 2026-11-29")
        answer = await run_in_threadpool(lambda: self._heat(camera, day))
        return refusal(403, AGGREGATE) if self._is_aggregate else json_response(answer)

    @property
    def _is_aggregate(self) -> bool:
        return self._config().privacy == "aggregate"

    def _by_step(self, since: float, step: str) -> dict[Key, ZoneHour]:
        return _summed(self._folder.zone_hours(since), by_day=step == "day")

    def _heat(self, camera: str, day: date | None) -> dict[str, Any]:
        days = self._folder.days()
        day = day or (days[-1] if days else datetime.now().astimezone().date())
        heat = self._folder.read(day).cameras.get(camera, CameraDay()).heat
        cells = [round(seconds, 1) for seconds in heat]
        return {
            "day": day.isoformat(),
            "days": [each.isoformat() for each in days],
            "columns": COLUMNS,
            "rows": ROWS,
            "seconds": cells,
        }


def _summed(hours: Iterable[tuple[str, str, int, ZoneHour]], *, by_day: bool) -> dict[Key, ZoneHour]:
    total: dict[Key, ZoneHour] = {}
    for camera, zone, begin, hour in hours:
        if by_day:
            begin = int(datetime.fromtimestamp(begin).astimezone().replace(hour=0).timestamp())
        key = (begin, camera, zone)
        total[key] = total[key].merged(hour) if key in total else hour
    return total


def _row(key: Key, each: ZoneHour) -> dict[str, Any]:
    begin, camera, zone = key
    return {
        "begin": begin,
        "camera": camera,
        "zone": zone,
        "visits": each.visits,
        "violations": each.violations,
        "mean_s": None if each.mean_s is None else round(each.mean_s, 1),
        "median_s": None if each.median_s is None else round(each.median_s, 1),
    }
