"""Each check is given what it must find, and what it must leave alone."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from edge.payloads.schemas import published_schemas
from tests.faults import checks, growth
from tests.faults.checks import ArrivedEvent, Number
from tests.faults.collector import Arrival
from tests.faults.growth import Usage
from tests.support.transitions import EPOCH, drafts, transition


def event(seq: int, kind: str = "started", *, track: str = "t", camera: str = "door", **changes: Any) -> ArrivedEvent:
    """As a daemon publishes it; a `changed` goes from without_mask to with_mask."""
    made = transition(
        kind,  # type: ignore[arg-type]
        track=track,
        camera=camera,
        status="with_mask" if kind == "changed" else "without_mask",
        previous="without_mask" if kind == "changed" else None,
        at=103.0 + seq,
    )
    [draft] = drafts(made)
    payload = json.loads(draft.numbered(EPOCH, seq).payload)
    payload |= {"id": str(UUID(int=seq)), **changes}
    return arrived(payload)


def arrived(payload: dict[str, Any], *, duplicate: bool = False) -> ArrivedEvent:
    topic = f"maskd/lobby/{payload['camera']}/event"
    return ArrivedEvent(Arrival(0.0, topic, json.dumps(payload).encode(), duplicate), payload)


def again(first: ArrivedEvent, *, duplicate: bool = False) -> ArrivedEvent:
    return arrived(dict(first.event), duplicate=duplicate)


def numbers(*seqs: int) -> list[Number]:
    return [Number(EPOCH, seq) for seq in seqs]


def said(*words: str, retained: bool = False) -> list[Arrival]:
    return [Arrival(0.0, "maskd/lobby/availability", word.encode(), retained=retained) for word in words]


VISIT = [event(1), event(2, "changed"), event(3, "ended")]


def test_a_number_that_never_came_is_missed() -> None:
    assert checks.check_complete([event(1), event(2), again(event(2)), event(3)], numbers(1, 2, 3)) == []
    assert "seq 1, 3" in checks.check_complete([event(2), event(4)], [])[0]
    assert checks.missing([event(2), event(4)]) == numbers(1, 3)
    assert "committed" in checks.check_complete([event(1)], numbers(1, 2))[0]
    assert "seq 2" in checks.check_complete([event(1)], numbers(1, 2))[0]


def test_each_epoch_counts_from_one() -> None:
    other = "f" * 12
    both = [event(1), event(1, epoch=other, id="another"), event(2)]
    assert checks.check_complete(both, numbers(1, 2)) == []
    assert checks.check_identity(both) == []
    assert checks.check_order(both) == []
    assert checks.missing([*both, event(3, epoch=other)]) == [Number(other, 2)]
    assert checks.check_record([json.dumps(e.event) for e in both], both) == []


def test_a_number_belongs_to_one_event() -> None:
    assert checks.check_identity([event(1), event(2), again(event(1))]) == []
    assert "seq 2" in checks.check_identity([event(1), event(2), event(2, id="another")])[0]


def test_an_event_is_sent_again_as_it_was() -> None:
    assert "another payload" in checks.check_identity([event(1), event(1, confidence=0.5)])[0]


def test_a_number_below_one_that_came_is_out_of_order() -> None:
    assert checks.check_order([event(1), event(2), again(event(1)), event(3)]) == []
    assert checks.check_order([event(1), event(3), event(2)]) == ["seq 2 came for the first time after seq 3"]
    assert checks.check_order([event(1, camera="hall"), event(3), event(2, camera="hall")])


def test_a_visit_begins_and_ends_once() -> None:
    assert checks.check_lives(VISIT, stopped=True) == []
    assert checks.check_lives([*VISIT, *map(again, VISIT)], stopped=True) == []


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ([event(1, "ended")], "does not begin"),
        ([event(1, "changed"), event(2, "ended")], "does not begin"),
        ([event(1), event(2), event(3, "ended")], "does not begin"),
        ([event(1), event(2, "ended"), event(3, "ended")], "goes on after"),
        ([event(1), event(2, "ended"), event(3, "changed")], "goes on after"),
        ([event(1), event(2, "changed", previous="with_mask"), event(3, "ended")], "changed from with_mask"),
        ([event(1)], "never ended"),
        ([event(1), event(2, "changed")], "never ended"),
    ],
)
def test_a_visit_that_makes_no_sense_is_told(events: list[ArrivedEvent], problem: str) -> None:
    assert any(problem in found for found in checks.check_lives(events, stopped=True))


def test_who_ended_by_an_event_that_is_forgotten_may_end_again() -> None:
    twice = [event(1), event(2, "ended"), event(3, "ended")]
    assert checks.check_lives(twice, stopped=True, forgotten=numbers(2)) == []
    assert checks.check_lives(twice, stopped=True, forgotten=numbers(1, 3))


def test_a_visit_that_is_forgotten_may_never_end() -> None:
    open_visit = [event(1), event(2, "changed")]
    assert checks.check_lives(open_visit, stopped=True, forgotten=numbers(1, 2)) == []
    assert checks.check_lives(open_visit, stopped=True, forgotten=numbers(2))


def test_only_a_recent_visit_may_be_open_while_the_daemon_runs() -> None:
    later = [event(seq, track=f"t{seq}") for seq in range(2, 4 + checks.ORPHAN_AFTER)]
    gone = [event(100 + seq, "ended", track=f"t{seq}") for seq in range(2, 4 + checks.ORPHAN_AFTER)]
    assert checks.check_lives([event(1), *later[:10]], stopped=False) == []
    assert "track t " in checks.check_lives([event(1), *later, *gone], stopped=False)[0]


def test_time_goes_on_within_a_camera() -> None:
    early, late = "2026-11-20T15:00:00.000Z", "2026-11-20T16:00:00.000Z"
    backwards = [event(1, time=late), event(2, time=early)]
    assert checks.check_times([event(1, time=early), event(2, time=late)], clock_was_set_back=False) == []
    assert "before" in checks.check_times(backwards, clock_was_set_back=False)[0]
    assert checks.check_times(backwards, clock_was_set_back=True) == []
    assert checks.check_times([event(1, time=late), event(2, "ended", time=early)], clock_was_set_back=False) == []
    assert (
        checks.check_times([event(1, time=late), event(2, camera="hall", time=early)], clock_was_set_back=False) == []
    )


def test_a_visit_is_short() -> None:
    assert checks.check_durations(VISIT) == []
    assert checks.check_durations([event(1, duration_s=3601.5)]) == ["seq 1 tells of a visit of 3601.5 s"]


def test_repeats_are_counted_and_limited() -> None:
    known = [event(1), event(2)]
    ids = {e.event["id"] for e in known}
    assert checks.check_repeats([event(3)], seen=ids, allowed=0) == (0, [])
    assert checks.check_repeats([again(event(1)), event(3), again(event(3))], seen=ids, allowed=2) == (2, [])
    count, problems = checks.check_repeats([again(event(2))], seen=ids, allowed=0)
    assert count == 1
    assert "seq 2" in problems[0]
    assert checks.check_repeats([again(event(2), duplicate=True)], seen=ids, allowed=0) == (0, [])


def test_a_payload_follows_its_schema() -> None:
    schemas = published_schemas()
    good, bad, strange = event(1), event(1, confidence=2), event(1, schema="maskd.other/1")
    assert checks.check_schemas([good.arrival, *said("online")], schemas) == []
    assert "greater than the maximum" in checks.check_schemas([bad.arrival], schemas)[0]
    assert "no known schema" in checks.check_schemas([strange.arrival], schemas)[0]
    cleared = Arrival(0.0, "maskd/lobby/door/presence", b"")
    assert checks.check_schemas([cleared], schemas) == []


def test_availability_says_what_is() -> None:
    assert checks.check_availability([], went_away=False) == []
    assert checks.check_availability(said("offline", "online"), went_away=True) == []
    assert "says offline" in checks.check_availability(said("online", "offline"), went_away=False)[0]
    assert "never said" in checks.check_availability(said("online"), went_away=True)[0]
    assert "maybe" in checks.check_availability(said("maybe", "online"), went_away=False)[0]
    assert (
        "never said" in checks.check_availability([*said("offline", retained=True), *said("online")], went_away=True)[0]
    )


def test_the_record_holds_each_event_once() -> None:
    lines = [json.dumps(e.event) for e in VISIT]
    assert checks.check_record(lines, VISIT) == []
    assert checks.check_record(lines, VISIT[:2]) == []  # the last is still under way
    assert "lacks 1 events" in checks.check_record(lines[1:], VISIT)[0]
    assert "more than once: seq 2" in checks.check_record([*lines, lines[1]], VISIT)[0]
    assert "no event" in checks.check_record([*lines, lines[1][:40]], VISIT)[0]
    assert checks.check_record([*lines, lines[1][:40]], VISIT, torn=1) == []
    assert "no event" in checks.check_record([*lines, "3"], VISIT)[0]
    other = json.dumps({**VISIT[0].event, "id": "another"})
    assert "other events" in checks.check_record([other, *lines[1:]], VISIT)[0]


def test_the_log_stays_short_and_without_tracebacks() -> None:
    quiet = ["2026-11-20 15:00:00,000 INFO: camera door: t started with_mask, confidence 0.97, 1.2 s, seq 7"] * 100
    assert checks.check_log(quiet, limit=0) == []
    chatter = ["2026-11-20 15:00:00,000 WARNING: no broker"] * 3
    assert checks.check_log([*quiet, *chatter], limit=3) == []
    assert "3 lines" in checks.check_log([*quiet, *chatter], limit=2)[0]
    trace = ["Traceback (most recent call last):", '  File "x.py"', "ValueError: no"]
    assert "ValueError: no" in checks.check_log([*quiet, *trace], limit=10)[0]


def usage(age_s: float, *, start: int = 1, rss_mb: float = 100, files: int = 30, threads: int = 10) -> Usage:
    return Usage(start, age_s, rss_mb, files, threads)


def grown(*samples: Usage) -> list[str]:
    return growth.check_growth(growth.growth(samples))


def test_what_is_used_comes_back_to_where_it_was() -> None:
    assert grown() == []
    assert grown(usage(10), usage(60, rss_mb=110, files=33, threads=11)) == []
    assert grown(usage(1, rss_mb=50), usage(10), usage(20)) == []  # while it starts it grows
    assert grown(usage(10), usage(10, start=2, rss_mb=150)) == []
    assert "memory grew by 20 MB" in grown(usage(10), usage(60, rss_mb=120))[0]
    assert "open files grew" in grown(usage(10), usage(60, files=40))[0]
    assert "threads grew" in grown(usage(10), usage(60, threads=13))[0]
    assert "memory" in grown(usage(10, start=2), usage(60, start=2, rss_mb=120), usage(9, start=3))[0]
    [two] = growth.growth([usage(10), usage(30), usage(60, rss_mb=104.5)])
    assert (two.rounds, two.over_s, two.rss_mb) == (3, 50, 4.5)
