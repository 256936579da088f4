"""Draws the demo clip, three people who come to a counter, from a portrait inside scikit-image.

`python -m tools.demo_clip.clip` makes the one that is shipped.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.demo_clip import CLIP, CLIP_S
from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.preprocess import Image
from tools.demo_clip.portrait import FACE, FloatImage, Mask, Sprite, load_portrait, make_sprite

WIDTH, HEIGHT = 640, 480
FPS = 12.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a face is at a moment: its middle in pixels of the clip, and its size as a multiple of the portrait's."""

    at_s: float
    x: float
    y: float
    scale: float


@dataclass(frozen=True, slots=True)
class Appearance:
    """One of `edge.commands.demo.PEOPLE`, from coming in to going out."""

    name: str
    poses: tuple[Pose, ...]
    """In the order of time; before the first and after the last the person is not in the picture."""
    mask: Mask | None
    lift: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    """How far the mask is pulled up (0 under the nose, 1 as it is meant to be worn) at which second."""
    suit_hue: int = 0
    brightness: float = 1.0
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """What somebody who watches the clip would write down, in the order of `from_s`."""

    person: str
    type: Literal["started", "changed", "ended"]
    status: str
    previous: str | None
    from_s: float
    """The second of the clip in which it becomes true; the event follows when votes or absence are certain."""


APPEARANCES: tuple[Appearance, ...] = (
    Appearance(
        name="A",
        poses=(
            Pose(0.5, -130, 245, 0.78),
            Pose(2.0, 200, 240, 0.80),
            Pose(7.0, 225, 235, 0.86),
            Pose(8.6, -140, 245, 0.80),
        ),
        mask=Mask((150, 195, 222)),
    ),
    Appearance(
        name="B",
        poses=(
            Pose(4.0, 780, 235, 0.92),
            Pose(5.6, 470, 230, 0.95),
            Pose(11.0, 440, 225, 1.00),
            Pose(12.8, 800, 240, 0.95),
        ),
        mask=None,
        suit_hue=100,
        brightness=0.95,
        mirrored=True,
    ),
    Appearance(
        name="C",
        poses=(
            Pose(11.0, -140, 240, 0.88),
            Pose(12.8, 260, 240, 0.90),
            Pose(16.0, 330, 235, 0.98),
            Pose(21.0, 310, 238, 0.94),
            Pose(22.8, -150, 245, 0.90),
        ),
        mask=Mask((226, 233, 238)),
        lift=((16.2, 0.0), (16.8, 1.0)),
        suit_hue=75,
        brightness=1.05,
    ),
)

EXPECTED_EVENTS: tuple[ExpectedEvent, ...] = (
    ExpectedEvent("A", "started", "with_mask", None, 1.2),
    ExpectedEvent("B", "started", "without_mask", None, 4.7),
    ExpectedEvent("A", "ended", "with_mask", None, 8.2),
    ExpectedEvent("C", "started", "mask_weared_incorrect", None, 11.8),
    ExpectedEvent("B", "ended", "without_mask", None, 12.3),
    ExpectedEvent("C", "changed", "with_mask", "mask_weared_incorrect", 16.8),
    ExpectedEvent("C", "ended", "with_mask", None, 22.3),
)


def make_clip(path: Path, *, fps: float = FPS, duration_s: float = CLIP_S) -> None:
    """Renders the clip into a file of 640x480 pixels, MP4 or AVI by its suffix; `path` appears when it is complete.

    An AVI of Motion JPEG is four times as large, and is read without any other library. Raises MaskdError where
    scikit-image is missing or the file cannot be written.
    """
    unfinished = path.with_name(f".{os.getpid()}-{path.name}")
    codec = cv2.VideoWriter.fourcc(*("mp4v" if path.suffix == ".mp4" else "MJPG"))
    writer = cv2.VideoWriter(str(unfinished), codec, fps, (WIDTH, HEIGHT))
    try:
        if not writer.isOpened():
            raise MaskdError(
                f"the demo clip cannot be written to {path}; check the folder's permissions and the disk's free space"
            )
        for picture in render(fps=fps, duration_s=duration_s):
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        writer.release()
        unfinished.replace(path)
    finally:
        writer.release()
        unfinished.unlink(missing_ok=True)


def render(*, fps: float = FPS, duration_s: float = CLIP_S) -> Iterator[Image]:
    """The pictures of the clip, (480, 640, 3) RGB."""
    wardrobe = _Wardrobe(load_portrait())
    room, counter = _room(), _counter()
    for number in range(round(duration_s * fps)):
        picture = room.copy()
        for appearance in APPEARANCES:
            pose = pose_at(appearance, number / fps)
            if pose is not None:
                _draw(picture, wardrobe.sprite(appearance, lift_at(appearance, pose.at_s)), appearance, pose)
        picture[COUNTER_Y:] = counter
        yield _developed(picture)


