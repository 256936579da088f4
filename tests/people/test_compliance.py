"""Votes, hysteresis and zones, marched frame by frame: from tracks to what is announced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from edge.config import ComplianceSettings, TrackingSettings, ZoneSettings
from edge.geometry import Box
from edge.people.transition import Transition
from edge.people.zones import Zones
from tests.support.scripted import LETTER_OF, ScriptedCrowd, Shown, rectangle, shown


def play(
    people: Mapping[str, str],
    *,
    fps: float = 10.0,
    settings: ComplianceSettings | None = None,
    tracking: TrackingSettings | None = None,
    recheck_s: float = 0.0,
) -> list[Transition]:
    """Each person is one letter per frame, as in `shown`; `.` is a frame without the face. Nobody moves."""
    scripted = ScriptedCrowd(recheck_s=recheck_s, compliance=settings, tracking=tracking)
    transitions: list[Transition] = []
    for number in range(max(map(len, people.values()))):
        picture = [
            shown(letters[number], x=100.0 + 150 * place)
            for place, letters in enumerate(people.values())
            if number < len(letters) and letters[number] != "."
        ]
        transitions += scripted.look(picture, number / fps).transitions
    return [*transitions, *scripted.crowd.finish().transitions]


def story(transitions: Sequence[Transition]) -> list[str]:
    """`t1 started n`, `t1 changed n>M`, `t1 ended M`."""

    def statuses(transition: Transition) -> str:
        before = f"{LETTER_OF[transition.previous]}>" if transition.previous else ""
        return before + LETTER_OF[transition.status]

    return [f"{t.track} {t.type} {statuses(t)}" for t in transitions]


GONE = "." * 25
CASES: list[tuple[str, str, list[str]]] = [
    ("steady", "M" * 20 + GONE, ["t1 started M", "t1 ended M"]),
    ("never gone", "n" * 20, ["t1 started n", "t1 ended n"]),
    ("too few votes", "nnnn" + GONE, []),
    ("just enough votes", "nnnnn" + GONE, ["t1 started n", "t1 ended n"]),
    ("a false face", "n" + GONE, []),
    ("false faces now and then", ("n" + "." * 11) * 8 + GONE, []),
    ("single wrong votes", ("MMMMn" * 8) + GONE, ["t1 started M", "t1 ended M"]),
    ("a short wrong spell", "M" * 30 + "n" * 10 + "M" * 30 + GONE, ["t1 started M", "t1 ended M"]),
    ("taken off", "M" * 30 + "n" * 40 + GONE, ["t1 started M", "t1 changed M>n", "t1 ended n"]),
    (
        "off and on again",
        "M" * 30 + "n" * 40 + "M" * 40 + GONE,
        ["t1 started M", "t1 changed M>n", "t1 changed n>M", "t1 ended M"],
    ),
    ("gone before the change has settled", "M" * 30 + "n" * 22 + GONE, ["t1 started M", "t1 ended M"]),
    ("unknown does not undo", "M" * 10 + "?" * 60 + GONE, ["t1 started M", "t1 ended M"]),
    ("unknown delays", "?" * 20 + "M" * 10 + GONE, ["t1 started M", "t1 ended M"]),
    ("always unknown", "?" * 120 + GONE, ["t1 started ?", "t1 ended ?"]),
    ("unknown within the grace", "?" * 80 + GONE, []),
    ("undecided", "Mni" * 40 + GONE, ["t1 started ?", "t1 ended ?"]),
    ("undecided and soon gone", "Mni" * 7 + GONE, ["t1 started ?", "t1 ended ?"]),
    ("unknown, then known", "?" * 120 + "n" * 30 + GONE, ["t1 started ?", "t1 changed ?>n", "t1 ended n"]),
    ("one vote after a pause", "M" * 30 + "o" * 40 + "n" + "o" * 20 + GONE, ["t1 started M", "t1 ended M"]),
    ("never classified", "o" * 150 + GONE, []),
    ("a missed second", "n" * 10 + "." * 10 + "n" * 10 + GONE, ["t1 started n", "t1 ended n"]),
]


@pytest.mark.parametrize("recheck_s", [0.0, 0.5])
@pytest.mark.parametrize(("letters", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_person(letters: str, expected: list[str], recheck_s: float) -> None:
    assert story(play({"a": letters}, recheck_s=recheck_s)) == expected


@pytest.mark.parametrize("fps", [2, 5, 30])
def test_the_frame_rate_does_not_change_the_story(fps: int) -> None:
    letters = "i" * (4 * fps) + "M" * (5 * fps) + "." * (3 * fps)
    assert story(play({"a": letters}, fps=fps)) == ["t1 started i", "t1 changed i>M", "t1 ended M"]


def test_a_camera_with_less_than_min_votes_per_window_decides_as_well() -> None:
    assert story(play({"a": "n" * 8}, fps=1)) == ["t1 started n", "t1 ended n"]


def test_three_people() -> None:
    """One masked, one not, and one who pulls the mask up: what somebody at the door would write down, in order."""
    people = {
        "a": "." * 5 + "M" * 60 + "." * 95,
        "b": "." * 20 + "nnnnnnnnMn" * 5 + "." * 90,
        "c": "." * 50 + "iiiiiniiii" * 4 + "M" * 50 + "." * 30,
    }
    transitions = play(people)
    assert story(transitions) == [
        "t1 started M",
        "t2 started n",
        "t3 started i",
        "t1 ended M",
        "t2 ended n",
        "t3 changed i>M",
        "t3 ended M",
    ]
    assert [t.compliant for t in transitions] == [True, False, False, True, False, True, True]
    ended = {t.track: t for t in transitions if t.type == "ended"}
    assert ended["t1"].votes == {"with_mask": 60}
    assert ended["t2"].votes == {"without_mask": 45, "with_mask": 5}
    assert ended["t3"].votes == {"mask_weared_incorrect": 36, "without_mask": 4, "with_mask": 50}
    assert ended["t3"].started_at == pytest.approx(5.0)
    assert ended["t3"].at == pytest.approx(13.9), "when the face was last seen, not when it was given up"


def test_a_change_waits_for_the_majority_and_then_for_hold_s() -> None:
    transitions = play({"a": "M" * 40 + "n" * 40}, settings=ComplianceSettings(window_s=3.0, majority=0.6, hold_s=1.0))
    started, changed, _ = transitions
    assert started.at == pytest.approx(0.4), "with the fifth vote"
    # 19 of the 31 votes within 3 s are new at 5.8 s, and a second later that still holds.
    assert changed.at == pytest.approx(6.8)
    assert changed.started_at == 0.0


def march(
    pictures: Sequence[Shown | None],
    settings: ComplianceSettings | None = None,
    zones: Zones | None = None,
) -> list[Transition]:
    """One person, confirmed at once, ten frames per second."""
    scripted = ScriptedCrowd(recheck_s=0, compliance=settings, tracking=TrackingSettings(min_hits=1), zones=zones)
    seen = [scripted.look([each] if each is not None else [], number / 10) for number, each in enumerate(pictures)]
    return [transition for each in seen for transition in each.transitions]


def test_confidence_is_the_mean_of_the_votes_for_the_status() -> None:
    votes = [shown("M", confidence=0.8), shown("M", confidence=0.6), shown("n", confidence=0.99)]
    transitions = march(votes, ComplianceSettings(min_votes=3))
    assert [t.type for t in transitions] == ["started"]
    assert transitions[0].confidence == pytest.approx(0.7)
    assert transitions[0].votes == {"with_mask": 2, "without_mask": 1}


def test_a_person_who_is_not_seen_does_not_change() -> None:
    """The new majority had only begun when the face disappeared; nobody knows whether it lasted."""
    pictures = [shown(letter) for letter in "M" * 20 + "n" * 25]
    settings = ComplianceSettings(hold_s=1.0, window_s=3.0)
    assert story(march([*pictures, *[None] * 15], settings)) == ["t1 started M"]


def test_an_unconfirmed_track_is_not_announced() -> None:
    settings, tracking = ComplianceSettings(min_votes=1), TrackingSettings(min_hits=3)
    assert play({"a": "nn" + "." * 30}, settings=settings, tracking=tracking) == []
    assert story(play({"a": "nnn"}, settings=settings, tracking=tracking)) == ["t1 started n", "t1 ended n"]


ONE_VOTE = ComplianceSettings(min_votes=1)


def test_the_box_is_in_fractions_and_clipped() -> None:
    (started,) = march([shown("n", x=10.0)], ONE_VOTE)
    assert started.box == Box(0.0, 200 / 480, 40 / 640, 280 / 480)


ZONES = {
    "left": rectangle(0.0, 0.5),
    "everywhere": rectangle(0.0, 1.0),
    "u-shape": ZoneSettings(
        corners=[(0.0, 0.0), (0.2, 0.0), (0.2, 0.9), (0.8, 0.9), (0.8, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    ),
}


@pytest.mark.parametrize(
    ("x", "expected"),
    [(64, ("left", "everywhere", "u-shape")), (300, ("left", "everywhere")), (600, ("everywhere", "u-shape"))],
)
def test_zones_hold_the_middle_of_the_face(x: float, expected: tuple[str, ...]) -> None:
    (started,) = march([shown("n", x=x)], ONE_VOTE, ZONES)
    assert started.zones == expected


def test_finish_ends_everybody_once() -> None:
    scripted = ScriptedCrowd(compliance=ONE_VOTE, tracking=TrackingSettings(min_hits=1))
    scripted.look([shown("n")], 0.0)
    assert story(scripted.crowd.finish().transitions) == ["t1 ended n"]
    assert scripted.crowd.finish().transitions == ()


def test_the_rule_is_a_setting() -> None:
    settings = ComplianceSettings(compliant=["with_mask", "mask_weared_incorrect"])
    assert all(t.compliant for t in play({"a": "i" * 20}, settings=settings))
