"""When people enter zones and leave them."""

from __future__ import annotations

import pytest

from edge.people.zones import LEAVE_S, ZoneStay, ZoneStays, zones_at
from tests.support.scripted import ScriptedCrowd, rectangle, shown

LEFT = {"left": rectangle(0.0, 0.5)}
ZONES = {**LEFT, "all": rectangle(0.0, 1.0)}
IN, OUT = (0.2, 0.5), (0.8, 0.5)


def test_which_zones_hold_a_point() -> None:
    assert zones_at(ZONES, IN) == ("left", "all")
    assert zones_at(ZONES, OUT) == ("all",)
    assert zones_at({}, IN) == ()


def test_a_stay_has_the_times_of_the_first_and_the_last_picture_inside() -> None:
    stays = ZoneStays(ZONES)
    assert stays.update("t1", OUT, 1.0) == (ZoneStay("all", 1.0, None),)
    assert stays.update("t1", IN, 2.0) == (ZoneStay("all", 1.0, None), ZoneStay("left", 2.0, None))
    stays.update("t1", IN, 3.0)
    assert stays.update("t1", OUT, 3.1) == (ZoneStay("all", 1.0, None), ZoneStay("left", 2.0, None))
    assert stays.update("t1", OUT, 3.0 + LEAVE_S) == (ZoneStay("left", 2.0, 3.0), ZoneStay("all", 1.0, None))
    assert stays.update("t1", OUT, 3.7) == (ZoneStay("all", 1.0, None),), "a stay that ended is told once"
    assert stays.update("t1", IN, 9.0)[-1] == ZoneStay("left", 9.0, None)


def test_who_stands_on_the_border_stays() -> None:
    stays = ZoneStays(LEFT)
    told = [stays.update("t1", IN if number % 3 == 0 else OUT, number / 10) for number in range(60)]
    assert set(told) == {(ZoneStay("left", 0.0, None),)}


def test_each_person_has_stays_of_their_own() -> None:
    stays = ZoneStays(LEFT)
    stays.update("t1", IN, 1.0)
    stays.update("t2", IN, 2.0)
    assert stays.current("t1") == (ZoneStay("left", 1.0, None),)
    stays.forget("t1")
    assert stays.current("t1") == ()
    assert stays.current("t2") == (ZoneStay("left", 2.0, None),)


def test_a_zone_that_is_taken_away_is_left() -> None:
    stays = ZoneStays(ZONES)
    stays.update("t1", IN, 1.0)
    stays.adjust({"all": ZONES["all"]})
    assert stays.update("t1", IN, 2.0) == (ZoneStay("left", 1.0, 1.0), ZoneStay("all", 1.0, None))


def test_the_zones_of_a_person_in_a_scene() -> None:
    """From the left to the right in 4 s of 10 pictures a second, hidden for a while on the way."""
    scripted = ScriptedCrowd(zones=LEFT)
    told = []
    for number in range(40):
        hidden = 12 <= number < 18
        (person,) = scripted.look([] if hidden else [shown("M", x=60 + 13 * number)], number / 10).people
        told.append(person.zones)
    assert told[0] == (ZoneStay("left", 0.0, None),)
    assert told[15] == told[0], "who is not seen has not moved"
    (left,) = {stay for stays in told for stay in stays if stay.left_at is not None}
    # At 320 of 640 pixels the middle of the face is on the border, which is at picture 20.
    assert left.entered_at == 0.0
    assert left.left_at == pytest.approx(1.9, abs=0.11)
    assert told[-1] == ()
