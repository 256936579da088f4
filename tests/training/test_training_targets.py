"""What the face detector is taught: the answer asked of each cell, and the loss for another one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.vision.faces import decode_boxes
from edge.vision.overlap import boxes_to_array
from tests.support.tensorflow_tests import NEEDS_TENSORFLOW, Later

keras, face_loss, face_targets = Later("keras"), Later("training.face_loss"), Later("training.face_targets")

# Keras 3 has not followed numpy 2 everywhere.
pytestmark = [
    *NEEDS_TENSORFLOW,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
]

Floats = NDArray[np.float32]
STRIDES = (8, 16, 32)

NOBODY = boxes_to_array([])
SURE = 30.0
"""A logit whose probability is as good as 1."""


def boxes(*rows: tuple[float, float, float, float]) -> Floats:
    return np.array(rows, np.float32).reshape(-1, 4)


def positives(maps: dict[str, Floats]) -> dict[int, int]:
    return {stride: int(maps[f"target_{stride}"][..., 0].sum()) for stride in STRIDES}


@pytest.mark.parametrize(("x", "y"), [(16, 16), (20, 20), (12.5, 31), (3, 3), (61, 61)])
def test_the_nearest_cell_answers_for_a_face_of_six_pixels(x: float, y: float) -> None:
    maps = face_targets.targets(boxes((x - 3, y - 3, x + 3, y + 3)), NOBODY, 64, 64)
    fine = maps["target_8"]
    nearest = int(y // 8), int(x // 8)
    assert fine[nearest] == pytest.approx((1, 1, x, y, 6, 6))
    assert 1 <= positives(maps)[8] <= 4
    assert (positives(maps)[16], positives(maps)[32]) == (0, 0)


@pytest.mark.parametrize(
    ("side", "answering"),
    [(10, {8}), (23, {8}), (28, {8, 16}), (40, {16}), (70, {16, 32}), (80, {32}), (200, {32})],
)
def test_strides_answer_for_their_range_of_sizes(side: float, answering: set[int]) -> None:
    # The longer side counts, whichever it is.
    for w, h in ((side, side * 0.8), (side * 0.8, side)):
        maps = face_targets.targets(boxes((128 - w / 2, 128 - h / 2, 128 + w / 2, 128 + h / 2)), NOBODY, 256, 256)
        assert {stride for stride, count in positives(maps).items() if count} == answering


def test_cells_without_a_face_are_background() -> None:
    maps = face_targets.targets(NOBODY, NOBODY, 64, 96)
    for stride in STRIDES:
        grid = maps[f"target_{stride}"]
        assert grid.shape == (64 // stride, 96 // stride, 6)
        assert (grid[..., 1] == 1).all()
        assert not grid[..., 0].any()


def test_ignored_cells_weigh_nothing_unless_a_face_is_there() -> None:
    maps = face_targets.targets(boxes((18, 18, 30, 30)), boxes((8, 8, 48, 40)), 64, 64)
    fine = maps["target_8"]
    assert fine[2, 2, :2] == pytest.approx((1, 1))
    assert fine[3, 4, :2] == pytest.approx((0, 0))
    assert fine[7, 7, :2] == pytest.approx((0, 1))
    weights = fine[..., 1] - fine[..., 0]
    # Also a cell that the ignored box only grazes, and none further away.
    assert not weights[1:5, 1:6].any()
    assert weights[6:, :].all()
    assert weights[:, 7].all()


def test_a_cell_that_two_faces_claim_goes_to_the_one_it_lies_nearer() -> None:
    left, right = (8.0, 16.0, 28.0, 36.0), (22.0, 16.0, 42.0, 36.0)
    for both in (boxes(left, right), boxes(right, left)):
        fine = face_targets.targets(both, NOBODY, 64, 64)["target_8"]
        assert fine[3, 2] == pytest.approx((1, 1, 18, 26, 20, 20))
        assert fine[3, 3] == pytest.approx((1, 1, 32, 26, 20, 20))


def exact_maps(maps: dict[str, Floats], shift: float = 0.0) -> dict[str, Floats]:
    """The network's answer that meets the targets of one picture, its boxes moved by `shift` of a stride."""
    answer = {}
    for stride in STRIDES:
        target = maps[f"target_{stride}"]
        rows, columns = np.meshgrid(np.arange(target.shape[0]), np.arange(target.shape[1]), indexing="ij")
        cells = np.stack([columns, rows], axis=-1) + 0.5
        centre = target[..., 2:4] / stride - cells + shift
        size = np.log(np.maximum(target[..., 4:6], 1) / stride)
        answer[f"box_{stride}"] = np.concatenate([centre, size], axis=-1)[None].astype(np.float32)
        logit = np.where(target[..., :1] > 0, SURE, -SURE)
        answer[f"logit_{stride}"] = logit[None].astype(np.float32)
    return answer


