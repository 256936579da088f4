"""What is kept of the last minutes, and the people judged again from it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from edge.camera.frame import Frame
from edge.camera.latest import LatestFrame
from edge.camera.video import frames
from edge.config import Config
from edge.demo_clip import CLIP
from edge.errors import MaskdError
from edge.people.observations import ObservationLog, Observations, look_from_list
from edge.people.replay_observed import replay_observed
from edge.people.scene import Scene
from edge.people.watched_camera import CameraRules, WatchedCamera, camera_rules
from edge.vision.build import build_vision
from edge.vision.pipeline import Vision

CONFIG = Config.model_validate({"cameras": {"door": {"source": "demo"}}})


@pytest.fixture(scope="module")
def vision() -> Vision:
    return build_vision(CONFIG)


def rules(vision: Vision, **sections: object) -> CameraRules:
    return camera_rules(Config.model_validate({**CONFIG.model_dump(), **sections}), "door", vision.recommended)


def scenes(vision: Vision, by: CameraRules, pictures: Iterator[Frame]) -> list[Scene]:
    latest = LatestFrame(threading.Condition())
    camera = WatchedCamera("door", latest, by)
    seen = []
    for picture in pictures:
        latest.put(picture)
        seen.append(camera.watch(vision))
    return [*seen, camera.finish()]


@pytest.fixture(scope="module")
def watched(vision: Vision) -> list[Scene]:
    return scenes(vision, rules(vision), frames(CLIP))


def kept(vision: Vision, watched: list[Scene], **limits: float) -> Observations:
    observations = Observations(vision.classifier.labels, **limits)  # type: ignore[arg-type]
    for scene in watched:
        if scene.frame is not None:
            observations.add(scene)
    return observations


def test_the_same_rules_give_the_same_events_again_within_the_time_between_two_looks(
    vision: Vision, watched: list[Scene]
) -> None:
    looks = kept(vision, watched).latest(600)
    again = replay_observed(looks, vision.classifier.labels, {"today": rules(vision)})["today"]
    live = [each for scene in watched for each in scene.transitions]
    assert [(each.type, each.status) for each in again.transitions] == [(each.type, each.status) for each in live]
    for one, other in zip(again.transitions, live, strict=True):
        assert one.at == pytest.approx(other.at, abs=CONFIG.classifier.recheck_s)
    assert 0 < again.approximate < again.judged


def test_where_every_face_was_classified_nothing_is_approximate(vision: Vision) -> None:
    by = rules(vision, classifier={"recheck_s": 0})
    seen = scenes(vision, by, frames(CLIP))
    again = replay_observed(kept(vision, seen).latest(600), vision.classifier.labels, {"today": by})["today"]
    live = [replace(each, track="", camera="") for scene in seen for each in scene.transitions]
    assert again.approximate == 0
    for one, other in zip(again.transitions, live, strict=True):
        assert replace(one, track="", camera="", confidence=0) == replace(other, confidence=0)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-6)


def test_what_is_kept_is_bounded_by_age_and_bytes(vision: Vision, watched: list[Scene]) -> None:
    looks = kept(vision, watched, kept_s=5.0).latest(600)
    assert looks[-1].at - looks[0].at == pytest.approx(5.0, abs=0.1)
    small = kept(vision, watched, kept_bytes=1500)
    assert 0 < len(small.latest(600)) < 40
    assert small._bytes <= 1500
    assert kept(vision, watched).latest(2.0)[0].at >= looks[-1].at - 2.0


def test_a_look_survives_its_way_through_json(vision: Vision, watched: list[Scene]) -> None:
    log = ObservationLog(vision.classifier.labels, CONFIG)
    log.take(watched)
    answer = log.answer({"camera": "door", "seconds": 600})
    assert [look_from_list(each) for each in answer["looks"]] == [*kept(vision, watched).latest(600)]
    assert "source" not in str(answer["settings"]) or answer["settings"]["cameras"]["door"]["source"] == "demo"


def test_aggregate_clears_them_and_keeps_none(vision: Vision, watched: list[Scene]) -> None:
    log = ObservationLog(vision.classifier.labels, CONFIG)
    log.take(watched)
    log.apply(CONFIG.model_copy(update={"privacy": "aggregate"}))
    log.take(watched)
    with pytest.raises(MaskdError, match="privacy is aggregate"):
        log.answer({"camera": "door", "seconds": 60})
    log.apply(CONFIG)
    assert log.answer({"camera": "door", "seconds": 60})["looks"] == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"camera": "gate", "seconds": 60}, "no camera of that name, only: door"),
        ({"camera": ["door"], "seconds": 60}, "no camera of that name"),
        ({"camera": "door", "seconds": 601}, "ask for 1s to 10m"),
        ({"camera": "door", "seconds": "60"}, "ask for 1s to 10m"),
        ({"camera": "door"}, "ask for 1s to 10m"),
    ],
)
def test_what_is_asked_wrongly_is_refused(vision: Vision, fields: dict[str, object], says: str) -> None:
    with pytest.raises(MaskdError, match=says):
        ObservationLog(vision.classifier.labels, CONFIG).answer(fields)
