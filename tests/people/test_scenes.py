"""Scripted scenes, at many frame rates: what is announced, and when, by the rules alone.

Every time that is expected here follows from the settings. A status wins once its share of the votes of the last
`window_s` is `majority`: 1.8 s after a clean change with the defaults. `changed` comes `hold_s` later. Classifying only
those who are due must change none of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from edge.config import ComplianceSettings
from edge.people.transition import Transition
from tests.support.scripted import LETTER_OF, ScriptedCrowd, Shown, shown

RULES = ComplianceSettings()
SETTLES_S = RULES.majority * RULES.window_s + RULES.hold_s
"""From a clean change to its `changed`."""
NEAR_S = 0.3
RATES = (2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 24.0, 30.0)
FACE = 80.0


@dataclass(frozen=True)
class Actor:
    """One person of a scene."""

    looks: Sequence[tuple[float, str]]
    """From when on the classifier says which letter, as in `shown`; `.` while the face is hidden."""
    place: Callable[[float], tuple[float, float]] = lambda t: (320.0, 240.0)

    def shown_at(self, t: float) -> Shown | None:
        letter = [letter for since, letter in self.looks if since <= t][-1]
        x, y = self.place(t)
        return None if letter == "." else shown(letter, x, y, size=FACE)


def times(fps: float, seconds: float, uneven: random.Random | None = None) -> list[float]:
    """When pictures come; unevenly, the gaps are 0.4 to 1.6 of the even one."""
    found, t = [], 0.0
    while t < seconds:
        found.append(t)
        t += (1.0 if uneven is None else uneven.uniform(0.4, 1.6)) / fps
    return found


def play(actors: Sequence[Actor], when: Sequence[float], *, recheck_s: float = 0.5) -> list[Transition]:
    scripted = ScriptedCrowd(recheck_s=recheck_s)
    transitions: list[Transition] = []
    for t in when:
        picture = [each for actor in actors if (each := actor.shown_at(t)) is not None]
        transitions += scripted.look(picture, t).transitions
    return [*transitions, *scripted.crowd.finish().transitions]


def changes(transitions: Sequence[Transition], track: str = "t1") -> list[tuple[str, float]]:
    return [(LETTER_OF[t.status], t.at) for t in transitions if t.track == track and t.type == "changed"]


def is_near(found: list[tuple[str, float]], expected: list[tuple[str, float]], fps: float) -> bool:
    # What happens between two pictures is seen on the second.
    margin = NEAR_S + 1 / fps
    return [letter for letter, _ in found] == [letter for letter, _ in expected] and all(
        abs(at - due) <= margin for (_, at), (_, due) in zip(found, expected, strict=True)
    )


# At 2 fps, 2.1 s are four pictures of a window's seven, or five: one is a majority, the other is not.
DISSENTS = [(fps, seconds) for fps in RATES for seconds in (0.5, 1.5, 2.1, 3.0) if fps > 2 or seconds != 2.1]


@pytest.mark.parametrize(("fps", "seconds"), DISSENTS)
def test_a_dissent_counts_once_it_fills_the_majority_of_the_window(fps: float, seconds: float) -> None:
    """Of 3 s, 1.8 have to say otherwise; then `changed` comes, and another one when the old status is back."""
    for number in range(4):
        begins = 8 + number / 8  # wherever between two looks
        actor = Actor([(0, "M"), (begins, "n"), (begins + seconds, "M")])
        expected = [("n", begins + SETTLES_S), ("M", begins + seconds + SETTLES_S)] if seconds > 1.8 else []
        assert is_near(changes(play([actor], times(fps, 16))), expected, fps), (begins, expected)


@pytest.mark.parametrize("fps", RATES)
def test_a_spell_of_unknown_neither_changes_nor_delays(fps: float) -> None:
    actor = Actor([(0, "M"), (8, "?"), (12, "M"), (16, "?"), (17, "n")])
    # Since 14 s all votes were for the mask; those of `unknown` do not count, so at 17 s 2 s of the window are votes.
    # Within 3 s of t, the mask has 19 - t s and the bare face t - 17 s: three fifths at 18.2 s.
    assert is_near(changes(play([actor], times(fps, 25))), [("n", 18.2 + RULES.hold_s)], fps)


@pytest.mark.parametrize("fps", RATES)
def test_who_was_unknown_changes_as_soon_as_enough_votes_are_in(fps: float) -> None:
    actor = Actor([(0, "?"), (12, "n")])
    votes_in = 12 + (RULES.min_votes - 1) / fps
    found = changes(play([actor], times(fps, 20)))
    assert is_near(found, [("n", votes_in + RULES.hold_s)], fps)


@pytest.mark.parametrize("fps", RATES)
def test_a_face_that_comes_back_with_another_status_changes(fps: float) -> None:
    """Hidden from 10 to 11.2 s. Within 3 s of t, the mask has 13 - t s of votes and the bare face t - 11.2 s: three
    fifths at 12.28 s."""
    actor = Actor([(0, "M"), (10.01, "."), (11.2, "n")])
    transitions = play([actor], times(fps, 20))
    assert {t.track for t in transitions} == {"t1"}
    assert is_near(changes(transitions), [("n", 12.28 + RULES.hold_s)], fps)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("apart", [70.0, 90.0, 200.0])
def test_two_people_who_swap_tracks_change_both(fps: float, apart: float) -> None:
    """They take each other's place between two pictures, so that each track goes on with the other's face: touching
    or not, it is noticed."""

    def seen_from(first: float, second: float) -> Callable[[float], tuple[float, float]]:
        return lambda t: (first if t < 10.21 else second, 240.0)

    actors = [
        Actor([(0, "M")], seen_from(200.0, 200.0 + apart)),
        Actor([(0, "n")], seen_from(200.0 + apart, 200.0)),
    ]
    transitions = play(actors, times(fps, 20))
    assert {t.track for t in transitions} == {"t1", "t2"}
    for track, letter in (("t1", "n"), ("t2", "M")):
        assert is_near(changes(transitions, track), [(letter, 10.21 + SETTLES_S)], fps)


def a_story(seed: int) -> tuple[list[Actor], list[float]]:
    """Random dissents, spells of `unknown` and hidden faces, at a random, uneven rate."""
    rng = random.Random(seed)
    actors = []
    for place in range(rng.choice([1, 1, 2, 4])):
        settled = rng.choice("Mni")
        looks, t = [(0.0, settled)], 0.0
        while t < 30:
            t += rng.uniform(1, 7)
            spell = rng.choice(["M", "n", "i", "?", "."])
            looks.append((t, spell))
            t += rng.uniform(0.5, 1.9 if spell == "." else 3)
            settled = rng.choice([settled, settled, *"Mni"])
            looks.append((t, settled))
        actors.append(Actor(looks, lambda t, x=80.0 + 140 * place: (x, 240.0)))  # type: ignore[misc]
    return actors, times(rng.choice(RATES), 34, rng)


@pytest.mark.parametrize("group", range(4))
def test_classifying_only_who_is_due_announces_the_same(group: int) -> None:
    """Against every face of every picture, whatever happens: the same events, and at the same times, but for a picture
    or two where a spell falls between two looks."""
    for seed in range(group * 15, group * 15 + 15):
        actors, when = a_story(seed)
        every, due = (
            sorted(play(actors, when, recheck_s=recheck_s), key=lambda t: (t.track, t.at)) for recheck_s in (0.0, 0.5)
        )
        assert [(t.track, t.type, t.status, t.previous) for t in due] == [
            (t.track, t.type, t.status, t.previous) for t in every
        ], seed
        assert [t.at for t in due] == pytest.approx([t.at for t in every], abs=NEAR_S), seed
