from __future__ import annotations

from edge.payloads.reports import Window
from edge.people.windows import WindowCounts
from tests.support.transitions import WALL_OFFSET, transition


def closed(counts: WindowCounts, now: float) -> dict[str, Window]:
    return {window.camera: window for window in counts.close(now, wall_offset=WALL_OFFSET)}


def test_a_person_counts_once_by_the_latest_status() -> None:
    counts = WindowCounts("lobby", ["door"], window_s=60, now=0)
    counts.observe(transition(track="a", status="without_mask"))
    counts.observe(transition("changed", track="a", status="with_mask", previous="without_mask"))
    counts.observe(transition("ended", track="a", status="with_mask"))
    counts.observe(transition(track="b", status="mask_weared_incorrect"))
    counts.observe(transition(track="c", status="with_mask"))
    counts.observe(transition(track="d", status="unknown"))
    window = closed(counts, 60)["door"]
    assert window.people == 4
    assert window.counts == {"with_mask": 2, "mask_weared_incorrect": 1, "unknown": 1}
    assert window.compliance_rate == 0.6667
    assert (window.begin, window.end) == ("2026-09-21T14:13:20.000Z", "2026-09-21T14:14:20.000Z")


def test_those_who_stay_count_in_the_next_window_and_those_who_left_do_not() -> None:
    counts = WindowCounts("lobby", ["door"], window_s=60, now=0)
    counts.observe(transition(track="stays", status="with_mask"))
    counts.observe(transition(track="leaves"))
    counts.observe(transition("ended", track="leaves"))
    assert closed(counts, 60)["door"].people == 2
    assert closed(counts, 120)["door"].counts == {"with_mask": 1}
    counts.observe(transition("ended", track="stays", status="with_mask"))
    assert closed(counts, 180)["door"].people == 1
    empty = closed(counts, 240)["door"]
    assert (empty.people, empty.counts, empty.compliance_rate) == (0, {}, None)


def test_cameras_are_counted_apart_and_one_without_people_as_well() -> None:
    counts = WindowCounts("lobby", ["door", "gate"], window_s=60, now=0)
    counts.observe(transition(camera="door"))
    windows = closed(counts, 60)
    assert (windows["door"].people, windows["door"].compliance_rate) == (1, 0.0)
    assert windows["gate"].people == 0


def test_a_window_is_over_after_its_length() -> None:
    counts = WindowCounts("lobby", [], window_s=60, now=10)
    assert not counts.is_over(69.9)
    assert counts.is_over(70)
    counts.close(75, wall_offset=0)
    assert not counts.is_over(134)
    assert counts.is_over(135)


def test_a_camera_that_is_switched_off_has_one_last_window() -> None:
    counts = WindowCounts("lobby", ["door", "gate"], window_s=60, now=0)
    counts.observe(transition(track="a", camera="gate"))
    counts.watch(["door", "hall"])
    counts.observe(transition("ended", track="a", camera="gate"))
    assert {camera: window.people for camera, window in closed(counts, 60).items()} == {"door": 0, "gate": 1, "hall": 0}
    assert set(closed(counts, 120)) == {"door", "hall"}


def test_a_window_that_is_open_ends_by_a_new_length() -> None:
    counts = WindowCounts("lobby", ["door"], window_s=60, now=0)
    counts.window_s = 1200
    assert not counts.is_over(1199)
    counts.window_s = 60
    assert counts.is_over(60)
