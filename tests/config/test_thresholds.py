"""Which value is in effect for a camera: its own, the section's, or the model's recommendation."""

from __future__ import annotations

from typing import Any

import pytest

from edge.config import Config
from edge.config.per_camera import for_camera
from edge.vision.thresholds import Recommendations, camera_thresholds, effective_setting

RECOMMENDED = Recommendations(min_score=0.4, min_confidence=0.7)


def two_cameras(own: dict[str, Any], **sections: Any) -> Config:
    cameras = {"door": {"source": "0", **own}, "gate": {"source": "1"}}
    return Config.model_validate({"cameras": cameras, **sections})


def test_the_models_recommend_where_nothing_is_set() -> None:
    thresholds = camera_thresholds(two_cameras({}), "door", RECOMMENDED)
    assert (thresholds.min_score, thresholds.min_confidence) == (0.4, 0.7)
    assert thresholds.low_score == pytest.approx(0.08), "a fifth"
    assert (thresholds.min_face_px, thresholds.max_faces) == (12, 50)


def test_the_section_comes_before_the_model_and_the_camera_before_the_section() -> None:
    sections = {"detector": {"min_score": 0.5, "max_faces": 3}, "classifier": {"min_confidence": 0.0}}
    both = two_cameras({"min_score": 0.6, "min_confidence": 0.9}, **sections)
    gate, door = (camera_thresholds(both, camera, RECOMMENDED) for camera in ("gate", "door"))
    assert (gate.min_score, gate.min_confidence, gate.max_faces) == (0.5, 0.0, 3), "0 is a value like any other"
    assert (door.min_score, door.min_confidence, door.max_faces) == (0.6, 0.9, 3)
    assert camera_thresholds(both, None, RECOMMENDED) == gate
    zero = two_cameras({"min_score": 0.0, "min_confidence": 0.0}, detector={"min_score": 0.5})
    assert camera_thresholds(zero, "door", RECOMMENDED).min_score == 0.0


def test_the_score_for_carrying_on_a_track_is_never_above_the_cameras_own() -> None:
    both = two_cameras({"min_score": 0.2}, detector={"min_score": 0.5, "low_score": 0.3})
    assert camera_thresholds(both, "door", RECOMMENDED).low_score == 0.2
    assert camera_thresholds(both, "gate", RECOMMENDED).low_score == 0.3


def test_a_cameras_own_votes_lie_over_the_section() -> None:
    both = two_cameras({"min_votes": 2, "hold_s": 0}, compliance={"majority": 0.7, "hold_s": 4, "window_s": 9})
    door, gate = for_camera(both, "door").compliance, for_camera(both, "gate").compliance
    assert (door.min_votes, door.majority, door.hold_s, door.window_s) == (2, 0.7, 0, 9)
    assert gate == both.compliance


@pytest.mark.parametrize(
    ("camera", "setting", "value"),
    [
        ("door", "min_score", 0.6),
        ("gate", "min_score", 0.4),
        ("gate", "min_confidence", 0.7),
        ("door", "min_votes", 2),
        ("gate", "min_votes", 5),
        ("gate", "majority", 0.6),
        ("gate", "hold_s", 1.0),
        ("door", "enabled", False),
        ("gate", "enabled", True),
        (None, "privacy", "aggregate"),
    ],
)
def test_the_value_in_effect(camera: str | None, setting: str, value: object) -> None:
    both = two_cameras({"min_score": 0.6, "min_votes": 2, "enabled": False}, privacy="aggregate")
    found = effective_setting(both, camera, setting, RECOMMENDED)
    assert found == value
    assert type(found) is type(value)
