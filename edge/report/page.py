"""A report as one page of HTML, complete in itself: no script, and nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape

from edge.report import charts
from edge.report.report import HOUR_S, Gap, Report, Tally
from edge.report.style import STYLE

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_GAPS = 20
_KEY = (
    '<p class="soft key"><i class="compliant"></i>compliant<i class="violation"></i>violation'
    '<i class="unknown"></i>status unknown<i class="nodata"></i>no data</p>'
)


def as_html(report: Report) -> str:
    title = f"Mask compliance at {escape(report.device)}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>{charts.HATCH}<h1>{title}</h1>{''.join(_sections(report))}</body></html>\n"
    )


def _sections(report: Report) -> Iterator[str]:
    yield (
        f'<p class="soft">{_moment(report, report.begin)} to {_moment(report, report.end)}, times in '
        f"{escape(report.zone_name)}. A visit is one person's, counted in the hour in which it began; it is a "
        "violation if the status was ever known and not allowed.</p>"
    )
    yield _figures(report)
    yield _section("Day by day", _figure(charts.bars("Visits of each day", [*_days(report)], every=_every(report))))
    hours = [(f"{hour:02}", f"{hour:02}:00", tally) for hour, tally in report.by_hour.items()]
    yield _section("By hour of the day", _figure(charts.bars("Visits by hour of the day", hours, every=3)))
    caption = "<figcaption>Percent of the visits with a known status that complied.</figcaption>"
    week = charts.week("Compliance by weekday and hour", report.week, WEEKDAYS)
    yield _section("By weekday and hour", f"<figure>{week}{caption}</figure>")
    yield _section("Doors", _table("Door", report.cameras.items()))
    if report.zones:
        rows = ((f"{camera}: {zone}", tally) for (camera, zone), tally in report.zones.items())
        yield _section(
            "Zones", _table("Zone", rows, covered=False) + '<p class="soft">A visit counts in each zone.</p>'
        )
    rows_of_days = ((WEEKDAYS[day], tally) for day, tally in report.by_weekday.items())
    yield _section("Weekdays", _table("Weekday", rows_of_days))
    yield _section("Busiest hours", _busiest(report))
    yield _section("When there was data", "".join(_uptime(report)))


def _figures(report: Report) -> str:
    total = report.total
    figures = [
        (_percent(total.rate), "of the visits with a known status complied"),
        (f"{total.visits:,}", "visits"),
        (f"{total.violation:,}", "violations"),
        (f"{total.unknown:,}", "with an unknown status"),
        (_share(report), "of the time with data"),
    ]
    return f'<div class="figures">{"".join(f"<div><b>{value}</b>{words}</div>" for value, words in figures)}</div>'


def _share(report: Report) -> str:
    known = 0.0 if report.noted_since is None else report.end - report.noted_since
    wanted = sum(known - each.off_s for each in report.uptime.values())
    up = sum(each.up_s for each in report.uptime.values())
    return _percent(up / wanted if wanted > 0 else None)


def _days(report: Report) -> Iterator[tuple[str, str, Tally]]:
    for day, tally in report.days.items():
        yield f"{day.day}.{day.month}.", f"{WEEKDAYS[day.weekday()]} {day.isoformat()}", tally


def _every(report: Report) -> int:
    return max(1, -(-len(report.days) // 16))


def _busiest(report: Report) -> str:
    if not report.busiest:
        return "<p>There was no visit.</p>"
    rows = "".join(
        f"<tr><td>{WEEKDAYS[hour.local.weekday()]} {hour.local:%Y-%m-%d %H:%M} (UTC{hour.local:%z})</td>"
        f"<td>{count:,}</td></tr>"
        for hour, count in report.busiest
    )
    return f"<table><tr><th>Hour</th><th>Visits</th></tr>{rows}</table>"


def _table(name: str, rows: Iterable[tuple[str, Tally]], *, covered: bool = True) -> str:
    head = [
        name,
        "Visits",
        "Compliant",
        "Violations",
        "Unknown",
        "Compliance",
        *(["Hours of data"] if covered else []),
    ]
    body = []
    for label, tally in rows:
        counts = [tally.visits, tally.compliant, tally.violation, tally.unknown]
        cells = [escape(label), *(f"{count:,}" for count in counts), _percent(tally.rate)]
        if covered:
            cells.append(f"{tally.covered_s / HOUR_S:,.1f}")
        body.append(_row("td", cells))
    return f"<table>{_row('th', head)}{''.join(body)}</table>"


def _row(kind: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{kind}>{cell}</{kind}>" for cell in cells) + "</tr>"


def _uptime(report: Report) -> Iterator[str]:
    if report.noted_since is None:
        yield "<p>It was not noted when cameras gave pictures in this time: maskd did not run, or was an older one.</p>"
        return
    if report.noted_since > report.begin:
        yield f'<p class="soft">Noted since {_moment(report, report.noted_since)}; nothing is known of before.</p>'
    gaps: list[Gap] = []
    for name, each in report.uptime.items():
        known = report.end - report.noted_since - each.off_s
        off = f", switched off for {_hours(each.off_s)}" if each.off_s else ""
        share = _percent(each.up_s / known if known > 0 else None)
        drawn = charts.strip(f"When {name} gave pictures", report.begin, report.end, report.noted_since, each.strip)
        yield f"<p>{escape(name)}: pictures for {_hours(each.up_s)}, {share} of the time{off}</p>"
        yield f"<figure>{drawn}</figure>"
        gaps += each.gaps
    longest = sorted(gaps, key=lambda gap: gap.begin - gap.end)[:MOST_GAPS]
    if longest:
        items = "".join(
            f"<li>{escape(gap.camera)}: {_moment(report, gap.begin)} to {_moment(report, gap.end)} "
            f"({_hours(gap.end - gap.begin)})</li>"
            for gap in sorted(longest, key=lambda gap: gap.begin)
        )
        more = f", the {MOST_GAPS} longest of {len(gaps)}" if len(gaps) > MOST_GAPS else ""
        yield f"<p>Without data for ten minutes or more{more}:</p><ul>{items}</ul>"


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _figure(drawn: str) -> str:
    return f"<figure>{drawn}{_KEY}</figure>"


def _percent(share: float | None) -> str:
    """Never 100 % where one is missing."""
    if share is None:
        return "–"
    percent = 100 * share
    return f"{percent:.0f} %" if percent in (0, 100) or 0.5 <= percent < 99.5 else f"{min(percent, 99.9):.1f} %"


def _hours(seconds: float) -> str:
    return f"{seconds / HOUR_S:,.1f} h" if seconds >= HOUR_S else f"{seconds / 60:.0f} min"


def _moment(report: Report, moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, report.zone):%Y-%m-%d %H:%M}"
