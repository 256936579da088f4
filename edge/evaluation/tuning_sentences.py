"""What `maskd tune` says in sentences: what it recommends, what it could not tune, and how far to trust the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.evaluation.tuning import Ratio, Tuning

FEW_FACES = 30
FEW_PHOTOS = 20
"""Photos without a face from which on false faces are counted on those alone."""
DEAR_SHARE = 0.8
"""A recommendation that leaves less than this of the faces found, or judged, so far comes with a warning."""


def outcome(tuning: Tuning) -> str:
    """One sentence: what is recommended, or why nothing is."""
    point, best = tuning.recommendation.point, tuning.recommendation.best
    if point is not None and tuning.keeps_current:
        kept = f"The current {tuning.key}, {point.threshold:g}, is fine"
        return f"{kept}: it meets the target of at most {_wish(tuning)}, {_no_gain(tuning)}."
    if point is not None:
        least = " from the current value on" if tells_of_false_faces_alone(tuning) else ""
        return f"Recommended: {point.threshold:g}, the lowest{least} with at most {_wish(tuning)}."
    if best is None:
        return f"No {tuning.key} can be recommended: there is nothing to measure."
    return (
        f"No {tuning.key} meets the target of {_wish(tuning)}; the best possible is "
        f"{_amount(tuning, best.figures[tuning.wish.figure])}, at {best.threshold:g}."
    )


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
    if any(tells_of_false_faces_alone(tuning) for tuning in tunings):
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
                f"No false face on {count_of(counted, 'photo')} is still compatible with up to {300 / counted:.3g} "
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


def tells_of_false_faces_alone(tuning: Tuning) -> bool:
    return "recall" in tuning.current.figures and not tuning.current.figures["recall"].whole


def _wish(tuning: Tuning) -> str:
    if tuning.wish.figure == "false_faces":
        most = 100 * tuning.wish.at_most
        return f"{most:g} false face{'' if most == 1 else 's'} per 100 photos"
    return f"{100 * tuning.wish.at_most:g} % of the judged faces judged wrongly"


def _no_gain(tuning: Tuning) -> str:
    if tells_of_false_faces_alone(tuning):
        return "and these photos cannot tell whether a lower one would find more"
    return f"and a lower one would not {'find' if tuning.section == 'detector' else 'judge'} more of the faces"


def _amount(tuning: Tuning, ratio: Ratio) -> str:
    assert ratio.value is not None, "the best point has a value"
    amount = f"{100 * ratio.value:.3g}" if ratio.value < 1 else f"{100 * ratio.value:.0f}"
    return f"{amount} per 100" if tuning.wish.figure == "false_faces" else f"{amount} %"


def _only(number: int, thing: str) -> str:
    return f"Only {count_of(number, thing)}" if number else f"No {thing}"


def count_of(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
