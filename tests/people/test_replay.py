"""The people on recorded pictures, under several sets of rules at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from edge.camera.frame import Frame
from edge.camera.latest import LatestFrame
from edge.camera.video import frames
from edge.config import Config
from edge.demo_clip import CLIP
from edge.geometry import Box
from edge.people.replay import compare, replay
from edge.people.transition import Transition
from edge.people.watched_camera import CameraRules, WatchedCamera, camera_rules
from edge.vision.build import build_vision
from edge.vision.pipeline import Vision

CONFIG = Config.model_validate({"cameras": {"door": {"source": "demo"}}})


@pytest.fixture(scope="module")
def vision() -> Vision:
    return build_vision(CONFIG)


def rules(vision: Vision, **sections: object) -> CameraRules:
    return camera_rules(Config.model_validate({**CONFIG.model_dump(), **sections}), "door", vision.recommended)


def live(vision: Vision, pictures: Iterator[Frame], by: CameraRules) -> list[Transition]:
    """What the vision thread makes of them."""
    latest = LatestFrame(threading.Condition())
    camera = WatchedCamera("door", latest, by)
    happened: list[Transition] = []
    for picture in pictures:
        latest.put(picture)
        happened += camera.watch(vision).transitions
    return [*happened, *camera.finish().transitions]


def anonymous(transitions: Sequence[Transition]) -> list[Transition]:
    return [replace(each, track="", camera="") for each in transitions]


@pytest.mark.parametrize("recheck_s", [0.0, 0.5])
def test_a_replay_gives_exactly_the_events_of_a_live_run(vision: Vision, recheck_s: float) -> None:
    by = rules(vision, classifier={"recheck_s": recheck_s})
    other = rules(vision, compliance={"min_votes": 2}, detector={"min_score": 0.3})
    happened = replay(frames(CLIP), vision, {"today": by, "changed": other})
    assert anonymous(happened["today"]) == anonymous(live(vision, frames(CLIP), by))
    assert anonymous(happened["changed"]) == anonymous(live(vision, frames(CLIP), other))
    assert len(happened["today"]) == 7


def event(
    kind: str = "started", at: float = 3.0, *, status: str = "with_mask", started_at: float = 1.0, x: float = 0.1
) -> Transition:
    return Transition(
        type=kind,  # type: ignore[arg-type]
        camera="door", track="1", status=status, previous=None, compliant=True, confidence=0.9,
        box=Box(x, 0.1, x + 0.1, 0.3), zones=(), started_at=started_at, at=at, votes={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        ([event()], [event()], [False]),
        ([event()], [event(at=3.4)], [True]),  # the same event, later
        ([event()], [event(at=9.0)], [True]),  # of the same visit, much later
        ([event()], [event(started_at=7.0, at=9.0)], [True, True]),  # another visit
        ([event()], [event(x=0.7)], [True, True]),  # another person at the same moment
        ([event()], [event(status="unknown")], [True, True]),
        ([], [event()], [True]),
        ([event("changed", 4.0), event("changed", 8.0)], [event("changed", 8.01), event("changed", 4.0)], [False] * 2),
    ],
)
def test_events_are_compared_by_person_and_time(
    before: list[Transition], after: list[Transition], differs: list[bool]
) -> None:
    assert [pair.differs for pair in compare(before, after)] == differs
