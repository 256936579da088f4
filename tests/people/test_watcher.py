"""The vision thread by itself: rounds, rules that change while people are there, cameras that come and go."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from edge.camera.frame import DamagedPictureError, Frame
from edge.camera.latest import LatestFrame
from edge.config import Config
from edge.geometry import Box
from edge.people.scene import Scene
from edge.people.transition import Transition
from edge.people.watched_camera import CameraRules, WatchedCamera, camera_rules
from edge.people.watcher import Watcher
from edge.system.deadline import Deadline
from edge.vision.cutouts import Cutout
from edge.vision.faces import Face
from edge.vision.masks import Classification
from edge.vision.pipeline import Vision
from edge.vision.pixels import Pixels
from edge.vision.preprocess import Image
from edge.vision.thresholds import Recommendations
from tests.support.waiting import wait_until

EVERYWHERE = [[0, 0], [1, 0], [1, 1], [0, 1]]
RECOMMENDED = Recommendations(min_score=0.5, min_confidence=0.5)
QUICK: dict[str, dict[str, Any]] = {
    "compliance": {"min_votes": 1, "hold_s": 0, "window_s": 0.5},
    "tracking": {"min_hits": 1},
    "classifier": {"recheck_s": 0},
}


def a_picture() -> Frame:
    return Frame(np.zeros((100, 100, 3), np.uint8), time.monotonic(), 0)


class OneFace:
    """A detector and a classifier: one face on every picture, of this score and status."""

    identity = "one/1"
    recommended_min_score = RECOMMENDED.min_score
    recommended_min_confidence = RECOMMENDED.min_confidence
    labels = ("with_mask", "without_mask")

    def __init__(self) -> None:
        self.score = 0.6
        self.status = "with_mask"
        self.error: BaseException | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        """Called while a picture is judged."""
        self.pictures = 0
        self.thresholds: list[float] = []

    def detect(self, image: Image, min_score: float) -> list[Face]:
        self.meanwhile()
        self.pictures += 1
        if self.error is not None:
            raise self.error
        return [Face(Box(20, 20, 60, 60), self.score)] if self.score >= min_score else []

    def cut_out(self, pixels: Pixels, box: Box) -> Cutout:
        return Cutout(lambda: pixels.rgb, box)

    def classify(self, _picture: Pixels, boxes: Sequence[Box], *, min_confidence: float) -> list[Classification]:
        self.thresholds.append(min_confidence)
        return [Classification(self.status, 0.9, {self.status: 0.9}) for _ in boxes]


def rules(**sections: Any) -> CameraRules:
    config = Config.model_validate({"cameras": {"door": {"source": "0"}}, **QUICK, **sections})
    return camera_rules(config, "door", RECOMMENDED)


class Watching:
    """A watcher with cameras whose frames the test puts in; collects what each round says."""

    def __init__(self) -> None:
        self.model = OneFace()
        self.rounds: queue.SimpleQueue[list[Transition]] = queue.SimpleQueue()
        self.transitions: list[Transition] = []
        self.told = 0
        """Pictures that the rounds so far were about."""
        self.ends: list[BaseException | None] = []
        self.frame_came = threading.Condition()
        vision = Vision(self.model, self.model)  # type: ignore[arg-type]  # it is as much of a classifier as is asked for
        self.watcher = Watcher([vision], on_round=self._round, on_end=self.ends.append)

    def _round(self, scenes: list[Scene]) -> None:
        transitions = [transition for scene in scenes for transition in scene.transitions]
        self.rounds.put(transitions)
        self.transitions += transitions
        self.told = self.model.pictures

    def camera(self, name: str = "door", **sections: Any) -> WatchedCamera:
        return WatchedCamera(name, LatestFrame(self.frame_came), rules(**sections))

    def show(self, camera: WatchedCamera) -> None:
        """One picture, and waits until it was judged."""
        judged = self.model.pictures
        camera.latest.put(a_picture())
        wait_until(lambda: self.told > judged, what="what the picture shows")

    def story(self, camera: str = "door") -> list[tuple[str, str]]:
        return [(each.type, each.status) for each in self.transitions if each.camera == camera]


@pytest.fixture
def watching() -> Iterator[Watching]:
    watching = Watching()
    yield watching
    watching.watcher.stop(Deadline(5))


def test_what_happens_on_all_cameras_in_a_round_is_told_together(watching: Watching) -> None:
    door, gate = watching.camera("door"), watching.camera("gate")
    for camera in (door, gate):
        camera.latest.put(a_picture())
    watching.watcher.watch([door, gate], endless=False)
    watching.watcher.start()
    assert [(each.type, each.camera) for each in watching.rounds.get(timeout=5)] == [
        ("started", "door"),
        ("started", "gate"),
    ]


def test_rules_change_between_two_pictures_and_nobody_is_lost(watching: Watching) -> None:
    door = watching.camera()
    watching.watcher.watch([door], endless=False)
    watching.watcher.start()
    watching.show(door)
    assert watching.story() == [("started", "with_mask")]
    (person,) = {each.track for each in watching.transitions}

    # The face is too faint now to be judged, but it still carries on the track.
    door.rules = rules(detector={"min_score": 0.8})
    asked = len(watching.model.thresholds)
    watching.show(door)
    watching.model.status = "without_mask"
    watching.show(door)
    assert watching.model.thresholds[asked:] == []
    assert watching.story() == [("started", "with_mask")]

    door.rules = rules(
        classifier={"min_confidence": 0.2, "recheck_s": 0},
        cameras={"door": {"source": "0", "zones": {"all": {"corners": EVERYWHERE}}}},
    )
    time.sleep(0.6)  # the votes for the mask have left the window
    watching.show(door)
    assert watching.model.thresholds[-1] == 0.2
    assert watching.story() == [("started", "with_mask"), ("changed", "without_mask")]
    assert watching.transitions[-1].zones == ("all",)
    assert {each.track for each in watching.transitions} == {person}


def a_damaged_picture() -> Frame:
    def decode() -> Image:
        raise DamagedPictureError("/dev/video0 sent a damaged picture")

    return Frame(decode, time.monotonic(), 0)


def test_a_damaged_picture_is_passed_over(watching: Watching) -> None:
    door = watching.camera()
    watching.watcher.watch([door], endless=False)
    watching.watcher.start()
    watching.show(door)
    door.latest.put(a_damaged_picture())
    wait_until(lambda: not door.latest.waiting, "the damaged picture was taken")
    watching.show(door)
    assert watching.model.pictures == 2
    assert watching.story() == [("started", "with_mask")]
    assert watching.ends == []


def test_who_has_gone_goes_by_the_new_patience(watching: Watching) -> None:
    door = watching.camera()
    watching.watcher.watch([door], endless=False)
    watching.watcher.start()
    watching.show(door)
    watching.model.score = 0.0
    door.rules = rules(tracking={"min_hits": 1, "lost_after_s": 0.05})
    time.sleep(0.1)
    watching.show(door)
    assert watching.story() == [("started", "with_mask"), ("ended", "with_mask")]


def test_stricter_votes_hold_for_those_who_are_there_as_well(watching: Watching) -> None:
    door = watching.camera()
    watching.watcher.watch([door], endless=False)
    watching.watcher.start()
    watching.show(door)
    door.rules = rules(compliance={**QUICK["compliance"], "min_votes": 4, "window_s": 60})
    watching.model.status = "without_mask"
    for _ in range(2):
        watching.show(door)
    assert watching.story() == [("started", "with_mask")], "two of three, and four are needed"
    for _ in range(2):
        watching.show(door)
    assert watching.story()[1:] == [("changed", "without_mask")]


def test_a_camera_that_goes_ends_its_people_and_leaves_the_others_alone(watching: Watching) -> None:
    door, gate = watching.camera("door"), watching.camera("gate")
    watching.watcher.watch([door, gate], endless=False)
    watching.watcher.start()
    watching.show(door)
    watching.show(gate)
    door.latest.close()
    watching.watcher.watch([gate], endless=False)
    wait_until(lambda: watching.story("door") == [("started", "with_mask"), ("ended", "with_mask")], what="the end")
    watching.show(gate)
    assert watching.story("gate") == [("started", "with_mask")]
    again = watching.camera("door")
    watching.watcher.watch([again, gate], endless=False)
    watching.show(again)
    assert [kind for kind, _ in watching.story("door")] == ["started", "ended", "started"]
    assert watching.transitions[-1].track != watching.transitions[0].track


def test_it_ends_with_the_last_source_unless_another_may_come(watching: Watching) -> None:
    door = watching.camera()
    watching.watcher.watch([door], endless=True)
    watching.watcher.start()
    watching.show(door)
    door.latest.close()
    wait_until(lambda: watching.story()[-1:] == [("ended", "with_mask")], what="the end of who was there")
    rounds = watching.rounds.qsize()
    time.sleep(1)
    assert 1 <= watching.rounds.qsize() - rounds <= 4, "it goes on telling that it lives, and does not spin"
    assert watching.ends == []
    watching.watcher.watch([door], endless=False)
    wait_until(lambda: watching.ends == [None], what="the end")


def test_a_camera_that_is_exchanged_during_a_round_is_no_end(watching: Watching) -> None:
    door, again = watching.camera(), watching.camera()

    def exchange() -> None:
        watching.model.meanwhile = lambda: None
        watching.watcher.watch([door], endless=True)
        door.latest.close()
        watching.watcher.watch([again], endless=False)

    watching.model.meanwhile = exchange
    door.latest.put(a_picture())
    watching.watcher.watch([door], endless=False)
    watching.watcher.start()
    wait_until(lambda: [kind for kind, _ in watching.story()] == ["started", "ended"], what="the end of who was there")
    watching.show(again)
    assert watching.ends == []


def test_a_frame_that_came_before_the_end_is_judged(watching: Watching) -> None:
    door = watching.camera()
    door.latest.put(a_picture())
    door.latest.close()
    watching.watcher.watch([door], endless=False)
    watching.watcher.start()
    wait_until(lambda: watching.ends == [None], what="the end")
    assert watching.story() == [("started", "with_mask"), ("ended", "with_mask")]


def test_an_error_ends_it_and_is_told(watching: Watching) -> None:
    door = watching.camera()
    watching.model.error = RuntimeError("broken")
    door.latest.put(a_picture())
    watching.watcher.watch([door], endless=True)
    watching.watcher.start()
    wait_until(lambda: watching.ends, what="the end")
    assert watching.ends == [watching.model.error]


class SeveralThreads:
    """Two vision threads; each notes its pictures, and waits where the test wants it to."""

    def __init__(self) -> None:
        self.models = (OneFace(), OneFace())
        self.scenes: list[Scene] = []
        self.ends: list[BaseException | None] = []
        self.frame_came = threading.Condition()
        visions = [Vision(model, model) for model in self.models]  # type: ignore[arg-type]  # as above
        self.watcher = Watcher(visions, on_round=self.scenes.extend, on_end=self.ends.append)

    def camera(self, name: str) -> WatchedCamera:
        return WatchedCamera(name, LatestFrame(self.frame_came), rules())

    def show(self, camera: WatchedCamera) -> list[int]:
        """Which of the threads judged one picture of this camera."""
        before = [model.pictures for model in self.models]
        camera.latest.put(a_picture())
        wait_until(lambda: [model.pictures for model in self.models] != before, what="a look at the picture")
        return [number for number, model in enumerate(self.models) if model.pictures > before[number]]


@pytest.fixture
def several() -> Iterator[SeveralThreads]:
    several = SeveralThreads()
    yield several
    several.watcher.stop(Deadline(5))


def test_threads_share_the_cameras_and_each_camera_stays_with_one(several: SeveralThreads) -> None:
    door, gate, hall = several.camera("door"), several.camera("gate"), several.camera("hall")
    several.watcher.watch([door, gate], endless=False)
    several.watcher.start()
    assert several.show(door) == [0]
    assert several.show(gate) == [1]
    several.watcher.watch([gate, hall], endless=False)  # the first thread is free again
    assert several.show(gate) == [1]
    assert several.show(hall) == [0]
    assert several.show(gate) == [1]


def test_a_thread_that_hangs_stops_the_progress_of_all(several: SeveralThreads) -> None:
    door, gate = several.camera("door"), several.camera("gate")
    several.watcher.watch([door, gate], endless=False)
    several.watcher.start()
    before = several.watcher.progress
    wait_until(lambda: several.watcher.progress > before, what="progress of both")

    hangs, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        go_on.wait(60)

    several.models[1].meanwhile = hang
    gate.latest.put(a_picture())
    assert hangs.wait(60)
    first = several.watcher.threads[0]
    assert several.watcher.progress >= before, "what was counted before the hang"
    rounds, stuck = first.rounds, several.watcher.progress
    wait_until(lambda: first.rounds > rounds + 1, what="rounds of the other")
    assert several.watcher.progress == stuck
    go_on.set()
    wait_until(lambda: several.watcher.progress > stuck, what="progress again")


def test_the_last_thread_tells_the_end(several: SeveralThreads) -> None:
    door, gate = several.camera("door"), several.camera("gate")
    several.watcher.watch([door, gate], endless=False)
    several.watcher.start()
    several.show(door)
    several.show(gate)
    door.latest.close()
    wait_until(lambda: several.scenes[-1].camera == "gate", what="a round of the other camera")
    assert several.ends == []
    gate.latest.close()
    wait_until(lambda: several.ends == [None], what="the end")
    ended = {each.camera for scene in several.scenes for each in scene.transitions if each.type == "ended"}
    assert ended == {"door", "gate"}


def test_an_error_in_one_thread_is_told_once(several: SeveralThreads) -> None:
    door, gate = several.camera("door"), several.camera("gate")
    several.models[1].error = RuntimeError("broken")
    several.watcher.watch([door, gate], endless=True)
    several.watcher.start()
    gate.latest.put(a_picture())
    wait_until(lambda: several.ends, what="the end")
    several.watcher.stop(Deadline(5))
    assert several.ends == [several.models[1].error]


def test_stop_does_not_wait_for_a_camera(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.people.vision_thread.IDLE_S", 600.0)  # longer than a test may take
    watching.watcher.watch([], endless=True)
    watching.watcher.start()
    watching.watcher.stop(Deadline(60))
    assert not any(thread.is_alive for thread in watching.watcher.threads)


def test_rules_of_a_camera_come_from_its_own_settings() -> None:
    config = Config.model_validate({"cameras": {"door": {"source": "0", "min_score": 0.7, "hold_s": 9}}})
    found = camera_rules(config, "door", RECOMMENDED)
    assert (found.thresholds.min_score, found.people.compliance.hold_s) == (0.7, 9)
    assert found.people.min_score == 0.7
