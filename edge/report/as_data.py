"""A report as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import Any

from edge.report.report import Report, Tally

COLUMNS = ("hour", "camera", "visits", "compliant", "violation", "unknown", "compliance_rate", "covered_s")


def as_json(report: Report) -> str:
    content = {
        "schema": "maskd.report/1",
        "device": report.device,
        "from": _local(report, report.begin),
        "to": _local(report, report.end),
        "time_zone": report.zone_name,
        "uptime_noted_since": None if report.noted_since is None else _local(report, report.noted_since),
        "total": _tally(report.total),
        "cameras": {name: _tally(tally) for name, tally in report.cameras.items()},
        "zones": [{"camera": camera, "zone": zone, **_visits(tally)} for (camera, zone), tally in report.zones.items()],
        "days": {day.isoformat(): _tally(tally) for day, tally in report.days.items()},
        "hours_of_day": {str(hour): _tally(tally) for hour, tally in report.by_hour.items()},
        "weekdays": {str(day + 1): _tally(tally) for day, tally in report.by_weekday.items()},
        "busiest_hours": [{"hour": hour.local.isoformat(), "visits": count} for hour, count in report.busiest],
        "uptime": {
            name: {
                "up_s": round(each.up_s, 1),
                "off_s": round(each.off_s, 1),
                "gaps": [[_local(report, gap.begin), _local(report, gap.end)] for gap in each.gaps],
            }
            for name, each in report.uptime.items()
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def as_csv(report: Report) -> str:
    """A row for each hour and camera; the hour with its offset from UTC, so that one that comes twice is two rows."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for hour, cameras in report.hours:
        for name in report.cameras:
            tally = cameras.get(name, Tally())
            rate = "" if tally.rate is None else f"{tally.rate:.4f}"
            counts = (tally.visits, tally.compliant, tally.violation, tally.unknown)
            writer.writerow([hour.local.isoformat(), name, *counts, rate, round(tally.covered_s)])
    return buffer.getvalue()


def _visits(tally: Tally) -> dict[str, Any]:
    return {
        "visits": tally.visits,
        "compliant": tally.compliant,
        "violation": tally.violation,
        "unknown": tally.unknown,
        "compliance_rate": None if tally.rate is None else round(tally.rate, 4),
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {**_visits(tally), "covered_s": round(tally.covered_s, 1)}


def _local(report: Report, moment: float) -> str:
    return datetime.fromtimestamp(moment, report.zone).isoformat(timespec="seconds")
