"""How often the classifier is asked, and what its answers count for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from edge.people.crowd import Seen
from edge.people.judging import MOST_KEPT
from edge.people.scene import Person
from edge.people.tracking import Track
from edge.people.transition import Transition
from edge.vision.masks import Classification
from tests.support.scripted import ScriptedCrowd, Shown, shown


def march(letters: str, *, fps: float = 10, recheck_s: float = 0.5) -> list[Seen]:
    """One person who does not move, one letter for each picture, as in `shown`; `.`: a picture without the face."""
    scripted = ScriptedCrowd(recheck_s=recheck_s)
    return [
        scripted.look([] if letter == "." else [shown(letter)], number / fps) for number, letter in enumerate(letters)
    ]


def classified(letters: str, *, fps: float = 10, recheck_s: float = 0.5) -> list[int]:
    """How many faces were classified with each picture."""
    return [seen.classified for seen in march(letters, fps=fps, recheck_s=recheck_s)]


def test_a_settled_person_is_classified_twice_a_second() -> None:
    """The fifth vote starts the visit; from then on every fifth picture is enough."""
    assert classified("M" * 30) == [1] * 5 + [0, 0, 0, 0, 1] * 5
    assert sum(classified("M" * 300, fps=30)) == 5 + 295 // 15
    assert sum(classified("M" * 20, fps=2)) == 20


def test_with_0_every_picture_is_classified() -> None:
    assert classified("M" * 30, recheck_s=0) == [1] * 30


def test_at_the_first_dissent_the_faces_since_the_last_look_are_classified_as_well() -> None:
    counts = classified("M" * 12 + "n" * 8)
    # The look at picture 9 saw the mask, the one at 14 sees that it is gone, and goes back to 10, 11, 12 and 13.
    assert counts[9:] == [1, 0, 0, 0, 0, 5, 1, 1, 1, 1, 1]


def test_the_picture_that_shows_a_change_first_is_found() -> None:
    """So the change comes when it would if every picture were classified, wherever between two looks it begins."""
    for begins in range(20, 27):
        letters = "M" * begins + "n" * 40
        every, some = (
            [t.at for seen in march(letters, recheck_s=recheck_s) for t in seen.transitions] for recheck_s in (0, 0.5)
        )
        assert some == every
        assert len(some) == 2


def test_a_face_that_is_found_again_is_classified() -> None:
    assert classified("M" * 10 + "." + "M" * 6)[9:] == [1, 0, 1, 0, 0, 0, 0, 1]


def test_votes_are_judgements_and_pictures_between_two_equal_ones_count_with_them() -> None:
    """25 s of calm, then four fifths of the window against it: a few quick votes do not outweigh the calm ones."""
    transitions = [t for seen in march("M" * 250 + "n" * 17 + "M" * 30 + "." * 30) for t in seen.transitions]
    assert [t.type for t in transitions] == ["started", "ended"], "17 pictures of 30 are less than three fifths"
    assert transitions[-1].votes["with_mask"] < 100
    assert transitions[-1].votes["without_mask"] == 17


class CountingEye:
    """Keeps count of the faces that are kept."""

    def __init__(self, answer: str) -> None:
        self.answer = Classification(answer, 0.9, {answer: 0.9})
        self.looks = 0

    def classify(self, tracks: Sequence[Track]) -> list[Classification]:
        return [self.answer for _ in tracks]

    def keep(self, track: Track) -> Callable[[], Classification]:
        def look() -> Classification:
            self.looks += 1
            return self.answer

        return look


@pytest.mark.parametrize("recheck_s", [2.0, 10.0])
def test_no_more_than_some_faces_are_kept_for_each_person(recheck_s: float) -> None:
    """Those that were not kept go by the next one that was."""
    crowd = ScriptedCrowd(recheck_s=recheck_s).crowd
    face = shown("M").face
    with_mask, without = CountingEye("with_mask"), CountingEye("without_mask")
    for number in range(60):
        crowd.look([face], with_mask, (640, 480), number / 30)
    changes: list[Transition] = []
    for number in range(60, 240):
        changes += crowd.look([face], without, (640, 480), number / 30).transitions
    assert [t.type for t in changes] == ["changed"]
    assert with_mask.looks + without.looks <= MOST_KEPT
    assert changes[0].at == pytest.approx(2.0 + 1.8 + 1.0, abs=0.2)


def test_a_scene_shows_each_person_and_the_latest_answer() -> None:
    scripted = ScriptedCrowd()
    picture = [shown("M", x=100, confidence=0.8), shown("o", x=500)]
    people: tuple[Person, ...] = ()
    for number in range(8):
        people = scripted.look(picture[: 2 if number < 7 else 1], number / 10).people
    # The faint face started no track.
    (person,) = people
    assert (person.track, person.seen, person.confirmed, person.status) == ("t1", True, True, "with_mask")
    assert person.classification == picture[0].answer
    assert person.classified_at == pytest.approx(0.4), "the fifth picture; the next look is due at 0.9"
    assert person.box == picture[0].face.box
    assert person.first_seen == 0.0
    assert person.last_seen == pytest.approx(0.7)
    (missed,) = scripted.look([], 0.8).people
    assert (missed.seen, missed.last_seen, missed.classification) == (False, person.last_seen, person.classification)
    (between,) = scripted.crowd.people
    assert not between.seen


def test_faint_faces_are_not_classified() -> None:
    pictures: list[Shown] = [*[shown("M")] * 5, *[shown("o")] * 10]
    scripted = ScriptedCrowd(recheck_s=0)
    assert [scripted.look([each], number / 10).classified for number, each in enumerate(pictures)] == [1] * 5 + [0] * 10
