"""A smaller picture for the detector beside the full one: faces are found on it, and cut out of the other."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from edge.camera.frame import Frame
from edge.camera.images import rgb_from_yuv420
from edge.camera.latest import LatestFrame
from edge.camera.picamera import size_for_detector
from edge.config import ComplianceSettings, TrackingSettings
from edge.evaluation.examples import load_photos
from edge.evaluation.labelled import read_photo
from edge.geometry import Box
from edge.people.crowd import Rules
from edge.people.watched_camera import CameraRules, WatchedCamera
from edge.vision.faces import Face, TfliteFaceDetector
from edge.vision.masks import Classification, MaskClassifier
from edge.vision.model import open_model
from edge.vision.pipeline import Vision
from edge.vision.pixels import Pixels, RgbPixels, pixels_of
from edge.vision.preprocess import Image
from edge.vision.thresholds import Thresholds
from tests.support.places import DATA, NO_DATA

THRESHOLDS = Thresholds(min_score=0.5, low_score=0.1, min_confidence=0.5, min_face_px=100, max_faces=10)
PEOPLE = Rules(min_score=0.5, recheck_s=0, tracking=TrackingSettings(), compliance=ComplianceSettings(), zones={})


class OneFace:
    """Finds a face in the middle ninth of any picture, and a small one beside it; notes what it was shown."""

    identity = "one-face/1"
    recommended_min_score = 0.5

    def __init__(self) -> None:
        self.shown: list[Image] = []

    def detect(self, image: Image, min_score: float) -> list[Face]:
        self.shown.append(image)
        height, width = image.shape[:2]
        large = Box(width / 3, height / 3, width * 2 / 3, height * 2 / 3)
        return [Face(large, 0.9), Face(Box(0, 0, width / 16, height / 16), 0.8)]


class Colours(MaskClassifier):
    """Keeps the pictures that it is to judge, and says the same of each."""

    def __init__(self) -> None:
        self.judged: list[tuple[Image, Box]] = []

    def classify(
        self, picture: Image | Pixels, boxes: Sequence[Box], *, min_confidence: float = 0
    ) -> list[Classification]:
        self.judged += [(pixels_of(picture).rgb, box) for box in boxes]
        return [Classification("with_mask", 1.0, {"with_mask": 1.0}) for _ in boxes]


def test_faces_are_found_on_the_small_picture_and_cut_out_of_the_full_one() -> None:
    image, lores = np.zeros((720, 1280, 3), np.uint8), np.zeros((360, 320, 3), np.uint8)  # the hardware may stretch
    detector, classifier = OneFace(), Colours()
    result = Vision(detector, classifier).observe(RgbPixels(image, lores=lores), THRESHOLDS)
    assert detector.shown == [lores]
    box = Box(1280 / 3, 240, 1280 * 2 / 3, 480)
    assert [o.face.box.iou(box) for o in result.observations] == [pytest.approx(1)]  # the other one is too small
    assert classifier.judged[0][0] is image
    assert classifier.judged[0][1].iou(box) == pytest.approx(1)
    Vision(detector, classifier).observe(image, THRESHOLDS)
    assert detector.shown[1] is image


def test_a_watched_camera_hands_both_pictures_over() -> None:
    detector = OneFace()
    latest = LatestFrame()
    camera = WatchedCamera("door", latest, CameraRules(THRESHOLDS, PEOPLE))
    image, lores = np.zeros((720, 1280, 3), np.uint8), np.zeros((396, 704, 3), np.uint8)
    for number, small in enumerate((lores, None)):
        latest.put(Frame(RgbPixels(image, lores=small), float(number), number))
        camera.watch(Vision(detector, Colours()))
    assert detector.shown[0] is lores
    assert detector.shown[1] is image


@pytest.mark.accuracy
@pytest.mark.skipif(not DATA.is_dir(), reason=NO_DATA)
@pytest.mark.parametrize("model", ["face-detector", "face-detector-far"])
def test_the_small_picture_loses_no_faces(model: str) -> None:
    def no_boxes(_: Image) -> list[Box]:
        raise AssertionError("these sets bring their boxes")

    detector = TfliteFaceDetector(open_model(model, "face_detection"), threads=2)
    faces = on_full = on_small = 0
    for name in ("kaggle_voc", "ilc_voc"):
        for photo in load_photos([DATA / name], 1, no_boxes).splits["test"][:15]:
            picture = read_photo(photo.path)
            scale = 1280 / max(picture.shape[:2])
            image = as_even(picture, scale)
            size = size_for_detector(image.shape[1], image.shape[0])
            assert size is not None
            labels = [face.box.scaled(scale, scale) for face in photo.faces]
            faces += len(labels)
            for small in (None, as_the_hardware_makes_it(image, size)):
                found = [
                    o.face.box
                    for o in Vision(detector, Colours())
                    .observe(RgbPixels(image, lores=small), of(detector))
                    .observations
                ]
                hits = len(matched(found, labels))
                on_full, on_small = (on_full + hits, on_small) if small is None else (on_full, on_small + hits)
    assert faces > 60
    assert on_small >= 0.98 * on_full
    assert on_full > 0.6 * faces


def of(detector: TfliteFaceDetector) -> Thresholds:
    score = detector.recommended_min_score
    return Thresholds(min_score=score, low_score=score, min_confidence=0.5, min_face_px=0, max_faces=300)


def as_even(picture: Image, scale: float) -> Image:
    height, width = (round(length * scale / 2) * 2 for length in picture.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=interpolation), np.uint8)


def as_the_hardware_makes_it(image: Image, size: tuple[int, int]) -> Image:
    """Scaled, and through YUV420, which halves the colour's resolution."""
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return rgb_from_yuv420(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2YUV_I420), np.uint8), *size)


def matched(found: list[Box], labels: list[Box]) -> list[Box]:
    """The labels of which a box was found, at an IoU of 0.5, each by its own."""
    left = list(found)
    hits = []
    for label in labels:
        best = max(left, key=label.iou, default=None)
        if best is not None and best.iou(label) >= 0.5:
            left.remove(best)
            hits.append(label)
    return hits
