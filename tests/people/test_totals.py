from __future__ import annotations

from datetime import date

from edge.people.totals import BEHIND_S, KeptTotals, VisitTotals
from tests.support.transitions import transition

TODAY, TOMORROW, NOW = date(2026, 11, 28), date(2026, 11, 29), "2026-11-28T15:00:00.000Z"


def numbers(totals: VisitTotals, camera: str = "door") -> tuple[int, int, int, int]:
    found = totals.totals("lobby", camera, NOW)
    return found.visits, found.violations, found.today.visits, found.today.violations


def begun() -> VisitTotals:
    return VisitTotals(None, TODAY)


def test_a_visit_counts_once_and_is_a_violation_once_it_breaks_the_rule() -> None:
    totals = begun()
    for each in (
        transition("started", track="a", status="with_mask"),
        transition("changed", track="a", status="without_mask"),
        transition("changed", track="a", status="with_mask"),
        transition("changed", track="a", status="without_mask"),
        transition("ended", track="a", status="without_mask"),
        transition("started", track="b", status="unknown"),
        transition("ended", track="b", status="unknown"),
        transition("started", track="c", status="without_mask"),
        transition("started", camera="hall", track="d", status="with_mask"),
    ):
        totals.observe(each)
    assert totals.settle(NOW)
    assert not totals.settle(NOW)
    assert numbers(totals) == (3, 2, 3, 2)
    assert numbers(totals, "hall") == (1, 0, 1, 0)
    assert numbers(totals, "never") == (0, 0, 0, 0)


def test_a_visit_that_was_never_announced_does_not_count() -> None:
    totals = begun()
    totals.observe(transition("ended", track="a", status="without_mask"))
    totals.observe(transition("changed", track="b", status="without_mask"))
    assert not totals.settle(NOW)


def test_what_was_observed_shows_after_it_is_settled_only() -> None:
    totals = begun()
    totals.observe(transition("started", track="a", status="without_mask"))
    assert numbers(totals) == (0, 0, 0, 0)
    totals.settle(NOW)
    assert numbers(totals) == (1, 1, 1, 1)


def test_a_day_begins_at_zero_and_the_rest_stays() -> None:
    totals = begun()
    totals.observe(transition("started", track="a", status="without_mask"))
    totals.settle(NOW)
    assert not totals.turn(TODAY, 0)
    assert totals.turn(TOMORROW, 1)
    assert numbers(totals) == (1, 1, 0, 0)
    assert totals.totals("lobby", "door", NOW).today.date == "2026-11-29"


def test_a_clock_that_is_not_set_yet_begins_no_day() -> None:
    """A board without a battery-backed clock starts in the past."""
    totals = begun()
    totals.observe(transition("started", track="a"))
    totals.settle(NOW)
    again = VisitTotals(totals.kept, date(1970, 1, 1))
    assert not again.turn(date(1970, 1, 1), 0)
    assert not again.turn(TODAY, 60)
    assert numbers(again) == (1, 1, 1, 1)


def test_a_clock_that_stays_behind_is_believed_in_the_end() -> None:
    totals = VisitTotals(None, date(2036, 2, 7))
    assert not totals.turn(TODAY, 0)
    assert not totals.turn(TODAY, BEHIND_S - 1)
    assert totals.turn(TODAY, BEHIND_S)
    assert totals.totals("lobby", "door", NOW).today.date == "2026-11-28"


def test_what_is_kept_goes_on_after_a_restart() -> None:
    totals = begun()
    totals.observe(transition("started", track="a"))
    totals.settle(NOW)
    kept = KeptTotals.model_validate_json(totals.kept.model_dump_json())
    again = VisitTotals(kept, TODAY)
    again.observe(transition("started", track="b"))
    again.settle("2026-11-28T16:00:00.000Z")
    assert numbers(again) == (2, 2, 2, 2)
    assert again.totals("lobby", "door", "2026-11-28T16:00:00.000Z").since == NOW
