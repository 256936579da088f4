"""Where people were on one day, as it is kept: visits of zones by hour, and a coarse map of where people stood."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.system.atomic_file import write_own_file

FOLDER_NAME = "places"
"""Below `storage.path`; one file for each day of the device's time zone."""
COLUMNS, ROWS = 32, 18
"""Of the map: coarse enough that it shows places, and no gait."""
_STEP = math.log(1.1)
_SHORTEST_S = 0.1

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]


class ZoneHour(BaseModel):
    """The visits of one zone that ended within one hour, or a longer span."""

    model_config = ConfigDict(extra="forbid")

    visits: Count = 0
    violations: Count = 0
    seconds: Seconds = 0.0
    """Of all visits together."""
    lengths: dict[int, Count] = {}
    """Visits by the logarithm of their length, in steps of a tenth: enough for a median."""

    def add(self, seconds: float, *, is_violation: bool) -> None:
        self.visits += 1
        self.violations += is_violation
        self.seconds += seconds
        step = round(math.log(max(seconds, _SHORTEST_S)) / _STEP)
        self.lengths[step] = self.lengths.get(step, 0) + 1

    def merged(self, other: ZoneHour) -> ZoneHour:
        return ZoneHour(
            visits=self.visits + other.visits,
            violations=self.violations + other.violations,
            seconds=self.seconds + other.seconds,
            lengths=dict(Counter(self.lengths) + Counter(other.lengths)),
        )

    @property
    def mean_s(self) -> float | None:
        """None: there was no visit."""
        return self.seconds / self.visits if self.visits else None

    @property
    def median_s(self) -> float | None:
        """To a twentieth; None: there was no visit."""
        below = 0
        for step, count in sorted(self.lengths.items()):
            below += count
            if 2 * below >= self.visits:
                return math.exp(step * _STEP)
        return None


class CameraDay(BaseModel):
    model_config = ConfigDict(extra="forbid")

    heat: Annotated[list[Seconds], Field(min_length=COLUMNS * ROWS, max_length=COLUMNS * ROWS)] = Field(
        default_factory=lambda: [0.0] * (COLUMNS * ROWS)
    )
    """Seconds that people were seen in each cell, row by row from the top left."""
    zones: dict[str, dict[int, ZoneHour]] = {}
    """By name, and by the hour's begin in seconds since 1970."""


class Day(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cameras: dict[str, CameraDay] = {}

    def to_json(self) -> bytes:
        return self.model_dump_json().encode() + b"\n"


class PlacesFolder:
    """The files of all days. Raises OSError where the disk fails; a folder that is not there is empty."""

    def __init__(self, storage: Path) -> None:
        self._path = storage / FOLDER_NAME

    def days(self) -> list[date]:
        """The oldest first."""
        try:
            names = [path.name for path in self._path.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(day for name in names if (day := _day_of(name)) is not None)

    def read(self, day: date) -> Day:
        """An empty one where there is none, or nothing readable is left of it."""
        try:
            return Day.model_validate_json((self._path / f"{day}.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return Day()

    def write(self, day: date, data: bytes) -> None:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_own_file(self._path / f"{day}.json", data, mode=0o600, sync=False)

    def delete(self, days: Iterable[date]) -> None:
        for day in days:
            (self._path / f"{day}.json").unlink(missing_ok=True)

    def delete_all(self) -> None:
        """Also what a crash has left in the middle of a write."""
        try:
            for path in list(self._path.iterdir()):
                path.unlink(missing_ok=True)
            self._path.rmdir()
        except FileNotFoundError:
            pass

    def zone_hours(self, since: float) -> Iterator[tuple[str, str, int, ZoneHour]]:
        """Camera, zone, the hour's begin, and what ended in it; an hour without a visit is not among them."""
        first = datetime.fromtimestamp(since).astimezone().date()
        for day in self.days():
            if day < first:
                continue
            for camera, known in self.read(day).cameras.items():
                for zone, hours in known.zones.items():
                    yield from ((camera, zone, begin, hour) for begin, hour in hours.items() if begin + 3600 > since)


def _day_of(name: str) -> date | None:
    try:
        return date.fromisoformat(name.removesuffix(".json")) if name.endswith(".json") else None
    except ValueError:
        return None
