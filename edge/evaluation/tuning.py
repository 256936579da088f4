"""What each threshold would mean on labelled photos, and which one keeps a wish: pure, no models and no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.evaluation.metrics import Floats, PictureMatches, bootstrap_interval

LOWEST_SCORE = 0.1
"""The least min_score that is tried; below it a detector reports texture."""
HIGHEST = 0.99
STEPS_PER_UNIT = 100
"""Thresholds are tried in steps of 0.01: finer ones would not repeat on other photos."""

Photo = TypeVar("Photo")


@dataclass(frozen=True, slots=True)
class Ratio:
    """`part` of `whole`, both counted; no value where there is nothing to count."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True, slots=True)
class DetectedFaces:
    """What the detector finds on one photo."""

    path: Path
    matches: PictureMatches
    shows_nobody: bool
    """Whether there is no face on the photo at all, not even one that counts neither way."""


@dataclass(frozen=True, slots=True)
class JudgedFaces:
    """What the classifier says of one photo's faces, each array of shape (n,).

    `confidence` of the most probable label; whether that label is `right`; whether it is an `alarm`, a label that
    breaks the rule; and whether the true label does, a `violation`.
    """

    path: Path
    confidence: Floats
    right: NDArray[np.bool_]
    alarm: NDArray[np.bool_]
    violation: NDArray[np.bool_]


LEAST_GAIN = 0.005
"""Share of the faces that a change must gain to be recommended: less is within what other photos would show."""


@dataclass(frozen=True, slots=True)
class Point:
    """What the photos show with one threshold."""

    threshold: float
    figures: Mapping[str, Ratio]


