"""Pixels as a decoder leaves them give what the whole picture in RGB gives."""

from __future__ import annotations

import weakref
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import pytest
import skimage.data

from edge.camera.decoded import FrameConverter
from edge.camera.yuv import YuvPixels
from edge.config import Config
from edge.evaluation.examples import load_photos, picture_result
from edge.evaluation.labelled import read_photo
from edge.evaluation.metrics import average_precision
from edge.vision.build import build_vision
from edge.vision.pixels import Pixels, RgbPixels
from edge.vision.preprocess import Image, letterbox
from edge.vision.thresholds import Thresholds
from tests.support.places import DATA, NO_DATA

ASTRONAUT = np.asarray(skimage.data.astronaut()[:384], np.uint8)
FORMATS = ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p"]
SPACES = [(2, 0), (1, 1), (5, 1), (6, 2), (9, 1)]
"""FFmpeg's numbers of colour spaces, each with one of a range."""


def decoded(image: Image = ASTRONAUT, kind: str = "yuv420p", space: tuple[int, int] = (2, 0)) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=kind)
    frame.colorspace, frame.color_range = space
    return frame


def pixels(frame: av.VideoFrame, rotate: int = 0) -> Pixels:
    made = FrameConverter(rotate).pixels(frame, None)
    assert isinstance(made, YuvPixels)
    return made


def difference(a: Any, b: Any) -> float:
    """Of two pictures, the mean."""
    return float(np.abs(np.asarray(a, int) - np.asarray(b, int)).mean())


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("space", SPACES)
def test_its_colours_are_those_of_ffmpeg(kind: str, space: tuple[int, int]) -> None:
    found = pixels(decoded(kind=kind, space=space))
    whole = found.rgb
    assert whole.shape == (384, 512, 3)
    # FFmpeg rounds down.
    assert difference(found.part(0, 0, 512, 384)(), whole) < 1.3
    assert np.abs(found.sampled(1).astype(int) - whole).max() <= 6
    assert difference(found.shrunk(256, 192), cv2.resize(whole, (256, 192), interpolation=cv2.INTER_AREA)) < 2
    assert difference(found.shrunk(232, 174), letterbox(whole, 232, 174).image) < 2.5
    assert difference(found.brightness(2), whole[::2, ::2].mean(axis=2)) < 15


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("kind", ["yuv420p", "yuv422p"])
def test_every_way_to_look_at_it_is_turned_alike(rotate: int, kind: str) -> None:
    found = pixels(decoded(kind=kind), rotate)
    whole = found.rgb
    width, height = (384, 512) if rotate in (90, 270) else (512, 384)
    assert found.size == (width, height) == whole.shape[1::-1]
    for x1, y1, x2, y2 in ((0, 0, width, height), (33, 101, 150, 204), (34, 100, 151, 203), (0, height - 9, 8, height)):
        assert difference(found.part(x1, y1, x2, y2)(), whole[y1:y2, x1:x2]) < 1.6
    for step in (1, 3, 4):
        assert difference(found.sampled(step), whole[::step, ::step]) < 1.3
        assert found.brightness(step).shape == whole[::step, ::step, 1].shape
    for size in ((width // 2, height // 2), (width * 5 // 8, height * 5 // 8)):
        assert difference(found.shrunk(*size), cv2.resize(whole, size, interpolation=cv2.INTER_AREA)) < 2.5


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("rotate", [0, 90])
def test_it_is_no_sharper_than_the_picture_in_rgb_when_shrunk(kind: str, rotate: int) -> None:
    """The detector was trained on that."""
    found = pixels(decoded(kind=kind), rotate)
    width, height = (206, 154) if rotate == 0 else (154, 206)
    expected = letterbox(found.rgb, width, height).image
    shrunk = found.shrunk(width, height)
    assert shrunk.shape == expected.shape
    sharpness = [cv2.Laplacian(each[..., 1].astype(np.float32), cv2.CV_32F).std() for each in (shrunk, expected)]
    assert sharpness[0] / sharpness[1] == pytest.approx(1, abs=0.07)


def test_a_part_outlives_its_frame() -> None:
    frame = decoded()
    part, expected = pixels(frame).part(10, 10, 60, 60), pixels(frame).part(10, 10, 60, 60)()
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = 0
    assert difference(part(), expected) == 0


def test_a_part_does_not_keep_its_frame() -> None:
    whole = pixels(decoded())
    is_kept, part = weakref.ref(whole), whole.part(10, 10, 60, 60)
    del whole
    assert is_kept() is None
    assert part().shape == (50, 50, 3)


def test_a_small_picture_is_not_enlarged() -> None:
    found = pixels(decoded())
    assert found.shrunk(700, 525).shape == (384, 512, 3)


@pytest.mark.parametrize(
    ("frame", "pixel_aspect"),
    [
        (decoded(kind="rgb24"), None),
        (decoded(kind="yuv410p"), None),
        (decoded(), Fraction(4, 3)),
        (decoded(np.ascontiguousarray(ASTRONAUT[:-1])), None),
    ],
    ids=["RGB", "another format", "pixels that are not square", "an odd height"],
)
def test_anything_else_is_converted_as_a_whole(frame: av.VideoFrame, pixel_aspect: Fraction | None) -> None:
    found = FrameConverter(0).pixels(frame, pixel_aspect)
    assert isinstance(found, RgbPixels)
    assert found.rgb.shape[:2] == (found.size[1], found.size[0])
    assert found.part(10, 20, 40, 60)().shape == (40, 30, 3)
    assert found.shrunk(100, 100) is found.rgb


@pytest.mark.accuracy
@pytest.mark.skipif(not DATA.is_dir(), reason=NO_DATA)
def test_faces_are_found_and_judged_as_on_the_whole_picture_in_rgb() -> None:
    vision, everything = build_vision(Config()), Thresholds(0.05, 0.05, 0.0, max_faces=300)
    results: dict[bool, list[Any]] = {True: [], False: []}
    answers: list[bool] = []
    for photo in load_photos([DATA / "kaggle_voc"], 1, lambda _: []).splits["test"]:
        image = read_photo(photo.path)
        even = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
        as_decoded = pixels(decoded(even))
        for is_rgb, each in ((True, RgbPixels(as_decoded.rgb)), (False, as_decoded)):
            results[is_rgb].append(picture_result(photo, vision.detect(each, everything)))
        boxes = [face.box for face in photo.faces if face.box.height >= 16]
        pairs = zip(
            vision.classify(as_decoded.rgb, boxes, everything),
            vision.classify(as_decoded, boxes, everything),
            strict=True,
        )
        answers += [one.status == other.status for one, other in pairs]
    assert len(answers) > 200
    assert np.mean(answers) >= 0.985
    # On 700 photos of each set of crowds, the two differ by 0.001 to 0.009, either way.
    assert average_precision(results[False]).ap >= average_precision(results[True]).ap - 0.01
