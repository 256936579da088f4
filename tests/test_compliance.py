"""Votes, hysteresis and zones, marched frame by frame: from tracks to what is announced."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pytest

from edge.compliance import Compliance
from edge.config import ComplianceSettings, TrackingSettings
from edge.geometry import Box
from edge.people.transition import Transition
from edge.tracking import Track, Tracker, TrackUpdate
from edge.vision.faces import Face
from edge.vision.masks import Classification
from edge.vision.pipeline import Observation

FRAME_SIZE = (640, 480)
STATUS_OF = {"M": "with_mask", "n": "without_mask", "i": "mask_weared_incorrect", "?": "unknown"}
LETTER_OF = {status: letter for letter, status in STATUS_OF.items()}


def observe(letter: str, x: float = 320.0, confidence: float = 0.9) -> Observation:
    """A face whose classification is one letter: M with a mask, n none, i incorrect, ? unknown, o not classified."""
    box = Box(x - 30, 200, x + 30, 280)
    if letter == "o":
        return Observation(Face(box, 0.9), None)
    return Observation(Face(box, 0.9), Classification(STATUS_OF[letter], confidence, {STATUS_OF[letter]: confidence}))


def make_compliance(zones: Mapping[str, Sequence[tuple[float, float]]] | None = None, **settings: float) -> Compliance:
    return Compliance(ComplianceSettings.model_validate(settings), camera="door", zones=zones or {})


def play(
    people: Mapping[str, str],
    *,
    fps: float = 10.0,
    settings: ComplianceSettings | None = None,
    tracking: TrackingSettings | None = None,
) -> list[Transition]:
    """Each person is one letter per frame, as in `observe`; `.` is a frame without the face. Nobody moves."""
    numbers = itertools.count(1)
    tracker = Tracker(tracking or TrackingSettings(), camera="door", min_score=0.5, new_id=lambda: f"t{next(numbers)}")
    compliance = Compliance(settings or ComplianceSettings(), camera="door", zones={})
    transitions: list[Transition] = []
    for number in range(max(map(len, people.values()))):
        seen = [
            observe(letters[number], x=100.0 + 150 * place)
            for place, letters in enumerate(people.values())
            if number < len(letters) and letters[number] != "."
        ]
        transitions += compliance.update(tracker.update(seen, number / fps), FRAME_SIZE, number / fps)
    return transitions + compliance.finish()


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


@pytest.mark.parametrize(("letters", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_person(letters: str, expected: list[str]) -> None:
    assert story(play({"a": letters})) == expected


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


def test_confidence_is_the_mean_of_the_votes_for_the_status() -> None:
    compliance = make_compliance(min_votes=3)
    votes = [observe("M", confidence=0.8), observe("M", confidence=0.6), observe("n", confidence=0.99)]
    transitions = march(compliance, votes)
    assert [t.type for t in transitions] == ["started"]
    assert transitions[0].confidence == pytest.approx(0.7)
    assert transitions[0].votes == {"with_mask": 2, "without_mask": 1}


def march(compliance: Compliance, observations: Sequence[Observation | None]) -> list[Transition]:
    """One confirmed track, ten frames per second."""
    transitions: list[Transition] = []
    track: Track | None = None
    for number, observation in enumerate(observations):
        now = number / 10
        if observation is not None:
            if track is None:
                track = Track("t1", "door", observation.face.box, 0.9, None, now, now, confirmed=True)
            track.box, track.last_seen = observation.face.box, now
        assert track is not None
        track.observation = observation
        transitions += compliance.update(TrackUpdate((track,), ()), FRAME_SIZE, now)
    return transitions


def test_a_person_who_is_not_seen_does_not_change() -> None:
    """The new majority had only begun when the face disappeared; nobody knows whether it lasted."""
    seen = [observe(letter) for letter in "M" * 20 + "n" * 25]
    compliance = make_compliance(hold_s=1.0, window_s=3.0)
    transitions = march(compliance, [*seen, *[None] * 30])
    assert story(transitions) == ["t1 started M"]


def test_unconfirmed_tracks_are_nobody() -> None:
    compliance = make_compliance(min_votes=1)
    track = Track("t1", "door", Box(0, 0, 50, 50), 0.9, observe("n"), 0.0, 0.0, confirmed=False)
    assert compliance.update(TrackUpdate((track,), ()), FRAME_SIZE, 0.0) == []
    assert compliance.update(TrackUpdate((), (track,)), FRAME_SIZE, 1.0) == []
    assert compliance.finish() == []


def test_the_box_is_in_fractions_and_clipped() -> None:
    (started,) = march(make_compliance(min_votes=1), [observe("n", x=10.0)])
    assert started.box == Box(0.0, 200 / 480, 40 / 640, 280 / 480)


ZONES = {
    "left": [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)],
    "everywhere": [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)],
    "u-shape": [(0.0, 0.0), (0.2, 0.0), (0.2, 0.9), (0.8, 0.9), (0.8, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)],
}


@pytest.mark.parametrize(
    ("x", "expected"),
    [(64, ("left", "everywhere", "u-shape")), (300, ("left", "everywhere")), (600, ("everywhere", "u-shape"))],
)
def test_zones_hold_the_middle_of_the_face(x: float, expected: tuple[str, ...]) -> None:
    (started,) = march(make_compliance(ZONES, min_votes=1), [observe("n", x=x)])
    assert started.zones == expected


def test_finish_ends_everybody_once() -> None:
    compliance = make_compliance(min_votes=1)
    march(compliance, [observe("n")])
    assert story(compliance.finish()) == ["t1 ended n"]
    assert compliance.finish() == []


def test_the_rule_is_a_setting() -> None:
    settings = ComplianceSettings(compliant=["with_mask", "mask_weared_incorrect"])
    assert all(t.compliant for t in play({"a": "i" * 20}, settings=settings))
