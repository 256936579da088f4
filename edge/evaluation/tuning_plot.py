"""The curves of `maskd tune` as one picture; matplotlib is imported only when one is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import MaskdError
from edge.evaluation.tuning import Tuning
from edge.evaluation.tuning_report import shown_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Blue, vermilion, green and purple of Okabe & Ito's palette, which every common colour blindness tells apart.
CURVES = {
    "precision": ("precision: share of found faces that are faces", "#0072B2", "-"),
    "recall": ("recall: share of labelled faces found", "#D55E00", "-"),
    "f1": ("F1", "#CC79A7", "--"),
    "judged": ("judged, not unknown", "#CC79A7", "--"),
    "right": ("judged correctly, of the judged", "#000000", "-."),
    "alarm_precision": ("alarms justified (precision)", "#0072B2", "-"),
    "alarm_recall": ("violations that raise an alarm (recall)", "#D55E00", "-"),
}
RECOMMENDED_COLOR, CURRENT_COLOR = "#009E73", "#767676"
_STYLE: dict[Any, object] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    # A model's name may hold a dollar sign.
    "text.parse_math": False,
}
_WISHES = {
    "false_faces": "false faces per 100 photos",
    "misjudged": "% judged wrongly",
}


def draw_curves(tunings: Sequence[Tuning], path: Path) -> Path:
    """A column for each setting: its shares above, what was wished for below, over the threshold. Returns `path`.

    Raises MaskdError where matplotlib is missing or the file cannot be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MaskdError(
            "the curves are not drawn because matplotlib is not installed: pip install matplotlib"
        ) from error
    with mpl.rc_context(_STYLE):
        # Made without pyplot, it needs no screen.
        figure = Figure(figsize=(4.8 * len(tunings), 5.4), layout="constrained", dpi=100)
        panels = figure.subplots(2, len(tunings), squeeze=False, sharex="col", height_ratios=(3, 2))
        for column, tuning in enumerate(tunings):
            _draw_shares(panels[0][column], tuning)
            _draw_wish(panels[1][column], tuning)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, format="png")
        except OSError as error:
            raise MaskdError(
                f"the curves cannot be written to {path} ({error.strerror or error}); name another file with --plot"
            ) from error
    return path


def _draw_shares(axes: Axes, tuning: Tuning) -> None:
    names = [name for name in shown_figures(tuning) if name in CURVES]
    for name in names:
        label, color, line = CURVES[name]
        points = [(p.threshold, v) for p in tuning.points if (v := p.figures[name].value) is not None]
        axes.plot([x for x, _ in points], [y for _, y in points], line, color=color, label=label, linewidth=1.8)
    axes.set_ylim(0, 1.02)
    axes.set_title(f"{tuning.setting} of {tuning.model}")
    _mark_thresholds(axes, tuning, labelled=False)
    if names:
        axes.legend(fontsize=8)
    else:
        axes.text(0.5, 0.5, "no labelled faces", transform=axes.transAxes, ha="center", color=CURRENT_COLOR)


def _draw_wish(axes: Axes, tuning: Tuning) -> None:
    name = tuning.wish.figure
    points = [(p.threshold, 100 * v) for p in tuning.points if (v := p.figures[name].value) is not None]
    axes.plot([x for x, _ in points], [y for _, y in points], color="#000000", linewidth=1.8)
    wish = 100 * tuning.wish.at_most
    axes.axhline(wish, color=RECOMMENDED_COLOR, linewidth=1, linestyle="--", label=f"wished for: at most {wish:g}")
    # From zero to what matters: a threshold far too low would squeeze the rest into a line.
    marked = [100 * value for p in tuning.marked if (value := p.figures[name].value) is not None]
    axes.set_ylim(0, max(4 * wish, 1.0, 1.2 * max(marked, default=0), 2 * min((y for _, y in points), default=0)))
    axes.set_xlabel(tuning.setting)
    axes.set_ylabel(_WISHES[name])
    _mark_thresholds(axes, tuning, labelled=True)
    axes.legend(fontsize=8)


def _mark_thresholds(axes: Axes, tuning: Tuning, *, labelled: bool) -> None:
    marks = [
        ("current", tuning.current, CURRENT_COLOR, ":"),
        ("recommended", tuning.recommendation.point, RECOMMENDED_COLOR, "-"),
    ]
    for what, point, color, line in marks:
        if point is not None:
            label = f"{what}: {point.threshold:g}" if labelled else None
            axes.axvline(point.threshold, color=color, linewidth=1.3, linestyle=line, label=label)
