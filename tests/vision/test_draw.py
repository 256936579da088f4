"""Boxes and labels on pictures."""

from __future__ import annotations

import numpy as np

from edge.geometry import Box
from edge.vision.draw import GREEN, RED, draw_observations
from edge.vision.faces import Face
from edge.vision.masks import Classification
from edge.vision.pipeline import Observation


def seen(box: Box, status: str) -> Observation:
    return Observation(Face(box, 0.9), Classification(status, 0.9, {status: 1.0}))


def area(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((image == colour).all(axis=2).sum())


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    picture = np.full((400, 600, 3), 200, np.uint8)
    boxes = [Box(100, 100, 150, 160), Box(160, 102, 210, 162), Box(130, 104, 180, 164), Box(5, 0, 60, 50)]
    alone = [area(draw_observations(picture, [seen(box, "with_mask")]), GREEN) for box in boxes]
    together = draw_observations(picture, [seen(box, "with_mask") for box in boxes])
    # Boxes may cross each other; a label that lay on another would take away far more.
    assert area(together, GREEN) > 0.93 * sum(alone)


def test_the_best_face_has_its_label_next_to_its_box() -> None:
    picture = np.full((400, 600, 3), 200, np.uint8)
    best, other = Box(100, 100, 150, 160), Box(110, 103, 160, 163)
    drawn = draw_observations(picture, [seen(best, "without_mask"), seen(other, "with_mask")])
    assert tuple(drawn[98, 101]) == RED
    assert area(drawn, RED) > 0.95 * area(draw_observations(picture, [seen(best, "without_mask")]), RED)


def test_a_crowd_in_a_small_picture_is_drawn_all_the_same() -> None:
    picture = np.full((60, 80, 3), 200, np.uint8)
    drawn = draw_observations(picture, [seen(Box(5 + i, 5, 45 + i, 45), "with_mask") for i in range(30)])
    assert drawn.shape == picture.shape
