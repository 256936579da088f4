"""Decoding, suppression and the choice of the input shape; then the shipped detector on a real face."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.geometry import Box
from edge.vision.faces import (
    Level,
    TfliteFaceDetector,
    best_input_shape,
    decode_boxes,
    faces_on_picture,
    find_level,
    suppress_repeats,
)
from edge.vision.model import open_model
from edge.vision.preprocess import Image
from edge.vision.tflite import Output, TensorInfo

ASTRONAUT: Image = skimage.data.astronaut()
ASTRONAUT_FACE = Box(180, 62, 274, 178)

SCORE_SCALE = 1 / 256
BOX_SCALE, BOX_ZERO = 0.05, 100


def maps(height: int, width: int) -> dict[tuple[int, int], TensorInfo]:
    """The outputs of a detector for an input of this size, by (stride, channels)."""
    return {
        (stride, channels): TensorInfo(
            f"s{stride}c{channels}",
            (1, height // stride, width // stride, channels),
            "uint8",
            SCORE_SCALE if channels == 1 else BOX_SCALE,
            0 if channels == 1 else BOX_ZERO,
        )
        for stride in (8, 16, 32)
        for channels in (1, 4)
    }


def test_outputs_are_found_by_shape_in_any_order() -> None:
    by_place = maps(256, 320)
    for order in itertools.islice(itertools.permutations(by_place.items()), 0, 720, 37):
        infos = tuple(info for _, info in order)
        level = find_level(infos, (256, 320), 16)
        assert infos[level.score_output] is by_place[16, 1]
        assert infos[level.box_output] is by_place[16, 4]


def test_outputs_that_do_not_fit() -> None:
    infos = [info for place, info in maps(256, 320).items() if place != (16, 4)]
    with pytest.raises(ValueError, match=r"one box map of shape \(1, 16, 20, 4\) for stride 16"):
        find_level(tuple(infos), (256, 320), 16)
    floats = [TensorInfo(i.name, i.shape, "float32", 0, 0) for i in maps(256, 320).values()]
    with pytest.raises(ValueError, match="score map for stride 8 is float32"):
        find_level(tuple(floats), (256, 320), 8)


def level_and_outputs() -> tuple[Level, list[Output], NDArray[np.uint8], NDArray[np.uint8]]:
    """An empty 256x320 answer, and its score and box maps at stride 16, to be written to."""
    infos = tuple(maps(256, 320).values())
    outputs = [Output(np.zeros(info.shape, np.uint8), info) for info in infos]
    level = find_level(infos, (256, 320), 16)
    return level, outputs, outputs[level.score_output].values, outputs[level.box_output].values


def test_decode_one_cell() -> None:
    level, outputs, scores, boxes = level_and_outputs()
    scores[0, 3, 5, 0] = 200
    # Centre a fourth of a stride right and half a stride up; e^0.5 strides wide, e^1 high.
    boxes[0, 3, 5] = [BOX_ZERO + 5, BOX_ZERO - 10, BOX_ZERO + 10, BOX_ZERO + 20]
    found, found_scores = level.decode(outputs, (256, 320), 0.5)
    x, y = (5.5 + 0.25) * 16, (3.5 - 0.5) * 16
    half_width, half_height = np.exp(0.5) * 8, np.exp(1.0) * 8
    np.testing.assert_allclose(found, [[x - half_width, y - half_height, x + half_width, y + half_height]], rtol=1e-5)
    np.testing.assert_allclose(found_scores, [200 / 256])


def test_decode_takes_the_threshold_itself_and_nothing_below() -> None:
    level, outputs, scores, _ = level_and_outputs()
    scores[0, 0, :3, 0] = [127, 128, 129]
    assert level.decode(outputs, (256, 320), 0.5)[1].tolist() == [0.5, 129 / 256]
    assert level.decode(outputs, (256, 320), 1.0)[1].size == 0
    assert level.decode(outputs, (256, 320), 0.0)[0].shape == (16 * 20, 4)


def test_decode_an_absurd_size_does_not_overflow() -> None:
    values = np.array([[0, 0, 1000, 1000]], np.float32)
    assert np.isfinite(decode_boxes(np.array([0]), values, columns=10, stride=8)).all()


def test_suppression_keeps_the_best_of_each_heap() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10], [0, 0, 10, 20]], np.float32)
    scores = np.array([0.6, 0.9, 0.5, 0.8], np.float32)
    # IoU of 1 with 0 is 0.82, with 3 it is 0.43.
    assert suppress_repeats(boxes, scores, max_iou=0.45, limit=10).tolist() == [1, 3, 2]
    assert suppress_repeats(boxes, scores, max_iou=0.4, limit=10).tolist() == [1, 2]
    assert suppress_repeats(boxes, scores, max_iou=0.9, limit=10).tolist() == [1, 3, 0, 2]
    assert suppress_repeats(boxes, scores, max_iou=0.45, limit=2).tolist() == [1, 3]
    assert suppress_repeats(boxes[:0], scores[:0], max_iou=0.45, limit=2).tolist() == []


def test_faces_are_cut_to_the_picture_and_those_off_it_go() -> None:
    boxes = np.array([[-5, -5, 10, 10], [200, 0, 220, 10], [95, 45, 120, 60], [99.5, 0, 110, 10]], np.float32)
    faces = faces_on_picture(boxes, np.array([0.9, 0.8, 0.7, 0.6], np.float32), (100, 50))
    assert [face.box for face in faces] == [Box(0, 0, 10, 10), Box(95, 45, 100, 50)]
    assert [face.score for face in faces] == pytest.approx([0.9, 0.7])


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((640, 512), (256, 320)),
        ((640, 480), (256, 320)),
        ((1280, 720), (224, 352)),
        ((1920, 1080), (224, 352)),
        ((3000, 2000), (224, 352)),
        ((2000, 3000), (352, 224)),
        ((720, 1280), (352, 224)),
        ((500, 500), (256, 256)),
        ((10_000, 10), (32, 2560)),
        ((1, 1), (256, 256)),
    ],
)
def test_best_input_shape(size: tuple[int, int], shape: tuple[int, int]) -> None:
    assert best_input_shape(*size) == shape


@given(width=st.integers(1, 5000), height=st.integers(1, 5000))
def test_best_input_shape_never_shows_less_than_the_base(width: int, height: int) -> None:
    rows, columns = best_input_shape(width, height)
    assert rows % 32 == 0
    assert columns % 32 == 0
    assert 0 < rows * columns <= 256 * 320
    scale = min(rows / height, columns / width)
    assert scale >= min(256 / height, 320 / width)
    turned_rows, turned_columns = best_input_shape(height, width)
    assert min(turned_rows / width, turned_columns / height) == scale, "a picture on its side is shown as large"


@pytest.fixture(scope="module")
def detector() -> TfliteFaceDetector:
    return TfliteFaceDetector(open_model("face-detector", "face_detection"), threads=1)


@pytest.mark.parametrize("crop", ["square", "wide", "tall", "small"])
def test_shipped_detector_finds_a_face_in_any_shape_of_picture(detector: TfliteFaceDetector, crop: str) -> None:
    picture, dx, dy = {
        "square": (ASTRONAUT, 0, 0),
        "wide": (ASTRONAUT[:260], 0, 0),
        "tall": (ASTRONAUT[:, 120:340], 120, 0),
        "small": (ASTRONAUT[40:240, 130:330], 130, 40),
    }[crop]
    best, *rest = detector.detect(np.ascontiguousarray(picture), detector.recommended_min_score)
    assert best.box.moved(dx, dy).iou(ASTRONAUT_FACE) > 0.5
    assert not rest, "there is one face"


def test_shipped_detector_finds_two_faces_where_they_are(detector: TfliteFaceDetector) -> None:
    picture = np.concatenate([ASTRONAUT[:, ::-1], ASTRONAUT], axis=1)
    faces = detector.detect(picture, detector.recommended_min_score)
    expected = [Box(512 - 274, 62, 512 - 180, 178), ASTRONAUT_FACE.moved(512, 0)]
    assert len(faces) == 2
    assert all(max(face.box.iou(box) for face in faces) > 0.5 for box in expected)


def test_shipped_detector_sees_nothing_on_grey(detector: TfliteFaceDetector) -> None:
    assert detector.detect(np.full((480, 640, 3), 128, np.uint8), detector.recommended_min_score) == []


def test_faces_come_best_first_and_inside_the_picture(detector: TfliteFaceDetector) -> None:
    faces = detector.detect(ASTRONAUT, 0.01)
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)
    assert all(face.box == face.box.clipped(512, 512) for face in faces)
    for one, other in itertools.combinations(faces, 2):
        assert one.score >= 0.01
        assert one.box.iou(other.box) < 0.75, "cutting to the picture may raise the overlap a little, no more"


def test_a_fixed_input_keeps_its_shape() -> None:
    model = open_model("face-detector", "face_detection")
    manifest = model.manifest
    fixed = manifest.model_copy(update={"input": manifest.input.model_copy(update={"resizable": False})})
    detector = TfliteFaceDetector(type(model)(model.path, fixed, model.content))
    tall = np.ascontiguousarray(ASTRONAUT[:, 120:340])
    assert detector.prepare(tall).image.shape == (manifest.input.height, manifest.input.width, 3)
    best = detector.detect(tall, 0.1)[0]
    assert best.box.moved(120, 0).iou(ASTRONAUT_FACE) > 0.5
