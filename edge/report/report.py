"""What a report says, counted from visits and from when cameras gave pictures: pure logic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo

from edge.report.hours import Hour, hours_of, index_of
from edge.report.visits import Outcome, Visit
from edge.store.uptime import Span

SHORTEST_GAP_S = 600.0
"""Shorter gaps are counted, and not listed."""
BUSIEST = 5
HOUR_S = 3600.0


@dataclass(slots=True)
class Tally:
    compliant: int = 0
    violation: int = 0
    unknown: int = 0
    covered_s: float = 0.0
    """Seconds in which there was data: of a camera, pictures; of several, summed up."""

    def count(self, outcome: Outcome) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)

    def add(self, other: Tally) -> None:
        self.compliant += other.compliant
        self.violation += other.violation
        self.unknown += other.unknown
        self.covered_s += other.covered_s

    @property
    def visits(self) -> int:
        return self.compliant + self.violation + self.unknown

    @property
    def rate(self) -> float | None:
        """Compliant visits among those whose status was known; None: there were none."""
        known = self.compliant + self.violation
        return self.compliant / known if known else None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without pictures of a camera that was not switched off; or maskd did not run."""

    camera: str
    begin: float
    end: float


@dataclass(slots=True)
class CameraUptime:
    up_s: float = 0.0
    off_s: float = 0.0
    gaps: list[Gap] = field(default_factory=list)
    strip: list[tuple[float, float]] = field(default_factory=list)
    """When there were pictures, merged."""


@dataclass(slots=True)
class Report:
    device: str
    begin: float
    """Seconds since 1970."""
    end: float
    zone: tzinfo
    zone_name: str
    noted_since: float | None
    """From when on it was noted whether there were pictures; None: never in this time."""
    total: Tally = field(default_factory=Tally)
    hours: list[tuple[Hour, dict[str, Tally]]] = field(default_factory=list)
    """Each hour, and what each camera saw in it."""
    cameras: dict[str, Tally] = field(default_factory=dict)
    zones: dict[tuple[str, str], Tally] = field(default_factory=dict)
    """By camera and zone; a visit counts in each of its zones."""
    days: dict[date, Tally] = field(default_factory=dict)
    by_hour: dict[int, Tally] = field(default_factory=dict)
    by_weekday: dict[int, Tally] = field(default_factory=dict)
    """0: Monday."""
    week: dict[tuple[int, int], Tally] = field(default_factory=dict)
    """By weekday and hour."""
    uptime: dict[str, CameraUptime] = field(default_factory=dict)

    @property
    def busiest(self) -> list[tuple[Hour, int]]:
        """The hours with most visits, and how many these were."""
        counted = [(hour, sum(tally.visits for tally in cameras.values())) for hour, cameras in self.hours]
        return sorted((one for one in counted if one[1]), key=lambda one: (-one[1], one[0].begin))[:BUSIEST]


def make_report(
    visits: Iterable[Visit],
    spans: Iterable[Span],
    cameras: Sequence[str],
    *,
    device: str,
    begin: float,
    end: float,
    zone: tzinfo,
    zone_name: str,
) -> Report:
    """`cameras`: those of the configuration; one that is only in the record is added. Hours and days are those of
    `zone`."""
    hours = hours_of(begin, end, zone)
    counted: list[dict[str, Tally]] = [defaultdict(Tally) for _ in hours]
    zones: dict[tuple[str, str], Tally] = defaultdict(Tally)
    names = dict.fromkeys(cameras)
    for visit in visits:
        place = index_of(hours, visit.began_at)
        if place is None:
            continue
        names.setdefault(visit.camera)
        counted[place][visit.camera].count(visit.outcome)
        for each in visit.zones:
            zones[visit.camera, each].count(visit.outcome)
    known = sorted((span for span in spans if span.end > begin and span.begin < end), key=lambda span: span.begin)
    noted_since = max(begin, known[0].begin) if known else None
    report = Report(device, begin, end, zone, zone_name, noted_since, zones=dict(sorted(zones.items())))
    for name in names:
        report.uptime[name] = _uptime(name, known, begin if noted_since is None else noted_since, end)
        _cover(hours, counted, name, report.uptime[name].strip)
    _sum_up(report, hours, counted, list(names))
    return report


def _sum_up(report: Report, hours: list[Hour], counted: list[dict[str, Tally]], names: list[str]) -> None:
    tallies: tuple[dict[object, Tally], ...] = tuple(defaultdict(Tally) for _ in range(5))
    by_camera, days, by_hour, by_weekday, week = tallies
    for hour, cameras in zip(hours, counted, strict=True):
        local = hour.local
        for name, tally in cameras.items():
            report.total.add(tally)
            by_camera[name].add(tally)
            days[hour.day].add(tally)
            by_hour[local.hour].add(tally)
            by_weekday[local.weekday()].add(tally)
            week[local.weekday(), local.hour].add(tally)
        days.setdefault(hour.day, Tally())
    report.hours = list(zip(hours, counted, strict=True))
    report.cameras = {name: by_camera[name] for name in names}
    report.days = {hour.day: days[hour.day] for hour in hours}
    report.by_hour = {hour: by_hour[hour] for hour in range(24)}
    report.by_weekday = {day: by_weekday[day] for day in range(7)}
    report.week = {(day, hour): week[day, hour] for day in range(7) for hour in range(24)}


def _uptime(name: str, spans: Sequence[Span], begin: float, end: float) -> CameraUptime:
    """From `begin` on it is known."""
    uptime = CameraUptime()
    is_known = begin
    for span in spans:
        first, last = max(begin, span.begin, is_known), min(end, span.end)
        if last <= first:
            continue
        if name in span.up:
            uptime.up_s += last - first
            _extend(uptime.strip, first, last)
        elif name in span.off:
            uptime.off_s += last - first
            _extend_gap(uptime, name, is_known, first)
            is_known = last
            continue
        else:
            continue
        _extend_gap(uptime, name, is_known, first)
        is_known = last
    if spans:
        _extend_gap(uptime, name, is_known, end)
    return uptime


def _extend(strip: list[tuple[float, float]], first: float, last: float) -> None:
    """Joins what follows within a few seconds."""
    if strip and first - strip[-1][1] <= 1.0:
        strip[-1] = (strip[-1][0], last)
    else:
        strip.append((first, last))


def _extend_gap(uptime: CameraUptime, name: str, begin: float, end: float) -> None:
    if end - begin >= SHORTEST_GAP_S:
        uptime.gaps.append(Gap(name, begin, end))


def _cover(hours: list[Hour], counted: list[dict[str, Tally]], name: str, strip: list[tuple[float, float]]) -> None:
    for first, last in strip:
        place = index_of(hours, first)
        while place is not None and place < len(hours) and hours[place].begin < last:
            covered = min(last, hours[place].end) - max(first, hours[place].begin)
            counted[place][name].covered_s += max(0.0, covered)
            place += 1
