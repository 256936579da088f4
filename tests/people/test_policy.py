"""Who is due to be classified, picture by picture."""

from __future__ import annotations

import pytest

from edge.config import ComplianceSettings
from edge.geometry import Box
from edge.payloads.statuses import UNKNOWN
from edge.people.policy import Candidate, due, overlapping, recheck_interval


def candidate(
    *,
    status: str | None = "with_mask",
    judged: str | None = "with_mask",
    judged_at: float = 10.0,
    contested: bool = False,
    found_again: bool = False,
) -> Candidate:
    return Candidate("t1", status, contested, judged, judged_at, found_again=found_again)


def is_due(each: Candidate, now: float, *, overlaps: bool = False, gap_s: float = 0.1, interval_s: float = 0.5) -> bool:
    crossing = frozenset({"t1"} if overlaps else ())
    return due([each], crossing, now=now, gap_s=gap_s, interval_s=interval_s) == frozenset({"t1"})


@pytest.mark.parametrize(
    "each",
    [
        candidate(status=None, judged=None),
        candidate(status=None),
        candidate(status=UNKNOWN, judged=UNKNOWN),
        candidate(status=UNKNOWN),
        candidate(judged=UNKNOWN),
        candidate(judged="without_mask"),
        candidate(found_again=True),
        candidate(contested=True),
    ],
    ids=["new", "undecided", "unknown", "was unknown", "judged unknown", "dissent", "found again", "contested"],
)
def test_whose_status_may_change_is_due_in_every_picture(each: Candidate) -> None:
    assert is_due(each, 10.01)


def test_who_touches_another_face_is_due() -> None:
    assert not is_due(candidate(), 10.1)
    assert is_due(candidate(), 10.1, overlaps=True)


@pytest.mark.parametrize(
    ("gap_s", "first_due"),
    [(1 / 30, 15 / 30), (1 / 15, 7 / 15), (1 / 10, 5 / 10), (1 / 4, 2 / 4), (1 / 3, 1 / 3), (1 / 2, 1 / 2), (1.0, 1.0)],
    ids=lambda value: f"{value:.2f}",
)
def test_a_settled_person_is_due_before_the_interval_is_over(gap_s: float, first_due: float) -> None:
    """The last picture within the interval: the next one would come too late."""
    pictures = [10.0 + number * gap_s for number in range(1, 32)]
    assert next(now for now in pictures if is_due(candidate(), now, gap_s=gap_s)) == pytest.approx(10.0 + first_due)


def test_with_an_interval_of_0_everyone_is_due() -> None:
    assert is_due(candidate(), 10.0 + 1 / 30, gap_s=1 / 30, interval_s=0)


def test_a_look_never_comes_later_than_a_new_status_could_be_announced() -> None:
    assert recheck_interval(0.5, ComplianceSettings()) == 0.5
    quick = ComplianceSettings(window_s=0.25, majority=0.8, hold_s=0.1)
    assert recheck_interval(0.5, quick) == pytest.approx(0.3)
    assert recheck_interval(0, quick) == 0


def test_which_boxes_overlap() -> None:
    boxes = {
        "a": Box(0, 0, 10, 10),
        "b": Box(9, 9, 20, 20),
        "c": Box(20, 0, 30, 10),
        "d": Box(50, 50, 60, 60),
    }
    assert overlapping(list(boxes.items())) == {"a", "b"}
    assert overlapping([("a", boxes["a"])]) == frozenset()
    assert overlapping([]) == frozenset()
