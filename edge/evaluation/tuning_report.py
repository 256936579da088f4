"""What `maskd tune` says: as text for a person, as JSON for a program, and as lines for config.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.evaluation.tables import aligned
from edge.evaluation.tuning import Mistake, Point, Ratio, Tuning
from edge.printable import one_line

FEW_FACES = 30
FEW_PHOTOS = 20
"""Photos without a face from which on false faces are counted on those alone."""
DEAR_SHARE = 0.8
"""A recommendation that leaves less than this of the faces found, or judged, so far comes with a warning."""
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


def outcome(tuning: Tuning) -> str:
    """One sentence: what is recommended, or why nothing is."""
    point, best = tuning.recommendation.point, tuning.recommendation.best
    if point is not None and tuning.keeps_current:
        kept = f"The current {tuning.key}, {point.threshold:g}, is fine"
        return f"{kept}: it meets the target of at most {_wish(tuning)}, {_no_gain(tuning)}."
    if point is not None:
        least = " from the current value on" if _tells_of_false_faces_alone(tuning) else ""
        return f"Recommended: {point.threshold:g}, the lowest{least} with at most {_wish(tuning)}."
    if best is None:
        return f"No {tuning.key} can be recommended: there is nothing to measure."
    return (
        f"No {tuning.key} meets the target of {_wish(tuning)}; the best possible is "
        f"{_amount(tuning, best.figures[tuning.wish.figure])}, at {best.threshold:g}."
    )


def as_text(report: Report) -> str:
    lines = [_what_was_read(report), *report.taken, *_problem_lines(report.problems)]
    for tuning in report.tunings:
        lines += ["", f"{tuning.setting} of {tuning.model}, on {_count(tuning.photos, 'photo')}", *_table(tuning), ""]
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


def notes(
    tunings: Sequence[Tuning], faces: Mapping[str, int], labels: Sequence[str], photos_without_faces: int
) -> list[str]:
    """Sentences about what could not be tuned, and about how far the figures can be trusted; `faces` counts those of
    every label on the photos, `labels` are the classifier's."""
    return [*_untuned(tunings, faces, labels), *_doubts(tunings, faces, labels, photos_without_faces)]


def _untuned(tunings: Sequence[Tuning], faces: Mapping[str, int], labels: Sequence[str]) -> list[str]:
    sentences = [
        f"Faces labelled {label} do not measure the classifier, whose labels are {', '.join(labels)}."
        for label in faces
        if label not in labels
    ]
    tuned = {tuning.section for tuning in tunings}
    if "detector" not in tuned:
        sentences.append(
            "detector.min_score was not tuned: it needs photos with a box around every face (Pascal VOC), photos of "
            "the empty room, or both."
        )
    if any(_tells_of_false_faces_alone(tuning) for tuning in tunings):
        sentences.append(
            "detector.min_score was tuned by false faces only, which never suggest a lower value: to measure missed "
            "faces, give photos with a box around every face (Pascal VOC)."
        )
    if "classifier" not in tuned:
        sentences.append(
            f"classifier.min_confidence was not tuned: it needs photos of faces labelled {', '.join(labels)}, with "
            "boxes (Pascal VOC) or in class folders."
        )
    return sentences


def _doubts(
    tunings: Sequence[Tuning], faces: Mapping[str, int], labels: Sequence[str], photos_without_faces: int
) -> list[str]:
    sentences = []
    for tuning in tunings:
        detects = tuning.section == "detector"
        if detects and photos_without_faces < FEW_PHOTOS:
            sentences.append(
                f"{_only(photos_without_faces, 'photo')} without a face: false faces are counted on all photos, "
                f"where a missing label also counts as one; {FEW_PHOTOS} or more photos of the empty room are more "
                "accurate."
            )
        point = tuning.recommendation.point
        if detects and point is not None and not point.figures["false_faces"].part:
            counted = point.figures["false_faces"].whole
            sentences.append(
                f"No false face on {_count(counted, 'photo')} is still compatible with up to {300 / counted:.3g} "
                "per 100."
            )
        labelled = tuning.current.figures["recall" if detects else "judged"].whole
        if 0 < labelled < FEW_FACES:
            sentences.append(
                f"{_only(labelled, 'labelled face')} for {tuning.setting}: the whole interval of each figure is "
                "plausible."
            )
        if price := _price(tuning):
            sentences.append(price)
        missing = [label for label in labels if not faces.get(label)]
        if missing and not detects:
            sentences.append(f"No face is labelled {' or '.join(missing)}: so the error rate of such faces is unknown.")
    return sentences


