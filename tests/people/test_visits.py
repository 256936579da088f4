"""No `ended` without its `started` and no `started` without its `ended`, whatever privacy is switched to, and when."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from edge.people.visits import AnnouncedVisits
from tests.support.transitions import transition

Privacy = Literal["events", "aggregate"]


def test_a_visit_is_published_as_it_happens() -> None:
    visits = AnnouncedVisits()
    story = [transition("started"), transition("changed", status="with_mask"), transition("ended", status="with_mask")]
    assert [visits.to_publish([each], "events", now=200) for each in story] == [[each] for each in story]


def test_switched_to_aggregate_those_who_are_there_are_ended_there_and_then() -> None:
    visits = AnnouncedVisits()
    here, gone = transition(track="here"), transition(track="gone")
    visits.to_publish([here, gone, transition("ended", track="gone")], "events", now=104)
    changed = transition("changed", track="here", status="with_mask", previous="without_mask", at=120)
    visits.to_publish([changed], "events", now=121)
    (ended,) = visits.to_publish([transition(track="new")], "aggregate", now=130)
    assert (ended.type, ended.track, ended.status, ended.previous) == ("ended", "here", "with_mask", None)
    assert (ended.started_at, ended.at) == (here.started_at, 130)
    assert visits.to_publish([transition("ended", track="here")], "aggregate", now=131) == []


def test_switched_back_those_who_are_there_stay_unannounced_until_their_next_visit() -> None:
    visits = AnnouncedVisits()
    visits.to_publish([transition(track="before")], "events", now=104)
    visits.to_publish([transition(track="during")], "aggregate", now=105)
    for track in ("before", "during"):
        rest = [transition("changed", track=track, status="with_mask"), transition("ended", track=track)]
        assert visits.to_publish(rest, "events", now=106) == []
    later = [transition(track="later"), transition("ended", track="later")]
    assert visits.to_publish(later, "events", now=107) == later


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "switch"]), st.booleans()), max_size=40))
def test_what_was_started_is_ended_once(steps: list[tuple[str, bool]]) -> None:
    visits, published = AnnouncedVisits(), []
    privacy: Privacy = "events"
    people: dict[str, str] = {}
    for number, (who, leaves) in enumerate(steps):
        happened = []
        if who == "switch":
            privacy = "aggregate" if privacy == "events" else "events"
        elif who not in people:
            people[who] = f"{who}{number}"
            happened = [transition(track=people[who])]
        elif leaves:
            happened = [transition("ended", track=people.pop(who))]
        else:
            happened = [transition("changed", track=people[who], status="with_mask")]
        published += visits.to_publish(happened, privacy, now=200 + number)
    published += visits.to_publish([transition("ended", track=track) for track in people.values()], privacy, now=300)
    for track in {each.track for each in published}:
        kinds = [each.type for each in published if each.track == track]
        assert (kinds[0], kinds[-1]) == ("started", "ended")
        assert set(kinds[1:-1]) <= {"changed"}
