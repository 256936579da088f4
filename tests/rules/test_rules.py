"""When rules act: people come and go, minute by minute."""

from __future__ import annotations

import time
from datetime import datetime
from uuid import UUID

import pytest

from edge.config.rules import RuleSettings
from edge.rules.actions import action_of, text_of
from edge.rules.engine import RuleEngine
from edge.rules.happening import from_transition
from edge.rules.occasions import Firing
from tests.support.transitions import transition

NOON = datetime(2026, 11, 30, 12, 0).astimezone().timestamp()
"""A Monday; 0 of the monotonic clock."""


class Door:
    """A day at a door, in seconds since noon."""

    def __init__(self, **rule: object) -> None:
        self.engine = RuleEngine({"remind": RuleSettings.model_validate({"do": ["chat"], **rule})})
        self.fired: list[Firing] = []

    def see(
        self, at: float, track: str = "t1", kind: str = "started", status: str = "without_mask", **more: object
    ) -> None:
        one = transition(kind, track=track, status=status, at=at, started_at=at)  # type: ignore[arg-type]
        happening = from_transition(one, NOON + at, UUID(int=round(at * 1000) + 1))
        for name, value in more.items():
            object.__setattr__(happening, name, value)
        self.fired += self.engine.observe(happening)

    def wait_until(self, at: float) -> None:
        self.fired += self.engine.tick(at, NOON + at)

    @property
    def times(self) -> list[float]:
        return [firing.at for firing in self.fired]


def test_without_conditions_it_acts_once_for_each_person_whose_status_is_known() -> None:
    door = Door()
    door.see(1, "a")
    door.see(2, "b", status="unknown")
    door.see(3, "c", status="with_mask")
    door.see(4, "a", kind="changed", status="with_mask")
    door.see(5, "b", kind="changed")
    door.see(6, "a", kind="ended")
    assert door.times == [1, 3, 5]


def test_a_person_who_comes_back_is_another_visit() -> None:
    door = Door()
    for at in (1, 11):
        door.see(at)
        door.see(at + 5, kind="ended")
    assert door.times == [1, 11]


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({"status": ["without_mask"]}, ["without"]),
        ({"status": ["unknown"]}, ["unknown"]),
        ({"compliant": False}, ["without", "incorrect"]),
        ({"compliant": True}, ["with"]),
        ({"cameras": ["door"]}, ["without", "incorrect", "with"]),
        ({"cameras": ["yard"]}, []),
        ({"zones": ["entrance", "ward"]}, ["without", "incorrect", "with"]),
        ({"zones": ["ward"]}, []),
        ({"between": "11:00-13:00"}, ["without", "incorrect", "with"]),
        ({"between": "22:00-06:00"}, []),
        ({"weekdays": ["mon"]}, ["without", "incorrect", "with"]),
        ({"weekdays": ["tue", "sun"]}, []),
        ({"event": ["ended"]}, []),
    ],
)
def test_it_looks_for_what_it_is_told(when: dict[str, object], fits: list[str]) -> None:
    door = Door(when=when)
    statuses = {
        "without": "without_mask",
        "incorrect": "mask_weared_incorrect",
        "with": "with_mask",
        "unknown": "unknown",
    }
    for at, (track, status) in enumerate(statuses.items()):
        door.see(at, track, status=status)
    assert [firing.person.track for firing in door.fired if firing.person] == fits


def test_a_change_to_what_it_looks_for_counts_and_one_away_from_it_does_not() -> None:
    door = Door(when={"status": ["without_mask"]})
    door.see(1, status="with_mask")
    door.see(4, kind="changed")
    door.see(6, kind="changed", status="with_mask")
    assert door.times == [4]


def test_an_end_can_be_what_it_looks_for() -> None:
    door = Door(when={"event": ["ended"], "compliant": False})
    door.see(1)
    door.see(9, kind="ended")
    assert door.times == [9]


def test_a_dwell_time_must_pass_without_a_break() -> None:
    door = Door(when={"compliant": False, "dwell_s": 10})
    door.see(0, "stays")
    door.see(1, "goes")
    door.see(2, "mends")
    door.see(8, "goes", kind="ended")
    door.see(9, "mends", kind="changed", status="with_mask")
    assert door.engine.due == 10
    door.wait_until(9.9)
    assert door.times == []
    door.see(12.5, "other")
    assert [(firing.at, firing.person.track) for firing in door.fired if firing.person] == [(10, "stays")]
    assert door.fired[0].wall_time == NOON + 10
    assert door.fired[0].person
    assert door.fired[0].person.duration_s == 10
    door.wait_until(60)
    assert door.times == [10, 22.5]


def test_what_breaks_off_begins_again() -> None:
    door = Door(when={"compliant": False, "dwell_s": 10})
    door.see(0)
    door.see(8, kind="changed", status="with_mask")
    door.see(9, kind="changed")
    door.wait_until(18.9)
    assert door.times == []
    door.wait_until(19)
    assert door.times == [19]


