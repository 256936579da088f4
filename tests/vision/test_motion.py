"""The motion gate: what opens it, and that nobody is missed behind it."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edge.camera.video import frames
from edge.config import Config
from edge.demo_clip import CLIP
from edge.people.replay import replay
from edge.people.watched_camera import camera_rules
from edge.vision.build import build_vision
from edge.vision.faces import Face
from edge.vision.motion import AWAKE_S, GateRules, MotionGate
from edge.vision.pipeline import Vision
from edge.vision.pixels import Pixels, RgbPixels
from edge.vision.preprocess import Image

FPS = 10
NOISE = np.random.default_rng(1).normal(size=1080 * 1920 * 3 + 7919 * 101).astype(np.float32)
RULES = GateRules(still_s=1.0)


def corridor(number: int, *, noise: float = 6.0, light: float = 1.0, size: tuple[int, int] = (480, 640)) -> Image:
    """A dim passage with a bright door, and the noise of a sensor, which is different in every picture."""
    scene = np.full((*size, 3), 50, np.float32)
    scene[size[0] // 4 :, size[1] // 3 : size[1] // 2] = 150
    scene *= light
    scene += NOISE[7919 * number :][: scene.size].reshape(scene.shape) * noise
    return np.clip(scene, 0, 255).astype(np.uint8)


def with_body(image: Image, left: int, *, height: int = 90) -> Image:
    """Somebody far away, whose face has a seventh of this height."""
    image[200 : 200 + height, left : left + height // 3] = 90
    return image


def looks(gate: MotionGate, pictures: Sequence[Image], *, start: float = 0.0, is_empty: bool = True) -> list[float]:
    """When the gate opened, in seconds from the first picture."""
    times = [number / FPS for number in range(len(pictures))]
    return [
        at
        for at, picture in zip(times, pictures, strict=True)
        if gate.opens(RgbPixels(picture), start + at, RULES, is_empty=is_empty)
    ]


def awake(gate: MotionGate) -> float:
    """Lets the first looks of a new gate pass; returns the time."""
    looks(gate, [corridor(n) for n in range(round(AWAKE_S * FPS) + 1)])
    return AWAKE_S + 1 / FPS


@pytest.mark.parametrize("noise", [0.0, 3.0, 12.0])
def test_a_still_scene_is_looked_at_now_and_then(noise: float) -> None:
    gate = MotionGate()
    seen = looks(gate, [corridor(n, noise=noise) for n in range(100)])
    first = [at for at in seen if at <= AWAKE_S]
    assert len(first) == AWAKE_S * FPS + 1, "a new camera begins awake"
    assert np.diff([at for at in seen if at > AWAKE_S]) == pytest.approx(RULES.still_s)


def test_light_that_changes_opens_it_not() -> None:
    gate = MotionGate()
    start = awake(gate)
    dimmed = [corridor(n, light=1 - 0.01 * (n % 5)) for n in range(40)]
    assert len(looks(gate, dimmed, start=start)) <= 4


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (640, 480)])
def test_somebody_far_away_opens_it_at_once_and_keeps_it_open(size: tuple[int, int]) -> None:
    gate = MotionGate()
    looks(gate, [corridor(n, size=size) for n in range(60)])
    height = 90 * min(size) // 480
    walking = [with_body(corridor(n, size=size), 20 + 4 * n, height=height) for n in range(20)]
    assert len(looks(gate, walking, start=6.0)) == 20
    standing = [with_body(corridor(n, size=size), 96, height=height) for n in range(10)]
    assert len(looks(gate, standing, start=8.0)) == 10


def test_it_stays_open_while_somebody_is_followed() -> None:
    gate = MotionGate()
    start = awake(gate)
    still = [corridor(n) for n in range(50)]
    assert len(looks(gate, still, start=start, is_empty=False)) == 50
    after = looks(gate, still, start=start + 5)
    assert after[: round(AWAKE_S * FPS) - 1] == [n / FPS for n in range(round(AWAKE_S * FPS) - 1)]
    assert len(after) < 30


def test_switched_off_it_is_always_open() -> None:
    gate = MotionGate()
    assert all(gate.opens(RgbPixels(corridor(0)), n / FPS, GateRules(enabled=False), is_empty=True) for n in range(50))


def test_a_picture_of_another_size_opens_it() -> None:
    gate = MotionGate()
    start = awake(gate)
    assert gate.opens(RgbPixels(corridor(1)), start + 1.0, RULES, is_empty=True)
    assert not gate.opens(RgbPixels(corridor(2)), start + 1.1, RULES, is_empty=True)
    assert gate.opens(RgbPixels(corridor(3, size=(240, 320))), start + 1.2, RULES, is_empty=True)


class Counting(Vision):
    def __init__(self, vision: Vision) -> None:
        super().__init__(vision.detector, vision.classifier)
        self.looks = 0

    def _detect(self, pixels: Pixels, min_score: float) -> list[Face]:
        self.looks += 1
        return super()._detect(pixels, min_score)


def test_the_clip_gives_the_same_events_with_it() -> None:
    config = Config.model_validate({"cameras": {"door": {"source": "demo"}}})
    counting = Counting(build_vision(config))
    gated = camera_rules(config, "door", counting.recommended)
    always = replace(gated, gate=GateRules(enabled=False))
    happened = {
        name: replay(frames(CLIP), counting, {name: each})[name]
        for name, each in (("gated", gated), ("always", always))
    }
    assert len(happened["always"]) == 7
    for one, other in zip(happened["gated"], happened["always"], strict=True):
        assert (one.type, one.status) == (other.type, other.status)
        assert one.at == pytest.approx(other.at, abs=0.3)


def test_the_gate_keeps_no_picture() -> None:
    gate, pixels = MotionGate(), RgbPixels(corridor(0))
    is_kept = weakref.ref(pixels.rgb)
    gate.opens(pixels, 0.0, RULES, is_empty=False)
    del pixels
    assert is_kept() is None
