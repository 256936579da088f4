from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from tests.platforms.differences import Differences, compare_detections, most_steps

FACE: dict[str, Any] = {
    "box": [10.0, 20.0, 50.0, 100.0],
    "score": 0.9,
    "status": "with_mask",
    "confidence": 0.8,
    "probabilities": {"with_mask": 0.8, "without_mask": 0.2},
}
NEIGHBOUR: dict[str, Any] = {**FACE, "box": [40.0, 20.0, 80.0, 100.0]}


def line(*faces: dict[str, Any], source: str = "a.jpg") -> dict[str, Any]:
    return {"source": source, "frame": 0, "width": 100, "height": 100, "faces": [copy.deepcopy(face) for face in faces]}


def test_the_same_answers_do_not_differ() -> None:
    lines = [line(FACE, NEIGHBOUR), line(source="b.jpg")]
    assert compare_detections(lines, lines) == Differences(pictures=2, faces=2, identical=2)


def test_the_largest_differences_are_told() -> None:
    other = {**FACE, "box": [10.0, 21.0, 51.0, 100.0], "score": 0.88, "status": "without_mask"}
    other["probabilities"] = {"with_mask": 0.45, "without_mask": 0.55}
    found = compare_detections([line(NEIGHBOUR, FACE)], [line(other, NEIGHBOUR)])
    assert (found.faces, found.identical, found.only_one_saw, found.other_status) == (2, 1, 0, 1)
    assert found.edge_px == 1
    assert found.edge_share == pytest.approx(1 / 40)
    assert found.score == pytest.approx(0.02)
    assert found.probability == pytest.approx(0.35)


@pytest.mark.parametrize("seen", [(FACE,), ()])
def test_a_face_that_one_alone_saw_counts_on_either_side(seen: tuple[dict[str, Any], ...]) -> None:
    missed = 2 - len(seen)
    assert compare_detections([line(FACE, NEIGHBOUR)], [line(*seen)]).only_one_saw == missed
    assert compare_detections([line(*seen)], [line(FACE, NEIGHBOUR)]).only_one_saw == missed


def test_other_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="same picture"):
        compare_detections([line()], [line(source="b.jpg")])
    with pytest.raises(ValueError, match="same picture"):
        compare_detections([line()], [{"source": "a.jpg", "error": "cannot be read"}])
    with pytest.raises(ValueError, match="longer"):
        compare_detections([line()], [line(), line()])


def test_steps_do_not_wrap_around() -> None:
    first = {"a": np.array([0, 5], np.uint8), "b": np.array([[7, 7]], np.uint8)}
    second = {"a": np.array([255, 5], np.uint8), "b": np.array([[7, 9]], np.uint8)}
    assert most_steps(first, second) == (255, 0.5)