def test_every_event_counts_if_it_may_act_more_than_once_for_a_person() -> None:
    door = Door(when={"compliant": False}, at_most={"once_per_person": False})
    door.see(1)
    door.see(2, kind="changed", status="mask_weared_incorrect")
    assert door.times == [1, 2]


def test_a_pause_holds_for_whoever_comes() -> None:
    door = Door(at_most={"pause_s": 60})
    for at in (0, 30, 59, 60, 61, 125):
        door.see(at, f"t{at}")
    assert door.times == [0, 60, 125]


def test_quiet_hours_and_the_end_of_the_working_day() -> None:
    door = Door(when={"between": "08:00-18:00"}, at_most={"quiet": "12:30-13:30"})
    for minutes in (0, 29, 30, 89, 90, 359, 360):
        door.see(60.0 * minutes, f"t{minutes}")
    assert [at / 60 for at in door.times] == [0, 29, 90, 359]


def test_in_quiet_hours_and_outside_its_day_its_occasion_is_not_there_either() -> None:
    door = Door(when={"between": "08:00-18:00"}, at_most={"quiet": "12:30-13:30"})
    door.see(0, "a")
    hours = (0, 0.5, 1, 1.5, 5.9, 6)
    assert [hour for hour in hours if door.engine.active(NOON + 3600 * hour)] == [0, 1.5, 5.9]


def test_a_capacity_counts_everybody_also_who_is_not_decided_and_acts_at_each_excess() -> None:
    door = Door(when={"people_over": 2})
    door.see(1, "a")
    door.see(2, "b", status="unknown")
    assert not door.engine.active(NOON)
    door.see(3, "c", status="with_mask")
    door.see(4, "d")
    assert [(firing.at, firing.people) for firing in door.fired] == [(3, 3)]
    assert door.engine.active(NOON) == {"remind"}
    door.see(5, "a", kind="ended")
    door.see(6, "b", kind="ended")
    assert not door.engine.active(NOON)
    door.see(7, "e")
    assert [(firing.at, firing.people) for firing in door.fired] == [(3, 3), (7, 3)]


def test_a_capacity_can_be_one_of_people_without_a_mask() -> None:
    door = Door(when={"people_over": 1, "status": ["without_mask"]})
    door.see(1, "a")
    door.see(2, "b", status="with_mask")
    assert door.times == []
    door.see(3, "b", kind="changed")
    assert door.times == [3]


def test_nobody_complied_for_some_minutes() -> None:
    door = Door(when={"nobody_complied_min": 5})
    door.see(0, "a")
    door.see(200, "a", kind="ended")
    door.see(250, "b")
    assert door.engine.due == 300
    door.wait_until(299)
    assert door.times == []
    door.wait_until(300)
    door.wait_until(900)
    assert [(firing.at, firing.minutes, firing.people) for firing in door.fired] == [(300, 5.0, 1)]
    door.see(950, "c", status="with_mask")
    assert not door.engine.active(NOON)
    door.see(960, "c", kind="ended")
    door.wait_until(1259)
    assert len(door.fired) == 1
    door.wait_until(1260)
    assert len(door.fired) == 2


def test_an_empty_room_is_not_one_in_which_nobody_complied() -> None:
    door = Door(when={"nobody_complied_min": 5})
    door.see(0, "a")
    door.see(60, "a", kind="ended")
    door.wait_until(700)
    assert door.times == []
    door.see(800, "b")
    door.see(801, "b", kind="ended")
    assert door.times == []


def test_who_was_there_when_the_rules_changed_does_not_set_them_off() -> None:
    door = Door()
    door.see(1, "a")
    engine = RuleEngine({"remind": RuleSettings(do=["chat"])}, door.engine.there)
    assert engine.active(NOON) == {"remind"}
    door.engine = engine
    door.see(2, "a", kind="changed", status="mask_weared_incorrect")
    door.see(3, "b")
    assert door.times == [1, 3]


def test_a_rule_that_is_switched_off_does_nothing() -> None:
    door = Door(enabled=False)
    door.see(1)
    assert door.times == []


def test_an_action_says_what_happened_and_keeps_its_id() -> None:
    door = Door(when={"compliant": False, "dwell_s": 5})
    door.see(1)
    door.wait_until(10)
    action = action_of(door.fired[0], "chat", "lobby")
    assert action == action_of(door.fired[0], "chat", "lobby")
    assert action.id != action_of(door.fired[0], "other", "lobby").id
    assert action.text == "door (entrance): a person without a mask, for 5 s"
    assert (action.device, action.camera, action.status, action.event, action.duration_s) == (
        "lobby",
        "door",
        "without_mask",
        "started",
        5.0,
    )
    assert action.time.startswith(time.strftime("%Y-%m-%dT%H:%M:06", time.gmtime(NOON + 6)))


def test_texts_about_all_people() -> None:
    crowd = Firing("full", 0, 0, None, people=21)
    alone = Firing("strict", 0, 0, None, people=1, minutes=15.0)
    assert text_of(crowd) == "full: 21 people are there"
    assert text_of(alone) == "strict: nobody has complied for 15 minutes; 1 person is there"
