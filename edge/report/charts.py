"""Charts as SVG, drawn with attributes and classes alone, so that a strict policy for styles shows them as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from edge.report.report import Tally

WIDTH = 720
"""In the units of the drawing; the page scales it."""
_PLOT_TOP, _PLOT_HEIGHT, _LEFT = 10, 120, 34
_LABELS_Y = 146
_PLOT_WIDTH = WIDTH - _LEFT - 14
"""Half of the last label lies to the right of it."""
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
    step = _PLOT_WIDTH / max(1, len(columns))
    parts = [_axis(top)]
    for index, (label, words, tally) in enumerate(columns):
        x = _LEFT + index * step
        parts.append(_column(x, step, words, tally, top))
        if index % every == 0:
            parts.append(_label(x + step / 2, _LABELS_Y, label))
    return _svg(title, _LABELS_Y + 6, parts)


def rates(title: str, columns: Sequence[tuple[str, str, Tally, float | None]], *, every: int = 1) -> str:
    """Compliance in percent: a dot for each column, and a line through the shares given with them, interrupted where
    there is none. A column without data is hatched. The axis begins at 50 % if nothing is below."""
    step = _PLOT_WIDTH / max(1, len(columns))
    shares = [share for _, _, tally, smoothed in columns for share in (tally.rate, smoothed) if share is not None]
    least = 0.5 if min(shares, default=1.0) >= 0.5 else 0.0

    def height(share: float) -> float:
        return _height((share - least) / (1 - least))

    parts = [_axis(100, round(100 * least))]
    line: list[str] = []
    for index, (label, words, tally, share) in enumerate(columns):
        middle = _LEFT + (index + 0.5) * step
        if not tally.visits and not tally.covered_s:
            parts.append(_rect(middle - step / 2, _PLOT_TOP, step, _PLOT_HEIGHT, "nodata", f"{words}: no data"))
        if share is not None:
            line.append(f"{'L' if line else 'M'}{middle:.1f} {height(share):.1f}")
        if share is None or index == len(columns) - 1:
            parts.append(f'<path d="{" ".join(line)}" class="trend"/>' if line else "")
            line = []
        if tally.rate is not None:
            told = f"{words}: {100 * tally.rate:.0f} % of {tally.compliant + tally.violation} visits compliant"
            parts.append(
                f'<circle cx="{middle:.1f}" cy="{height(tally.rate):.1f}" r="{min(3.0, step / 3):.1f}" class="dot">'
                f"<title>{escape(told)}</title></circle>"
            )
        if index % every == 0:
            parts.append(_label(middle, _LABELS_Y, label))
    return _svg(title, _LABELS_Y + 6, parts)


def week(title: str, cells: Mapping[tuple[int, int], Tally], weekdays: Sequence[str]) -> str:
    """Weekdays by hours: the darker, the more violations among the visits whose status is known."""
    step, height = _PLOT_WIDTH / 24, 22
    parts = []
    for day, name in enumerate(weekdays):
        y = 4 + day * height
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 15}" class="tick end">{escape(name[:2])}</text>')
        parts += [
            _cell(_LEFT + hour * step, y, step, height, f"{name} {hour:02}:00", cells[day, hour]) for hour in range(24)
        ]
    parts += [_label(_LEFT + (hour + 0.5) * step, 172, f"{hour:02}") for hour in range(0, 24, 3)]
    return _svg(title, 178, parts)


def strip(
    title: str,
    begin: float,
    end: float,
    noted_since: float | None,
    up: Sequence[tuple[float, float]],
    labels: Sequence[tuple[float, str]],
) -> str:
    """When a camera gave pictures: filled; without data: hatched; before that was noted: empty. `labels`: below, each
    at its moment."""
    scale = _PLOT_WIDTH / (end - begin)
    parts = []
    if noted_since is not None:
        x = _LEFT + (noted_since - begin) * scale
        width = max(0.0, _LEFT + _PLOT_WIDTH - x)
        parts.append(f'<rect x="{x:.1f}" y="1" width="{width:.1f}" height="14" class="nodata"/>')
    for first, last in up:
        x, width = _LEFT + (first - begin) * scale, max(0.3, (last - first) * scale)
        parts.append(f'<rect x="{x:.1f}" y="1" width="{width:.1f}" height="14" class="up"/>')
    parts += [_label(_LEFT + (moment - begin) * scale, 28, label) for moment, label in labels]
    return _svg(title, 34, parts)


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


def _label(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:g}" class="tick middle">{escape(text)}</text>'


def _height(share: float) -> float:
    """Where a share of the axis lies."""
    return _PLOT_TOP + _PLOT_HEIGHT * (1 - share)


def _axis(top: int, bottom: int = 0) -> str:
    lines = []
    for share in (0.0, 0.5, 1.0):
        y = _height(share)
        lines.append(f'<line x1="{_LEFT}" x2="{_LEFT + _PLOT_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        lines.append(
            f'<text x="{_LEFT - 4}" y="{y + 4:.1f}" class="tick end">{bottom + (top - bottom) * share:g}</text>'
        )
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
