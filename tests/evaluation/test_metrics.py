"""Figures of merit, checked against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.evaluation.metrics import (
    PictureResult,
    average_precision,
    bootstrap_interval,
    classification_report,
    expected_calibration_error,
    match_picture,
    precision_recall,
)

Row = tuple[float, float, float, float]
FACE: Row = (0, 0, 10, 10)
OTHER: Row = (100, 0, 110, 10)
THIRD: Row = (200, 0, 210, 10)
NOWHERE: Row = (300, 300, 310, 310)


def picture(found: dict[Row, float], truth: list[Row], ignored: list[Row] | None = None) -> PictureResult:
    def rows(boxes: list[Row]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.array(boxes, dtype=np.float32).reshape(-1, 4)

    scores = np.array(list(found.values()), dtype=np.float32)
    return PictureResult(rows(list(found)), scores, rows(truth), rows(ignored or []))


def test_all_found_and_nothing_else_is_perfect() -> None:
    result = average_precision([picture({FACE: 0.9, OTHER: 0.4}, [OTHER, FACE])])
    assert result.ap == pytest.approx(1.0)
    assert (result.faces, result.found_faces, result.false_faces) == (2, 2, 0)


def test_area_under_the_envelope_by_hand() -> None:
    # Ranked: hit, miss, hit; the third face is never found. Precision 1, 1/2, 2/3; recall 1/3, 1/3, 2/3.
    result = average_precision(
        [picture({FACE: 0.9, NOWHERE: 0.8}, [FACE]), picture({OTHER: 0.7}, [OTHER, THIRD])],
    )
    assert result.precision == pytest.approx([1, 1 / 2, 2 / 3])
    assert result.recall == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert result.ap == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)
    assert result.at_score(0.75) == pytest.approx((0.5, 1 / 3))
    assert result.at_score(0.95) == (1.0, 0.0)
    assert result.best_score() == pytest.approx(0.7)


def test_the_best_score_is_lower_where_recall_counts_more() -> None:
    # By hand: precision 1 and recall 2/3 at 0.8, 3/5 and 1 at 0.5; F1 0.8 and 0.75, F1.5 0.74 and 0.83.
    found = {FACE: 0.9, OTHER: 0.8, NOWHERE: 0.6, (300, 0, 310, 10): 0.55, THIRD: 0.5}
    result = average_precision([picture(found, [FACE, OTHER, THIRD])])
    assert result.best_score() == pytest.approx(0.8)
    assert result.best_score(recall_weight=1.5) == pytest.approx(0.5)


def test_each_face_has_the_score_that_found_it() -> None:
    matches = match_picture(picture({FACE: 0.9, NOWHERE: 0.8, OTHER: 0.25}, [THIRD, OTHER, FACE]))
    assert matches.found_at.tolist() == [-np.inf, 0.25, pytest.approx(0.9)]
    by_place = match_picture(picture({NOWHERE: 0.2, FACE: 0.9, OTHER: 0.25}, [FACE], ignored=[OTHER]))
    assert (by_place.indices.tolist(), by_place.correct.tolist()) == ([1, 0], [True, False])


def test_the_envelope_lifts_a_dip() -> None:
    # Miss, then two hits: precision 0, 1/2, 2/3; the envelope is 2/3 everywhere.
    result = average_precision([picture({NOWHERE: 0.9, FACE: 0.8, OTHER: 0.7}, [FACE, OTHER])])
    assert result.ap == pytest.approx(2 / 3)


def test_a_face_counts_once() -> None:
    nearly: Row = (0, 0, 10, 9)
    result = average_precision([picture({FACE: 0.9, nearly: 0.8}, [FACE])])
    assert (result.found_faces, result.false_faces) == (1, 1)


def test_the_best_score_takes_the_face_and_the_next_one_its_neighbour() -> None:
    left, right = (0.0, 0.0, 10.0, 10.0), (3.0, 0.0, 13.0, 10.0)
    between: Row = (1, 0, 11, 10)
    result = average_precision([picture({left: 0.9, between: 0.8}, [left, right])])
    assert result.found_faces == 2


@pytest.mark.parametrize(
    ("box", "counts"),
    [
        ((100, 0, 110, 8), False),  # overlaps the ignored face by 0.8
        ((102, 2, 105, 5), False),  # small, inside it
        ((95, 0, 105, 10), True),  # half inside, overlaps by 1/3
        (NOWHERE, True),
    ],
)
def test_an_ignored_face_is_neither_found_nor_false(box: Row, counts: bool) -> None:
    result = average_precision([picture({FACE: 0.9, box: 0.95}, [FACE], ignored=[OTHER])])
    assert result.false_faces == int(counts)
    assert result.faces == 1


def test_a_detection_that_fits_an_ignored_face_better_does_not_take_a_labelled_one() -> None:
    small: Row = (0, 0, 10, 8)
    matches = match_picture(picture({small: 0.9}, [FACE], ignored=[small]))
    assert matches.scores.size == 0
    kept = match_picture(picture({FACE: 0.9}, [FACE], ignored=[small]))
    assert kept.correct.tolist() == [True]


def test_overlap_just_below_the_limit_is_a_false_face() -> None:
    half: Row = (0, 0, 10, 5)
    below: Row = (0, 0, 10, 4.9)
    assert average_precision([picture({half: 0.9}, [FACE])]).found_faces == 1
    assert average_precision([picture({below: 0.9}, [FACE])]).false_faces == 1
    assert average_precision([picture({half: 0.9}, [FACE])], iou=0.6).false_faces == 1


def test_nothing_found_and_nothing_there() -> None:
    assert average_precision([]).ap == 0
    assert average_precision([picture({}, [FACE])]).ap == 0
    empty = average_precision([picture({NOWHERE: 0.5}, [])])
    assert (empty.ap, empty.faces, empty.false_faces) == (0, 0, 1)
    assert empty.best_score() == 0.5


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.4, 0.6]), st.booleans()), min_size=1, max_size=20), st.randoms())
def test_the_order_of_equal_scores_does_not_matter(found: list[tuple[float, bool]], random: object) -> None:
    pictures = [picture({FACE if hit else NOWHERE: score}, [FACE]) for score, hit in found]
    forward, backward = average_precision(pictures), average_precision(pictures[::-1])
    assert forward.ap == pytest.approx(backward.ap)
    assert 0 <= forward.ap <= 1


def test_report_by_hand() -> None:
    report = classification_report(["a", "b", "c"], [0, 0, 0, 1, 1], [0, 0, 1, 1, 0])
    assert report.accuracy == pytest.approx(3 / 5)
    assert report.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert report.per_class["a"].precision == pytest.approx(2 / 3)
    assert report.per_class["a"].recall == pytest.approx(2 / 3)
    assert report.per_class["b"].f1 == pytest.approx(1 / 2)
    assert report.per_class["c"].support == 0
    assert report.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    text = report.as_text()
    assert "0.667" in text
    assert text.splitlines()[-3].split() == ["a", "2", "1", "0"]


def test_report_refuses_what_it_cannot_count() -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        classification_report(["a", "b"], [0, 2], [0, 1])
    with pytest.raises(ValueError, match="cannot be compared"):
        classification_report(["a", "b"], [0, 1], [0])
    assert classification_report(["a"], [], []).accuracy == 0


def test_calibration_error_by_hand() -> None:
    # Two bins: 0.2 and 0.4 with no hit (gap 0.3), 0.9 and 1.0 with one hit (gap 0.45).
    assert expected_calibration_error([0.2, 0.4, 0.9, 1.0], [0, 0, 1, 0], bins=2) == pytest.approx(0.375)
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert expected_calibration_error([], []) == 0


def test_bootstrap_interval_holds_the_mean_and_is_repeatable() -> None:
    values = [float(v) for v in np.random.default_rng(1).normal(0.5, 0.1, 200)]

    def mean(sample: object) -> float:
        return float(np.mean(np.asarray(sample)))

    low, high = bootstrap_interval(values, mean, seed=3)
    assert low < np.mean(values) < high
    assert high - low == pytest.approx(4 * 0.1 / np.sqrt(200), rel=0.2)
    assert (low, high) == bootstrap_interval(values, mean, seed=3)
    assert bootstrap_interval(values, mean, seed=3, confidence=0.5)[1] < high
    with pytest.raises(ValueError, match="at least one photo"):
        bootstrap_interval([], mean)


def test_matches_can_be_drawn_again_without_matching_again() -> None:
    matches = [match_picture(picture({FACE: 0.9}, [FACE])), match_picture(picture({}, [FACE]))]
    low, high = bootstrap_interval(matches, lambda drawn: precision_recall(drawn).ap, resamples=50)
    assert (low, high) == (0, 1)
