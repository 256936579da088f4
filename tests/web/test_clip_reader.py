"""What the reader of clips tells is enough for the very events of a live run."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytest

from edge.camera.frame import Frame
from edge.camera.video import frames
from edge.config import Config
from edge.demo_clip import CLIP
from edge.geometry import Box
from edge.people.observations import Look, look_from_list
from edge.people.replay_observed import Judgements, replay_looks
from edge.people.transition import Transition
from edge.people.watched_camera import camera_rules
from edge.vision.build import build_vision
from edge.vision.cutouts import Cutout
from edge.vision.faces import Face
from edge.vision.masks import Classification
from edge.vision.pipeline import Vision
from edge.vision.pixels import Pixels, pixels_of
from edge.vision.preprocess import Image
from edge.web.clip_reader import looks
from tests.people.test_replay import anonymous, live

LABELS = ("with_mask", "without_mask")


class Painted:
    """A detector and a classifier that read what a picture shows in its blue channel, where the gate does not look."""

    recommended_min_score = 0.5
    recommended_min_confidence = 0.5
    labels = LABELS

    def detect(self, image: Image, min_score: float) -> list[Face]:
        score = float(image[0, 0, 2]) / 255
        return [Face(Box(20, 20, 60, 60), score)] if score >= min_score else []

    def cut_out(self, pixels: Pixels, box: Box) -> Cutout:
        return Cutout(lambda: pixels.rgb, box)

    def classify(self, picture: Image | Pixels, boxes: Sequence[Box], *, min_confidence: float) -> list[Classification]:
        sure = float(pixels_of(picture).rgb[0, 1, 2]) / 255
        return [self._answer(sure, min_confidence) for _ in boxes]

    def _answer(self, sure: float, min_confidence: float) -> Classification:
        by_label = dict(zip(LABELS, (sure, 1 - sure), strict=True))
        best = max(by_label, key=by_label.__getitem__)
        return Classification(best if by_label[best] >= min_confidence else "unknown", by_label[best], by_label)


def a_corridor(seed: int) -> list[Frame]:
    """Faces that come without a motion, and motions without a face, at an uneven rate."""
    chance, pictures, at = random.Random(seed), [], 0.0
    score, sure, left = 0, 0, 0
    for number in range(500):
        if chance.random() < 0.06:
            score, sure = chance.choice([0, 0, 0, 20, 90, 250]), chance.randrange(256)
        if chance.random() < 0.01:
            left = chance.randrange(80)
        image = np.full((100, 100, 3), 60, np.uint8)
        image[30:70, left : left + 20, 1] = 200
        image[0, :2, 2] = score, sure
        pictures.append(Frame(image, at, number))
        at += chance.choice([0.05, 0.1, 0.1, 0.4])
    return pictures


def rules_of(vision: Vision, **sections: Any) -> tuple[Config, Any]:
    config = Config.model_validate({"cameras": {"door": {"source": "demo"}}, **sections})
    return config, camera_rules(config, "door", vision.recommended)


def read(pictures: Iterator[Frame], config: Config, vision: Vision) -> list[Look]:
    return [look_from_list(each) for each in json.loads(json.dumps(list(looks(pictures, config, vision))))]


def replayed(read_once: list[Look], labels: Sequence[str], by: Any) -> list[Transition]:
    outcome = replay_looks(read_once, Judgements(read_once, labels), "door", by)
    assert outcome.approximate == 0
    return anonymous(outcome.transitions)


@pytest.mark.parametrize("seed", range(5))
def test_the_gate_of_a_replay_opens_as_that_of_a_live_run(seed: int) -> None:
    vision, pictures = Vision(Painted(), Painted()), a_corridor(seed)  # type: ignore[arg-type]  # enough of each
    config, _ = rules_of(vision)
    read_once = read(iter(pictures), config, vision)
    stories = []
    for sections in (
        {},
        {"detector": {"min_score": 0.3}, "tracking": {"lost_after_s": 0.5}},
        {"compliance": {"min_votes": 2, "hold_s": 0.2}},
        {"detector": {"motion_gate": False}},
    ):
        by = rules_of(vision, **sections)[1]
        stories.append(replayed(read_once, LABELS, by))
        assert stories[-1] == anonymous(live(vision, iter(pictures), by))
    assert stories[0] != stories[-1], "the gate makes a difference"


def test_a_clip_gives_exactly_the_events_of_a_live_run() -> None:
    config = Config.model_validate({"cameras": {"door": {"source": "demo"}}})
    vision = build_vision(config)
    read_once = read(islice(frames(CLIP), 120), config, vision)
    for sections in ({}, {"compliance": {"min_votes": 2}, "detector": {"min_score": 0.3}}):
        by = rules_of(vision, **sections)[1]
        expected = anonymous(live(vision, islice(frames(CLIP), 120), by))
        assert expected
        assert replayed(read_once, vision.classifier.labels, by) == expected
