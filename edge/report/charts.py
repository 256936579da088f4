"""Charts as SVG, drawn with attributes and classes alone, so that a strict policy for styles shows them as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from edge.report.report import Tally

WIDTH = 720
"""In the units of the drawing; the page scales it."""
_PLOT_TOP, _PLOT_HEIGHT, _LEFT = 10, 120, 34
_KINDS = (("compliant", "compliant"), ("violation", "violations"), ("unknown", "unknown"))


HATCH = (
    '<svg width="0" height="0" aria-hidden="true"><defs><pattern id="hatch" width="5" height="5" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="5" class="hatch"/>'
    "</pattern></defs></svg>"
)
"""What the class `nodata` is filled with: once in a page."""


def bars(title: str, columns: Sequence[tuple[str, str, Tally | None]], *, every: int = 1) -> str:
    """Stacked bars of visits. Each column: the label below it, the words of its tooltip, and its counts, where None or
    one without data is hatched. `every`: so many columns share a label."""
    most = max((tally.visits for _, _, tally in columns if tally is not None), default=0) or 1
    top = _nice(most)
    step = (WIDTH - _LEFT) / max(1, len(columns))
    parts = [_axis(top)]
    for index, (label, words, tally) in enumerate(columns):
        x = _LEFT + index * step
        parts.append(_column(x, step, words, tally, top))
        if index % every == 0:
            parts.append(f'<text x="{x + step / 2:.1f}" y="146" class="tick middle">{escape(label)}</text>')
    return _svg(title, 152, parts)


def week(title: str, cells: Mapping[tuple[int, int], Tally], weekdays: Sequence[str]) -> str:
    """Weekdays by hours: the darker, the more violations among the visits whose status is known."""
    step, height = (WIDTH - _LEFT) / 24, 22
    parts = []
    for day, name in enumerate(weekdays):
        y = 4 + day * height
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 15}" class="tick end">{escape(name[:2])}</text>')
        parts += [
            _cell(_LEFT + hour * step, y, step, height, f"{name} {hour:02}:00", cells[day, hour]) for hour in range(24)
        ]
    parts += [
        f'<text x="{_LEFT + (hour + 0.5) * step:.1f}" y="172" class="tick middle">{hour:02}</text>'
        for hour in range(0, 24, 3)
    ]
    return _svg(title, 178, parts)


def strip(title: str, begin: float, end: float, noted_since: float | None, up: Sequence[tuple[float, float]]) -> str:
    """When a camera gave pictures: filled; without data: hatched; before that was noted: empty."""
    scale = WIDTH / (end - begin)
    parts = []
    if noted_since is not None:
        x = (noted_since - begin) * scale
        parts.append(f'<rect x="{x:.1f}" y="1" width="{max(0.0, WIDTH - x):.1f}" height="14" class="nodata"/>')
    for first, last in up:
        width = max(0.3, (last - first) * scale)
        parts.append(f'<rect x="{(first - begin) * scale:.1f}" y="1" width="{width:.1f}" height="14" class="up"/>')
    return _svg(title, 16, parts)


def _column(x: float, step: float, words: str, tally: Tally | None, top: int) -> str:
    if tally is None or (not tally.visits and not tally.covered_s):
        y, height = _PLOT_TOP, _PLOT_HEIGHT
        return _rect(x, y, step, height, "nodata", f"{words}: no data")
    parts, bottom = [], float(_PLOT_TOP + _PLOT_HEIGHT)
    rate = "" if tally.rate is None else f", {100 * tally.rate:.0f} % compliant"
    told = ", ".join(f"{getattr(tally, kind)} {name}" for kind, name in _KINDS)
    for kind, _ in _KINDS:
        height = getattr(tally, kind) / top * _PLOT_HEIGHT
        if height:
            bottom -= height
            parts.append(_rect(x, bottom, step, height, kind, f"{words}: {tally.visits} visits{rate} ({told})"))
    return "".join(parts)


def _cell(x: float, y: float, width: float, height: float, words: str, tally: Tally) -> str:
    if tally.rate is None:
        kind, told = ("none", "no visit whose status is known") if tally.covered_s else ("nodata", "no data")
        return _rect(x, y, width, height, kind, f"{words}: {told}")
    share = 1 - tally.rate
    level = 0 if share == 0 else 1 + min(4, int(share * 10 / 2))
    told = f"{100 * tally.rate:.0f} % of {tally.compliant + tally.violation} visits compliant"
    text = f'<text x="{x + width / 2:.1f}" y="{y + 15:.1f}" class="cell l{level}">{100 * tally.rate:.0f}</text>'
    return _rect(x, y, width, height, f"heat{level}", f"{words}: {told}") + text


def _rect(x: float, y: float, width: float, height: float, kind: str, words: str) -> str:
    gap = min(1.5, width / 6)
    return (
        f'<rect x="{x + gap / 2:.1f}" y="{y:.1f}" width="{max(0.2, width - gap):.1f}" height="{max(0.2, height):.1f}" '
        f'class="{kind}"><title>{escape(words)}</title></rect>'
    )


def _axis(top: int) -> str:
    lines = []
    for share in (0.0, 0.5, 1.0):
        y = _PLOT_TOP + _PLOT_HEIGHT * (1 - share)
        lines.append(f'<line x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        lines.append(f'<text x="{_LEFT - 4}" y="{y + 4:.1f}" class="tick end">{top * share:g}</text>')
    return "".join(lines)


def _nice(most: int) -> int:
    """A round, even number that is no less."""
    scale = 1
    while True:
        for factor in (2, 4, 6, 10, 16):
            if factor * scale >= most:
                return factor * scale
        scale *= 10


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )
