"""What is checked of which camera."""

from __future__ import annotations

from typing import Any

import pytest

from edge.config import Config
from edge.payloads.view_fault import VIEW_FAULTS
from edge.people.watched_camera import camera_rules
from edge.vision.thresholds import Recommendations

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
