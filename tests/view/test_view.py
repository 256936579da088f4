"""A camera's view over minutes: what is told, when, and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytest

from edge.payloads.view_fault import VIEW_FAULTS, ViewFault
from edge.view.face_sizes import LEAST_VISITS
from edge.view.hold import CLEARS_S
from edge.view.measures import measured
from edge.view.scene_memory import SceneMemory
from edge.view.view import MOVED_AFTER_S, View, ViewRules
from edge.view.words import sentence
from edge.vision.pixels import RgbPixels
from edge.vision.preprocess import Image
from tests.view.scenes import FRAMES, another_room, blurred, brightened, covered, infrared, noisy, room, shifted, small

RULES = ViewRules(frozen_after_s=120)
NEEDED_PX = 32.0
ROOM, OTHER = small(room()), small(another_room())
CLOTH = covered(ROOM)
MINUTE = 60


class Days:
    """Shows a view one picture a second; `told` is what it said and when."""

    def __init__(self, rules: ViewRules = RULES) -> None:
        self.view = View(rules)
        self.now = 1000.0
        self.told: list[tuple[ViewFault, ...]] = []

    def show(
        self, picture: Image, seconds: float, *, noise: float = 2, heights: Mapping[str, float] | None = None
    ) -> None:
        pictures = [noisy(picture, noise, seed) for seed in (1, 2)] if noise else [picture]
        self.show_all([pictures[int(second) % len(pictures)] for second in range(int(seconds))], heights)

    def show_all(self, pictures: Iterable[Image], heights: Mapping[str, float] | None = None) -> None:
        for picture in pictures:
            self.view.look(RgbPixels(picture), heights or {}, NEEDED_PX, self.now)
            self.told.append(self.view.faults)
            self.now += 1.0

    @property
    def faults(self) -> list[ViewFault]:
        return [*self.view.faults]

    @property
    def ever(self) -> set[ViewFault]:
        return {fault for faults in self.told for fault in faults}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda p: brightened(p, 0.02), "dark"),
        (lambda p: brightened(p, 12), "overexposed"),
        (lambda p: CLOTH, "covered"),
        (lambda p: blurred(p, 3.5), "blurred"),
    ],
)
def test_a_fault_is_told_once_it_has_lasted_and_goes_soon(change: Callable[[Image], Image], fault: ViewFault) -> None:
    days = Days()
    days.show(ROOM, 20)
    days.show(change(ROOM), RULES.warn_after_s, noise=0.5)
    assert days.ever == set()
    days.show(change(ROOM), 3, noise=0.5)
    assert days.faults == [fault]
    days.show(ROOM, CLEARS_S + 2)
    assert days.faults == []


def test_what_lasts_for_a_moment_or_flickers_is_not_told() -> None:
    days = Days()
    days.show(ROOM, 20)
    for _ in range(6):
        days.show(CLOTH, 20)  # someone stands before the lens
        days.show(ROOM, 2)
        days.show(brightened(ROOM, 0.02), 10)  # the light is switched
        days.show(ROOM, 2)
    assert days.ever == set()


def test_a_still_corridor_by_day_and_night_is_fine() -> None:
    days = Days()
    for _ in range(3):
        days.show(ROOM, 1.5 * MINUTE)
        days.show(brightened(ROOM, 0.35), 1.5 * MINUTE, noise=6)
        days.show(infrared(ROOM), 1.5 * MINUTE, noise=4)
    assert days.ever == set()


def test_people_who_come_and_go_are_fine() -> None:
    days = Days()
    pictures = [noisy(small(frame), 1) for frame in FRAMES]
    for _ in range(5):
        days.show_all(pictures)
    assert days.ever == set()


def test_a_picture_without_the_least_change_is_frozen() -> None:
    days = Days()
    days.show(ROOM, 10)
    days.show(ROOM, RULES.frozen_after_s - 2, noise=0)
    assert days.ever == set()
    days.show(ROOM, 4, noise=0)
    assert days.faults == ["frozen"]
    days.show(ROOM, CLEARS_S + 2)
    assert days.faults == []


def test_one_changed_pixel_is_no_frozen_picture_and_black_is_dark() -> None:
    days = Days()
    for number in range(200):
        picture = ROOM.copy()
        picture[120, 160] = number
        days.show_all([picture])
    assert days.ever == set()
    days.show(np.zeros_like(ROOM), 200, noise=0)
    assert days.faults == ["dark"]


@pytest.mark.parametrize("there", [shifted(ROOM, 0.1), OTHER])
def test_a_camera_that_was_moved_is_told_until_it_is_back(there: Image) -> None:
    days = Days()
    days.show(ROOM, MINUTE)
    days.show(there, MOVED_AFTER_S)
    assert days.ever == set()
    days.show(there, 45)
    assert days.faults == ["moved"]
    days.show(brightened(there, 0.02), MINUTE)  # at night nothing can be said
    assert set(days.faults) == {"dark", "moved"}
    days.show(there, 4 * MINUTE)
    assert days.faults == ["moved"]
    days.show(ROOM, 40)
    assert days.faults == []


def test_what_it_shows_now_can_be_made_the_scene_to_show() -> None:
    days = Days()
    days.show(ROOM, MINUTE)
    days.show(OTHER, 2 * MINUTE)
    assert days.faults == ["moved"]
    days.view.forget_scene()
    days.show(OTHER, 2 * MINUTE)
    assert days.faults == []
    days.show(ROOM, 2 * MINUTE)
    assert days.faults == ["moved"]


def test_a_scene_that_changes_bit_by_bit_is_learned() -> None:
    memory, now = SceneMemory(), 1000.0
    for step in range(31):  # within five hours, all of it
        measures = measured(RgbPixels((ROOM * (1 - step / 30) + OTHER * (step / 30)).astype(np.uint8)))
        for _ in range(60):
            now += 9
            assert not memory.is_moved(measures, now), step
    for _ in range(1200):  # three more hours
        now += 9
        assert not memory.is_moved(measures, now)
    assert any(memory.is_moved(measured(RgbPixels(ROOM)), now + second) for second in range(60))


def test_small_faces_are_told_by_the_largest_moment_of_most_visits() -> None:
    days = Days()
    for number in range(LEAST_VISITS):
        days.show(ROOM, 2, heights={f"far {number}": 14.0})
        days.show(ROOM, 2, heights={f"far {number}": 22.0})
    assert days.ever == set(), "the last visit is not over"
    days.show(ROOM, 15)
    assert days.faults == ["small_faces"]
    assert "32 pixels" in sentence("small_faces", NEEDED_PX)
    for number in range(9):
        days.show(ROOM, 2, heights={f"near {number}": 60.0})
    days.show(ROOM, 20)
    assert days.faults == []


def test_only_what_is_wanted_is_told() -> None:
    days = Days(ViewRules(frozenset({"covered"}), warn_after_s=0))
    days.show(brightened(ROOM, 0.02), 3)
    assert days.ever == set()
    days.show(CLOTH, 3)
    assert days.faults == ["covered"]
    days.view.adjust(ViewRules(frozenset()))
    days.show(CLOTH, 1)
    assert days.faults == []


def test_a_pause_is_no_evidence() -> None:
    days = Days()
    days.show(CLOTH, 20)
    days.now += 600
    days.show(CLOTH, 20)
    days.show(ROOM, 1, noise=0)
    days.now += 600
    days.show(ROOM, 1, noise=0)
    assert days.ever == set()


def test_it_looks_once_a_second() -> None:
    view = View(ViewRules(warn_after_s=0))
    for step in range(10):
        view.look(RgbPixels(CLOTH if step else ROOM), {}, NEEDED_PX, 100 + step / 10)
    assert [*view.faults] == []
    view.look(RgbPixels(CLOTH), {}, NEEDED_PX, 101)
    assert [*view.faults] == ["covered"]


@pytest.mark.parametrize("fault", VIEW_FAULTS)
def test_each_fault_has_a_sentence_with_what_to_do(fault: ViewFault) -> None:
    told = sentence(fault, NEEDED_PX)
    assert "; " in told
    assert not told.endswith(".")
    assert "{" not in told