def still(people: Sequence[tuple[Appearance, Pose]]) -> Image:
    """One picture with everybody in these poses, (480, 640, 3) RGB; masks are as high as at each pose's second. Raises
    MaskdError where scikit-image is missing."""
    wardrobe = _Wardrobe(load_portrait())
    picture = _room()
    for appearance, pose in people:
        _draw(picture, wardrobe.sprite(appearance, lift_at(appearance, pose.at_s)), appearance, pose)
    picture[COUNTER_Y:] = _counter()
    return _developed(picture)


def pose_at(appearance: Appearance, second: float) -> Pose | None:
    """Where somebody is at a second of the clip, on a smooth way between the poses; None while away."""
    poses = appearance.poses
    if not poses[0].at_s <= second <= poses[-1].at_s:
        return None
    index = next(i for i in range(1, len(poses)) if second <= poses[i].at_s)
    before, after = poses[index - 1], poses[index]
    share = (second - before.at_s) / (after.at_s - before.at_s)
    share = share * share * (3 - 2 * share)
    # Nobody stands quite still.
    sway_x = 3.0 * math.sin(2.1 * second) + 1.5 * math.sin(5.3 * second)
    sway_y = 2.0 * math.sin(3.1 * second + 1)
    return Pose(
        second,
        before.x + (after.x - before.x) * share + sway_x,
        before.y + (after.y - before.y) * share + sway_y,
        before.scale + (after.scale - before.scale) * share,
    )


def lift_at(appearance: Appearance, second: float) -> float:
    """How far the mask is pulled up at a second of the clip, 0 to 1."""
    times, lifts = zip(*appearance.lift, strict=True)
    return float(np.interp(second, times, lifts))


def face_box(pose: Pose) -> Box:
    """The face of that pose in pixels of the clip; it may reach past the picture."""
    width, height = FACE.width * pose.scale / 2, FACE.height * pose.scale / 2
    return Box(pose.x - width, pose.y - height, pose.x + width, pose.y + height)


class _Wardrobe:
    """The cut-outs of everybody, each made once."""

    def __init__(self, portrait: Image) -> None:
        self._portrait = portrait
        self.sprite = functools.cache(self._make)

    def _make(self, appearance: Appearance, lift: float) -> Sprite:
        return make_sprite(
            self._portrait,
            mask=appearance.mask,
            lift=lift,
            suit_hue=appearance.suit_hue,
            brightness=appearance.brightness,
        )


def _draw(picture: FloatImage, sprite: Sprite, appearance: Appearance, pose: Pose) -> None:
    """Lays the cut-out over the picture, its face in the middle of the pose."""
    tilt = math.radians(2.5 * math.sin(1.3 * pose.at_s))
    flip = -1.0 if appearance.mirrored else 1.0
    turn = pose.scale * np.array(
        [[flip * math.cos(tilt), -math.sin(tilt)], [flip * math.sin(tilt), math.cos(tilt)]], dtype=np.float64
    )
    shift = np.array([pose.x, pose.y]) - turn @ np.array(FACE.center)
    matrix = np.column_stack([turn, shift])
    warped: FloatImage = np.asarray(
        cv2.warpAffine(sprite.pixels, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR), dtype=np.float32
    )
    picture *= 1 - warped[:, :, 3:]
    picture += warped[:, :, :3]


COUNTER_Y = 420
"""The row of the clip where the counter begins, which hides where the cut-outs end."""


def _developed(picture: FloatImage) -> Image:
    return np.asarray(np.clip(picture * 255 + 0.5, 0, 255), dtype=np.uint8)


def _room() -> FloatImage:
    """A plain wall in soft light with a doorway and a notice board."""
    xs, ys = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    light = 0.80 - 0.10 * ys + 0.06 * np.exp(-(((xs - 0.35) / 0.5) ** 2) - ((ys - 0.2) / 0.6) ** 2)
    room = (light[:, :, None] * np.array([0.99, 0.98, 0.95])).astype(np.float32)
    _rectangle(room, (520, 60, 610, COUNTER_Y), (0.55, 0.50, 0.44))
    _rectangle(room, (530, 70, 600, COUNTER_Y), (0.68, 0.63, 0.56))
    _rectangle(room, (60, 50, 190, 120), (0.50, 0.46, 0.40))
    _rectangle(room, (66, 56, 184, 114), (0.78, 0.72, 0.60))
    blurred = np.asarray(cv2.GaussianBlur(room, (0, 0), 2.0), dtype=np.float32)
    grain = np.random.default_rng(3).normal(0, 0.008, (HEIGHT, WIDTH, 1)).astype(np.float32)
    return blurred + grain


def _counter() -> FloatImage:
    shade = np.linspace(0.62, 0.42, HEIGHT - COUNTER_Y, dtype=np.float32)
    shade[:5] = 0.75
    rows: NDArray[np.float32] = np.repeat(shade[:, None], WIDTH, axis=1)
    return np.asarray(rows[:, :, None] * np.array([0.80, 0.66, 0.50], dtype=np.float32), dtype=np.float32)


def _rectangle(picture: FloatImage, corners: tuple[int, int, int, int], colour: tuple[float, float, float]) -> None:
    x1, y1, x2, y2 = corners
    picture[y1:y2, x1:x2] = colour


if __name__ == "__main__":
    make_clip(CLIP)