def _price(tuning: Tuning) -> str | None:
    """A sentence where the wish costs much of what the models are there for."""
    detects = tuning.section == "detector"
    figure, what, option = ("recall", "found", "--false-alarms") if detects else ("judged", "judged", "--misjudged")
    point = tuning.recommendation.point
    kept = None if point is None else point.figures[figure].value
    before = tuning.current.figures[figure].value
    if point is None or kept is None or before is None or kept >= DEAR_SHARE * before:
        return None
    return (
        f"{tuning.setting} {point.threshold:g} is expensive: {100 * kept:.0f} % of the faces are {what} instead of "
        f"{100 * before:.0f} %; relax {option} to lose fewer."
    )


def _what_was_read(report: Report) -> str:
    faces = ", ".join(f"{count} {label}" for label, count in report.faces.items() if count)
    return (
        f"{_count(report.photos, 'photo')} in {', '.join(map(str, report.data))}, "
        f"{report.photos_without_faces} of them without a face; "
        f"{_count(sum(report.faces.values()), 'labelled face')}{': ' if faces else ''}{faces}"
    )


def _problem_lines(problems: Sequence[str]) -> list[str]:
    lines = [f"left out: {one_line(problem)}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"left out: {len(problems) - SHOWN_PROBLEMS} more; --json lists them all")
    return lines


def shown_figures(tuning: Tuning) -> list[str]:
    """The figures that these photos can tell something about."""
    if _tells_of_false_faces_alone(tuning):
        return ["false_faces"]
    return [name for name in _HEADINGS if any(name in p.figures and p.figures[name].whole for p in tuning.points)]


def _tells_of_false_faces_alone(tuning: Tuning) -> bool:
    return "recall" in tuning.current.figures and not tuning.current.figures["recall"].whole


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
            counted = f"{ratio.part} on {_count(ratio.whole, 'photo')}{where}"
            lines.append(
                f"  {100 * ratio.value:.1f} ({100 * low:.1f} to {100 * high:.1f}) {_MEANINGS[name]}: {counted}"
            )
        else:
            lines.append(
                f"  {100 * ratio.value:.0f} % ({100 * low:.0f} to {100 * high:.0f} %) {_MEANINGS[name]}: "
                f"{ratio.part} of {ratio.whole}"
            )
    return lines


def _wish(tuning: Tuning) -> str:
    if tuning.wish.figure == "false_faces":
        most = 100 * tuning.wish.at_most
        return f"{most:g} false face{'' if most == 1 else 's'} per 100 photos"
    return f"{100 * tuning.wish.at_most:g} % of the judged faces judged wrongly"


def _no_gain(tuning: Tuning) -> str:
    if _tells_of_false_faces_alone(tuning):
        return "and these photos cannot tell whether a lower one would find more"
    return f"and a lower one would not {'find' if tuning.section == 'detector' else 'judge'} more of the faces"


def _amount(tuning: Tuning, ratio: Ratio) -> str:
    assert ratio.value is not None, "the best point has a value"
    amount = f"{100 * ratio.value:.3g}" if ratio.value < 1 else f"{100 * ratio.value:.0f}"
    return f"{amount} per 100" if tuning.wish.figure == "false_faces" else f"{amount} %"


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


def _only(number: int, thing: str) -> str:
    return f"Only {_count(number, thing)}" if number else f"No {thing}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