def loss_of(maps: dict[str, Floats], answer: dict[str, Floats]) -> float:
    trainer = face_loss.DetectorTrainer(keras.layers.Identity())
    truth = {name: grid[None] for name, grid in maps.items()}
    return float(np.asarray(trainer.compute_loss(y=truth, y_pred=answer)))


@pytest.fixture
def crowd() -> dict[str, Floats]:
    faces = boxes((10, 12, 20, 24), (40, 8, 68, 36), (70, 40, 126, 110), (0, 60, 64, 128))
    maps: dict[str, Floats] = face_targets.targets(faces, boxes((100, 0, 128, 20)), 128, 128)
    return maps


def test_an_answer_that_meets_the_targets_costs_nothing(crowd: dict[str, Floats]) -> None:
    assert all(count > 0 for count in positives(crowd).values())
    assert loss_of(crowd, exact_maps(crowd)) == pytest.approx(0, abs=1e-4)


def test_boxes_beside_the_faces_cost_more_the_further_they_are(crowd: dict[str, Floats]) -> None:
    losses = [loss_of(crowd, exact_maps(crowd, shift)) for shift in (0, 0.2, 0.5, 3.0)]
    assert losses == sorted(losses)
    assert losses[1] > 0.05
    # Far away the overlap is 0, and still the distance counts.
    assert losses[3] > losses[2] + 1


def test_false_faces_cost_where_cells_count_and_missed_ones_cost_everywhere(crowd: dict[str, Floats]) -> None:
    fine = crowd["target_8"]
    background, ignored, face = (
        tuple(np.argwhere((fine[..., 0] == positive) & (fine[..., 1] == weight))[0])
        for positive, weight in ((0, 1), (0, 0), (1, 1))
    )

    def with_logit(cell: tuple[Any, ...], logit: float) -> float:
        answer = exact_maps(crowd)
        answer["logit_8"][0][cell] = logit
        return loss_of(crowd, answer)

    assert with_logit(ignored, SURE) == pytest.approx(0, abs=1e-4)
    assert with_logit(background, SURE) > 0.1
    assert with_logit(face, -SURE) > 0.1


def test_no_face_on_any_picture_is_no_division_by_zero() -> None:
    maps = face_targets.targets(NOBODY, NOBODY, 64, 64)
    assert loss_of(maps, exact_maps(maps)) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("stride", STRIDES)
def test_training_decodes_boxes_as_the_daemon_does(stride: int) -> None:
    values = np.random.default_rng(stride).normal(0, 1, (1, 3, 5, 4)).astype(np.float32)
    decoded = np.asarray(face_loss._decode(values, stride)).reshape(-1, 4)
    corners = np.concatenate([decoded[:, :2] - decoded[:, 2:] / 2, decoded[:, :2] + decoded[:, 2:] / 2], axis=1)
    expected = decode_boxes(np.arange(15), values.reshape(-1, 4), columns=5, stride=stride)
    assert corners == pytest.approx(expected, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize(
    ("other", "iou", "giou"),
    [
        ((1, 1, 2, 2), 1.0, 1.0),
        ((2, 1, 2, 2), 1 / 3, 1 / 3),
        ((1, 1, 1, 1), 1 / 4, 1 / 4),
        ((5, 1, 2, 2), 0.0, -1 / 3),
    ],
)
def test_overlap_of_boxes_by_hand(other: tuple[float, ...], iou: float, giou: float) -> None:
    found = face_loss._overlap(np.array([[1, 1, 2, 2]], np.float32), np.array([other], np.float32))
    assert [float(np.asarray(value)[0]) for value in found] == pytest.approx([iou, giou], abs=1e-5)
