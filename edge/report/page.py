"""A report as one page of HTML, complete in itself: no script, and nothing is fetched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape

from edge.report import charts
from edge.report.report import HOUR_S, Report, Tally
from edge.report.style import STYLE

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_GAPS = 20
SMOOTHED_DAYS = 7
"""The line of the trend: so many days up to each, weighted by their visits. A report of less shows single days."""
_HEAT_KEY = (
    '<p class="soft key">Percent of the visits that complied:<i class="heat0"></i>all'
    '<i class="heat1"></i><i class="heat3"></i><i class="heat5"></i>fewer<i class="nodata"></i>no data</p>'
)
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
    if len(report.days) > 1:
        yield _section("Trend", _trend(report))
    hours = [(f"{hour:02}", f"{hour:02}:00", tally) for hour, tally in report.by_hour.items()]
    yield _section("By hour of the day", _figure(charts.bars("Visits by hour of the day", hours, every=3)))
    week = charts.week("Compliance by weekday and hour", report.week, WEEKDAYS)
    yield _section("By weekday and hour", f"<figure>{week}{_HEAT_KEY}</figure>")
    yield _section("Doors", _table("Door", report.cameras.items(), covered="Hours of data"))
    if report.zones:
        rows = ((f"{camera}: {zone}", tally) for (camera, zone), tally in report.zones.items())
        yield _section("Zones", _table("Zone", rows) + '<p class="soft">A visit counts in each zone.</p>')
    hours_heading = "Hours of data" if len(report.cameras) < 2 else "Hours of data, all doors"
    rows_of_days = ((WEEKDAYS[day], tally) for day, tally in report.by_weekday.items())
    yield _section("Weekdays", _table("Weekday", rows_of_days, covered=hours_heading))
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
        yield f"{day.day} {day:%b}", f"{WEEKDAYS[day.weekday()]} {day.isoformat()}", tally


def _every(report: Report) -> int:
    """Days that share a label."""
    return max(1, -(-len(report.days) // 13))


def _trend(report: Report) -> str:
    days = [*_days(report)]
    span = SMOOTHED_DAYS if len(days) > SMOOTHED_DAYS else 1
    columns = []
    for index, (label, words, tally) in enumerate(days):
        recent = Tally()
        for _, _, other in days[max(0, index - span + 1) : index + 1]:
            recent.add(other)
        columns.append((label, words, tally, recent.rate))
    line = "the line: that day and the six before it together" if span > 1 else "the line joins them"
    drawn = charts.rates("Compliance of each day", columns, every=_every(report))
    return f"<figure>{drawn}<figcaption>Compliance in percent. Dots: each day; {line}.</figcaption></figure>"


def _busiest(report: Report) -> str:
    if not report.busiest:
        return "<p>There was no visit.</p>"
    rows = "".join(
        f"<tr><td>{WEEKDAYS[hour.local.weekday()]} {hour.local:%Y-%m-%d %H:%M} (UTC{_offset(hour.local)})</td>"
        f"<td>{count:,}</td></tr>"
        for hour, count in report.busiest
    )
    return f"<table><tr><th>Hour</th><th>Visits</th></tr>{rows}</table>"


def _offset(local: datetime) -> str:
    """Such as +02:00, which tells apart the two hours of the same name in autumn."""
    text = f"{local:%z}"
    return f"{text[:3]}:{text[3:5]}"


def _table(name: str, rows: Iterable[tuple[str, Tally]], *, covered: str = "") -> str:
    """`covered`: the heading of the column of hours with data; without one there is no such column."""
    head = [
        name,
        "Visits",
        "Compliant",
        "Violations",
        "Unknown",
        "Compliance",
        *([covered] if covered else []),
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
    gaps: dict[tuple[float, float], list[str]] = defaultdict(list)
    """Where several cameras lacked data together, mostly since maskd did not run, they share a line."""
    labels = _midnights(report)
    for name, each in report.uptime.items():
        known = report.end - report.noted_since - each.off_s
        off = f", switched off for {_hours(each.off_s)}" if each.off_s else ""
        share = _percent(each.up_s / known if known > 0 else None)
        drawn = charts.strip(
            f"When {name} gave pictures", report.begin, report.end, report.noted_since, each.strip, labels
        )
        yield f"<p>{escape(name)}: pictures for {_hours(each.up_s)}, {share} of the time{off}</p>"
        yield f"<figure>{drawn}</figure>"
        for gap in each.gaps:
            gaps[gap.begin, gap.end].append(name)
    longest = sorted(gaps, key=lambda gap: gap[0] - gap[1])[:MOST_GAPS]
    if longest:
        items = "".join(
            f"<li>{_moment(report, begin)} to {_moment(report, end)} ({_hours(end - begin)}): "
            f"{escape(', '.join(gaps[begin, end]))}</li>"
            for begin, end in sorted(longest)
        )
        more = f", the {MOST_GAPS} longest of {len(gaps)}" if len(gaps) > MOST_GAPS else ""
        yield f"<p>Without data for ten minutes or more{more}:</p><ul>{items}</ul>"


def _midnights(report: Report) -> list[tuple[float, str]]:
    """Where days begin, with the days' names, as far apart as the charts of days have them."""
    begins = {hour.day: hour.begin for hour, _ in reversed(report.hours)}
    days = [*report.days][:: _every(report)]
    return [(begins[day], f"{day.day} {day:%b}") for day in days]


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
