"""What is said of single pictures: of the demo's clip, made dark, white, covered, blurred and so on."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edge.payloads.view_fault import ViewFault
from edge.view.edges import edges, has_features, match
from edge.view.judging import fault_of_light, is_blurred
from edge.view.measures import measured
from edge.vision.pixels import RgbPixels
from edge.vision.preprocess import Image
from tests.view.scenes import FRAMES, another_room, blurred, brightened, covered, infrared, noisy, room, shifted

Change = Callable[[Image], Image]
SCENES = (FRAMES[0], FRAMES[10], room(), another_room())


def faults(picture: Image, *before: ViewFault) -> set[ViewFault]:
    measures = measured(RgbPixels(picture))
    light = fault_of_light(measures, before)
    if light is not None:
        return {light}
    return {"blurred"} if is_blurred(measures, before) else set()


def white_behind(picture: Image) -> Image:
    """A window fills the upper third; the room before it is dark."""
    picture = brightened(picture, 0.15)
    picture[: len(picture) // 3] = 250
    return picture


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda p: p, None),
        (lambda p: noisy(p, 8), None),
        (lambda p: noisy(brightened(p, 0.35), 6), None),  # a corridor by its night light
        (lambda p: brightened(p, 1.15), None),
        (infrared, None),
        (lambda p: cv2.resize(p, (1280, 720)), None),
        (lambda p: noisy(brightened(p, 0.03), 4), "dark"),
        (np.zeros_like, "dark"),
        (lambda p: brightened(p, 12), "overexposed"),
        (lambda p: noisy(covered(p), 3), "covered"),  # a cloth
        (lambda p: noisy(np.full_like(p, 128), 8), "covered"),
        (white_behind, "backlit"),
        (lambda p: blurred(p, 7), "blurred"),
    ],
)
def test_each_fault_is_found_in_every_scene(change: Change, fault: ViewFault | None) -> None:
    expected = set() if fault is None else {fault}
    assert [faults(change(scene)) for scene in SCENES] == [expected] * len(SCENES)


def test_what_was_wrong_stays_so_until_it_is_clearly_better() -> None:
    scene = FRAMES[0]
    share = next(s for s in np.arange(0.3, 0, -0.002) if "dark" in faults(brightened(scene, s)))
    assert faults(brightened(scene, share * 1.2)) == set()
    assert faults(brightened(scene, share * 1.2), "dark") == {"dark"}
    assert faults(brightened(scene, share * 1.6), "dark") == set()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (16, 16), (3, 2000), (2160, 3840)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    picture = np.zeros((*size, 3), np.uint8)
    measures = measured(RgbPixels(picture))
    assert faults(picture) == {"dark"}
    found = edges(measures.small)
    assert not has_features(found)
    match(found, found)


@pytest.mark.parametrize("light", [lambda p: brightened(p, 0.3), lambda p: noisy(brightened(p, 0.6), 8), infrared])
def test_edges_stay_where_they_are_by_any_light(light: Change) -> None:
    for scene in SCENES:
        found = match(edges(measured(RgbPixels(light(scene))).small), edges(measured(RgbPixels(scene)).small))
        assert found.here > 0.4
        assert found.shift == 0


@pytest.mark.parametrize("share", [0.08, 0.2])
def test_a_shift_is_measured(share: float) -> None:
    for scene in SCENES:
        found = match(edges(measured(RgbPixels(shifted(scene, share))).small), edges(measured(RgbPixels(scene)).small))
        assert found.shift == pytest.approx(share, abs=0.02)
        assert found.best > max(0.8, found.here + 0.2)


def test_two_rooms_are_not_alike() -> None:
    assert match(edges(measured(RgbPixels(room())).small), edges(measured(RgbPixels(another_room())).small)).here < 0.15