@dataclass(frozen=True, slots=True)
class Wish:
    """`figure`, a name among a point's figures, is to be `at_most` so much, as a fraction."""

    figure: str
    at_most: float


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`point` keeps the wish; where none does it is None, and `best` is the one that comes nearest, if any can."""

    point: Point | None
    best: Point | None


Measure = Callable[[Photo, float], Mapping[str, Ratio]]
"""The figures of one photo with one threshold. Those of several photos are the sums of parts and of wholes."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One to look at: the photo, and how sure the model was."""

    path: Path
    score: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """One setting: what each threshold would mean, what was wished for, and what is recommended."""

    section: str
    key: str
    model: str
    """The model's identity: a recommendation holds for this model only."""
    wish: Wish
    photos: int
    current: Point
    points: Sequence[Point]
    recommendation: Recommendation
    intervals: Mapping[float, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """95 % intervals of the current and the recommended threshold's figures."""
    surest_mistakes: Sequence[Mistake] = ()

    @property
    def setting(self) -> str:
        return f"{self.section}.{self.key}"

    @property
    def keeps_current(self) -> bool:
        """The current threshold is what is recommended."""
        point = self.recommendation.point
        return point is not None and point.threshold == self.current.threshold

    @property
    def marked(self) -> list[Point]:
        """The current point, and the recommended one where it is another."""
        recommended = self.recommendation.point
        if recommended is None or recommended.threshold == self.current.threshold:
            return [self.current]
        return [self.current, recommended]


def detector_thresholds() -> list[float]:
    return _steps(LOWEST_SCORE)


def classifier_thresholds(labels: int) -> list[float]:
    """From the least confidence that the best of so many labels can have."""
    return _steps(1 / labels)


def _steps(lowest: float) -> list[float]:
    # The tolerance keeps 0.1 * 100 on its own step, whatever it is in binary.
    first = math.floor(lowest * STEPS_PER_UNIT + 1e-9)
    return [step / STEPS_PER_UNIT for step in range(first, round(HIGHEST * STEPS_PER_UNIT) + 1)]


def detector_figures(photo: DetectedFaces, threshold: float) -> dict[str, Ratio]:
    """Precision, recall and F1, and false faces for each photo, which may be more than one."""
    correct, faces = photo.matches.correct[photo.matches.scores >= threshold], photo.matches.faces
    found, false = int(np.count_nonzero(correct)), int(np.count_nonzero(~correct))
    return {
        "precision": Ratio(found, found + false),
        "recall": Ratio(found, faces),
        "f1": Ratio(2 * found, found + false + faces),
        "false_faces": Ratio(false, 1),
    }


def detector_figures_by_empty_photos(photo: DetectedFaces, threshold: float) -> dict[str, Ratio]:
    """The same, with false faces counted only on photos without people.

    On photos with people, a missing label or a box in another style would also count as a false face.
    """
    figures = detector_figures(photo, threshold)
    return figures if photo.shows_nobody else {**figures, "false_faces": Ratio(0, 0)}


def classifier_figures(photo: JudgedFaces, threshold: float) -> dict[str, Ratio]:
    """The share judged, and of those the right and the wrong ones; precision and recall of alarms.

    An alarm is right where the face breaks the rule, even if in another way than judged.
    """
    judged = photo.confidence >= threshold
    count, right = int(np.count_nonzero(judged)), int(np.count_nonzero(photo.right & judged))
    alarms = photo.alarm & judged
    raised, justified = int(np.count_nonzero(alarms)), int(np.count_nonzero(alarms & photo.violation))
    return {
        "judged": Ratio(count, len(photo.confidence)),
        "right": Ratio(right, count),
        "misjudged": Ratio(count - right, count),
        "alarm_precision": Ratio(justified, raised),
        "alarm_recall": Ratio(justified, int(np.count_nonzero(photo.violation))),
    }


def point_at(photos: Sequence[Photo], measure: Measure[Photo], threshold: float) -> Point:
    """The figures of all photos together. Raises ValueError where there is no photo."""
    if not photos:
        raise ValueError("figures need at least one photo")
    measured = [measure(photo, threshold) for photo in photos]
    return Point(
        threshold,
        {
            name: Ratio(sum(m[name].part for m in measured), sum(m[name].whole for m in measured))
            for name in measured[0]
        },
    )


def curve(photos: Sequence[Photo], measure: Measure[Photo], thresholds: Sequence[float]) -> list[Point]:
    """A point for each threshold, in their order."""
    return [point_at(photos, measure, threshold) for threshold in thresholds]


def recommend(points: Sequence[Point], wish: Wish, *, useful: str) -> Recommendation:
    """The lowest threshold that keeps the wish.

    One that reduces the figure `useful` to nothing keeps it by doing nothing, and does not count.
    """

    def is_useful(point: Point) -> bool:
        ratio = point.figures[useful]
        return ratio.whole == 0 or ratio.part > 0

    candidates = [
        (value, point)
        for point in sorted(points, key=lambda point: point.threshold)
        if (value := point.figures[wish.figure].value) is not None and is_useful(point)
    ]
    keeping = next((point for value, point in candidates if value <= wish.at_most), None)
    _, best = min(candidates, key=lambda candidate: candidate[0], default=(None, None))
    return Recommendation(keeping, best)


def interval(
    photos: Sequence[Photo], measure: Measure[Photo], threshold: float, figure: str
) -> tuple[float, float] | None:
    """The 95 % interval of a figure; None where it has no value.

    A bootstrap over the photos that have a say in it. Where they all agree, drawing them again shows no spread, though
    there is some: then the rule of three, 3 / n (Hanley & Lippman-Hand, "If nothing goes wrong, is everything all
    right?", JAMA 1983).
    """
    ratios = [ratio for photo in photos if (ratio := measure(photo, threshold)[figure]).whole]
    if not ratios:
        return None

    def ratio_of_sums(drawn: Sequence[Ratio]) -> float:
        return sum(ratio.part for ratio in drawn) / sum(ratio.whole for ratio in drawn)

    if len({ratio.value for ratio in ratios}) > 1:
        return bootstrap_interval(ratios, ratio_of_sums)
    agreed, margin = ratio_of_sums(ratios), 3 / len(ratios)
    # A photo may show several false faces; all else are shares.
    return max(0.0, agreed - margin), agreed + margin if figure == "false_faces" else min(1.0, agreed + margin)


def _worth_a_change(found: Recommendation, now: Point, wish: Wish, useful: str) -> Recommendation:
    """The current threshold instead, where it keeps the wish and the lower one gains less than LEAST_GAIN."""
    kept, before = now.figures[wish.figure].value, now.figures[useful].value
    after = None if found.point is None else found.point.figures[useful].value
    if kept is None or kept > wish.at_most or not before or after is None or after - before >= LEAST_GAIN:
        return found
    return replace(found, point=now)


def tune(
    photos: Sequence[Photo],
    measure: Measure[Photo],
    thresholds: Sequence[float],
    *,
    setting: tuple[str, str],
    model: str,
    current: float,
    wish: Wish,
    useful: str,
    surest_mistakes: Sequence[Mistake] = (),
) -> Tuning:
    """Everything about one setting; raises ValueError where there is no photo.

    Where the photos cannot tell anything of the figure `useful`, nothing speaks for a lower threshold than the current
    one, and none is recommended.
    """
    points = curve(photos, measure, thresholds)
    now = point_at(photos, measure, current)
    candidates = points if now.figures[useful].whole else [now, *(p for p in points if p.threshold > current)]
    tuning = Tuning(
        section=setting[0],
        key=setting[1],
        model=model,
        wish=wish,
        photos=len(photos),
        current=now,
        points=points,
        recommendation=_worth_a_change(recommend(candidates, wish, useful=useful), now, wish, useful),
        surest_mistakes=surest_mistakes,
    )
    intervals: dict[float, dict[str, tuple[float, float]]] = {}
    for point in tuning.marked:
        found = {name: interval(photos, measure, point.threshold, name) for name in point.figures}
        intervals[point.threshold] = {name: limits for name, limits in found.items() if limits is not None}
    return replace(tuning, intervals=intervals)
