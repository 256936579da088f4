"""What `maskd tune` says: as text for a person, as JSON for a program, and as lines for config.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.evaluation.tables import aligned
from edge.evaluation.tuning import Mistake, Point, Ratio, Tuning
from edge.evaluation.tuning_sentences import count_of, outcome, tells_of_false_faces_alone
from edge.system.printable import one_line

SHOWN_PROBLEMS = 20
"""Lines of problems printed; JSON holds them all."""

_HEADINGS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "false_faces": "false/100",
    "judged": "judged",
    "right": "right",
    "alarm_precision": "alarms right",
    "alarm_recall": "alarms raised",
}
"""The table's columns. `misjudged` is left out: it is what `right` lacks to 1."""
_MEANINGS = {
    "precision": "of the faces found are faces",
    "recall": "of the labelled faces are found",
    "false_faces": "false faces per 100 photos",
    "judged": "of the faces are judged, the rest is unknown",
    "right": "of those are judged correctly",
    "alarm_precision": "of the alarms are justified",
    "alarm_recall": "of the rule breakers raise one",
}
_ROWS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was read, measured and recommended."""

    data: Sequence[Path]
    photos: int
    photos_without_faces: int
    """Of those whose every face is labelled."""
    faces: Mapping[str, int]
    """By label."""
    problems: Sequence[str]
    notes: Sequence[str]
    """Sentences about what could not be tuned, and about how far the figures can be trusted."""
    tunings: Sequence[Tuning]
    plot: Path | None = None
    config: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    taken: Sequence[str] = ()
    """What was taken for something without being called so."""
    not_looked_at: Mapping[str, int] = field(default_factory=dict)
    """Files that belong to no set, by kind."""


def config_values(tunings: Sequence[Tuning], low_score: float | None) -> dict[str, dict[str, float | None]]:
    """The recommended settings by section, as in config.yaml; `low_score` is detector.low_score where that is set."""
    values: dict[str, dict[str, float | None]] = {}
    for tuning in tunings:
        point = tuning.recommendation.point
        if point is None:
            continue
        section = values.setdefault(tuning.section, {})
        section[tuning.key] = point.threshold
        if tuning.key == "min_score" and low_score is not None and low_score > point.threshold:
            # It may not exceed min_score.
            section["low_score"] = None
    return values


def config_lines(values: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """The lines of config.yaml; none where nothing is recommended."""
    lines = []
    for section, settings in values.items():
        lines.append(f"{section}:")
        lines += [f"  {key}: {'null' if value is None else f'{value:g}'}" for key, value in settings.items()]
    return lines


def table_rows(tuning: Tuning) -> list[Point]:
    """A dozen of the points: round thresholds, the current one and the recommended one."""
    shown = {point.threshold: point for point in tuning.points if point.threshold in _ROWS}
    first = tuning.points[0]
    shown.update({point.threshold: point for point in (first, *tuning.marked)})
    return [shown[threshold] for threshold in sorted(shown)]


def as_text(report: Report) -> str:
    lines = [_what_was_read(report), *report.taken, *_problem_lines(report.problems)]
    for tuning in report.tunings:
        lines += ["", f"{tuning.setting} of {tuning.model}, on {count_of(tuning.photos, 'photo')}", *_table(tuning), ""]
        for point in tuning.marked:
            lines += _with_intervals(tuning, point)
        if tuning.surest_mistakes:
            what = "false faces" if tuning.section == "detector" else "wrong judgements"
            lines.append(f"The most confident {what}; check whether a label is wrong or missing:")
            lines += [f"  {mistake.score:.2f}  {one_line(mistake.path)}" for mistake in tuning.surest_mistakes]
        lines.append(outcome(tuning))
    if report.notes:
        lines += ["", *report.notes]
    if report.config:
        lines += ["", "For config.yaml, each line into the existing section:", ""]
        lines += config_lines(report.config)
    return "\n".join(lines)


def as_json(report: Report) -> dict[str, Any]:
    return {
        "data": [str(path) for path in report.data],
        "photos": report.photos,
        "photos_without_faces": report.photos_without_faces,
        "faces": dict(report.faces),
        "problems": list(report.problems),
        "taken": list(report.taken),
        "not_looked_at": dict(report.not_looked_at),
        **{tuning.section: _tuning_as_json(tuning) for tuning in report.tunings},
        "notes": list(report.notes),
        "config": {section: dict(values) for section, values in report.config.items()},
        "plot": None if report.plot is None else str(report.plot),
    }


def _what_was_read(report: Report) -> str:
    faces = ", ".join(f"{count} {label}" for label, count in report.faces.items() if count)
    return (
        f"{count_of(report.photos, 'photo')} in {', '.join(map(str, report.data))}, "
        f"{report.photos_without_faces} of them without a face; "
        f"{count_of(sum(report.faces.values()), 'labelled face')}{': ' if faces else ''}{faces}"
    )


def _problem_lines(problems: Sequence[str]) -> list[str]:
    lines = [f"left out: {one_line(problem)}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"left out: {len(problems) - SHOWN_PROBLEMS} more; --json lists them all")
    return lines


def shown_figures(tuning: Tuning) -> list[str]:
    """The figures that these photos can tell something about."""
    if tells_of_false_faces_alone(tuning):
        return ["false_faces"]
    return [name for name in _HEADINGS if any(name in p.figures and p.figures[name].whole for p in tuning.points)]


def _table(tuning: Tuning) -> list[str]:
    names = shown_figures(tuning)
    rows = [[tuning.key, *(_HEADINGS[name] for name in names)]]
    marks = [""]
    recommended = tuning.recommendation.point
    for point in table_rows(tuning):
        rows.append([f"{point.threshold:.2f}", *(_cell(name, point.figures[name]) for name in names)])
        current = "current" if point.threshold == tuning.current.threshold else ""
        advised = "recommended" if recommended and point.threshold == recommended.threshold else ""
        marks.append(" and ".join(mark for mark in (current, advised) if mark))
    lines = aligned(rows, words=0).splitlines()
    return [f"  {line}  {mark}".rstrip() for line, mark in zip(lines, marks, strict=True)]


def _cell(name: str, ratio: Ratio) -> str:
    if ratio.value is None:
        return "-"
    return f"{100 * ratio.value:.1f}" if name == "false_faces" else f"{ratio.value:.3f}"


def _with_intervals(tuning: Tuning, point: Point) -> list[str]:
    """What one threshold means, figure by figure, with 95 % intervals and counts."""
    lines = [f"At {point.threshold:g}{', the current value' if point is tuning.current else ''} (95 % intervals):"]
    limits = tuning.intervals.get(point.threshold, {})
    for name in shown_figures(tuning):
        if name not in limits or name not in _MEANINGS:
            continue
        ratio, (low, high) = point.figures[name], limits[name]
        assert ratio.value is not None, "a figure with an interval has a value"
        if name == "false_faces":
            where = " without a face" if ratio.whole < tuning.photos else ""
            counted = f"{ratio.part} on {count_of(ratio.whole, 'photo')}{where}"
            lines.append(
                f"  {100 * ratio.value:.1f} ({100 * low:.1f} to {100 * high:.1f}) {_MEANINGS[name]}: {counted}"
            )
        else:
            lines.append(
                f"  {100 * ratio.value:.0f} % ({100 * low:.0f} to {100 * high:.0f} %) {_MEANINGS[name]}: "
                f"{ratio.part} of {ratio.whole}"
            )
    return lines


def _tuning_as_json(tuning: Tuning) -> dict[str, Any]:
    point, best = tuning.recommendation.point, tuning.recommendation.best
    return {
        "setting": tuning.setting,
        "model": tuning.model,
        "photos": tuning.photos,
        "wish": {"figure": tuning.wish.figure, "at_most": tuning.wish.at_most},
        "current": tuning.current.threshold,
        "recommended": None if point is None else point.threshold,
        "best": None if best is None else best.threshold,
        "outcome": outcome(tuning),
        "points": [_point_as_json(tuning, shown) for shown in table_rows(tuning)],
        "surest_mistakes": [_mistake_as_json(mistake) for mistake in tuning.surest_mistakes],
    }


def _point_as_json(tuning: Tuning, point: Point) -> dict[str, Any]:
    limits = tuning.intervals.get(point.threshold, {})
    figures: dict[str, Any] = {}
    for name, ratio in point.figures.items():
        value = None if ratio.value is None else round(ratio.value, 4)
        figures[name] = {"value": value, "part": ratio.part, "whole": ratio.whole}
        if name in limits:
            figures[name]["interval"] = [round(limit, 4) for limit in limits[name]]
    return {"threshold": point.threshold, **figures}


def _mistake_as_json(mistake: Mistake) -> dict[str, Any]:
    return {"photo": str(mistake.path), "score": round(mistake.score, 4)}
