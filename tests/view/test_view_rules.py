"""What is checked of which camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge.camera.frame import Frame
from edge.camera.latest import LatestFrame
from edge.config import Config
from edge.payloads.view_fault import VIEW_FAULTS
from edge.people.watched_camera import WatchedCamera, camera_rules
from edge.vision.pipeline import Vision
from edge.vision.thresholds import Recommendations
from tests.people.test_watcher import OneFace

ALL = set(VIEW_FAULTS)


@pytest.mark.parametrize(
    ("source", "sections", "checked"),
    [
        ("rtsp://cam.local/", {}, ALL),
        ("0", {}, ALL),
        ("demo", {}, {"small_faces"}),
        ("visit.mp4", {}, {"small_faces"}),
        ("rtsp://cam.local/", {"privacy": "aggregate"}, ALL - {"small_faces"}),
        ("demo", {"privacy": "aggregate"}, set()),
        ("0", {"view": {"warn_of": []}}, set()),
        ("0", {"view": {"warn_of": ["dark", "moved"]}}, {"dark", "moved"}),
    ],
)
def test_what_is_checked(source: str, sections: dict[str, Any], checked: set[str]) -> None:
    """In `aggregate` it is not told that faces are small, which would tell when someone has come."""
    config = Config.model_validate({"cameras": {"door": {"source": source}}, **sections})
    assert camera_rules(config, "door", Recommendations(0.5, 0.5)).view.warn_of == checked


def test_a_camera_has_values_of_its_own() -> None:
    camera = {"source": "0", "warn_of": ["frozen"], "frozen_after_s": 600}
    config = Config.model_validate({"cameras": {"door": camera}, "view": {"warn_after_s": 5}})
    rules = camera_rules(config, "door", Recommendations(0.5, 0.5)).view
    assert [*rules.warn_of] == ["frozen"]
    assert (rules.warn_after_s, rules.frozen_after_s) == (5.0, 600.0)


def test_a_picture_in_which_nothing_moves_is_looked_at_too() -> None:
    """The detector leaves it out; but what is covered or dark shows no motion."""
    sections: dict[str, Any] = {"detector": {"still_s": 10}, "view": {"warn_after_s": 3}}
    config = Config.model_validate({"cameras": {"door": {"source": "0"}}, **sections})
    models = OneFace()
    models.score = 0.0
    vision = Vision(models, models)  # type: ignore[arg-type]  # it is as much of a classifier as is asked for
    latest = LatestFrame()
    camera = WatchedCamera("door", latest, camera_rules(config, "door", Recommendations(0.5, 0.5)))
    for second in range(7):
        latest.put(Frame(np.zeros((120, 160, 3), np.uint8), 100.0 + second, second))
        camera.watch(vision)
    assert models.pictures < 7
    assert [*camera.view.faults] == ["dark"]
