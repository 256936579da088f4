"""How a labelled face was taken, and what is seen on it: the slices of an evaluation.

Most traits were not labelled. Each of them is measured on the pixels inside and around the face's box, as described
next to it; a mask changes some of them, and a face that is too small for one has none. The last ones were marked by
looking at the faces; see `marks`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.geometry import Box
from edge.vision.preprocess import Image, resize
from training.evaluation.marks import BEARD, BEFORE_MOUTH, DARK_MASK

Floats = NDArray[np.float32]
Points = NDArray[np.float32]
"""Eyes, nose and corners of the mouth, the left ones (as the viewer sees them) first; shape (5, 2), in pixels."""

SHARPNESS_SIDE = 32
"""Pixels of the face's height at which sharpness is measured, so that it means the same on faces of all sizes."""
FOREHEAD_LEAST_PX = 24
"""Height of a face below which its forehead is a few pixels."""
POSE_LEAST_PX = 16
"""Height of a face below which five landmarks lie within a pixel or two of each other."""

_MARKED = "Marked by eye on faces of 32 px and more; `unknown` holds all others."


@dataclass(frozen=True, slots=True)
class Trait:
    """One way to cut up the faces: `slices[i]` holds values from `edges[i - 1]` up to, not including, `edges[i]`."""

    name: str
    explanation: str
    edges: tuple[float, ...]
    slices: tuple[str, ...]

    def slice_of(self, value: float) -> str:
        return self.slices[bisect_right(self.edges, value)]


TRAITS = (
    Trait(
        "height",
        "Height of the face in pixels of the photo.",
        (10, 16, 24, 48, 96),
        ("under 10 px", "10–16 px", "16–24 px", "24–48 px", "48–96 px", "96 px and more"),
    ),
    Trait(
        "brightness",
        "Mean luma inside the box, 0 to 255, the mask included.",
        (70, 170),
        ("dark (under 70)", "mid", "bright (170 and more)"),
    ),
    Trait(
        "backlight",
        "Mean luma of a frame around the box less that of the face.",
        (-40, 40),
        ("face 40 brighter", "alike", "backlit (face 40 darker)"),
    ),
    Trait(
        "contrast",
        "Standard deviation of the luma inside the box, in steps of 255.",
        (30, 60),
        ("low (under 30)", "mid", "high (60 and more)"),
    ),
    Trait(
        "sharpness",
        f"Fine detail (Laplacian) over contrast, on the face shrunk to {SHARPNESS_SIDE} px; smaller faces have none. A "
        "sharp face has about 0.9, and 0.4 after a Gaussian blur of 1/40 of its height.",
        (0.5, 0.8),
        ("blurred (under 0.5)", "mid", "sharp (0.8 and more)"),
    ),
    Trait(
        "skin tone",
        "Individual typology angle (Chardon et al. 1991) of the skin between hairline and eyes: an estimate of its "
        "appearance, which depends on shade, light and camera as much as on the person. Faces of "
        f"{FOREHEAD_LEAST_PX} px and more with enough skin-coloured pixels.",
        (10, 41),
        ("appears dark (under 10°)", "appears medium (10–41°)", "appears light (41° and more)"),
    ),
    Trait(
        "head turn",
        "Distance of the nose from the middle between the eyes, over the eyes' distance, by YuNet's landmarks; about "
        "20° and 45° at the edges. Under a mask the landmarks are guessed. A face on which YuNet finds none is "
        "`unknown`, so recall, above all YuNet's own, looks better here than it is.",
        (0.2, 0.5),
        ("frontal", "turned", "profile"),
    ),
    Trait(
        "head tilt",
        "Angle of the line between the eyes by YuNet's landmarks, with the same limits.",
        (15, 30),
        ("upright", "tilted (15–30°)", "strongly tilted"),
    ),
    Trait(
        BEFORE_MOUTH,
        "A hand, a cup, a microphone, a cloth or another thing before or at the mouth. " + _MARKED,
        (),
        ("marked",),
    ),
    Trait(BEARD, "A beard that shows, also beside a mask. " + _MARKED, (), ("marked",)),
    Trait(DARK_MASK, "A black, navy or dark grey mask. " + _MARKED, (), ("marked",)),
)


def measure_traits(image: Image, box: Box, landmarks: Points | None = None) -> dict[str, float]:
    """The value of each trait that can be told of the face at `box`, by the names of TRAITS."""
    face = _pixels(image, box)
    values: dict[str, float | None] = {"height": box.height}
    if face.size:
        luma = luma_of(face)
        values["brightness"] = float(luma.mean())
        values["backlight"] = backlight(image, box)
        values["contrast"] = float(luma.std())
        values["sharpness"] = sharpness(face)
        values["skin tone"] = skin_angle(image, box)
    if landmarks is not None and box.height >= POSE_LEAST_PX:
        values["head turn"], values["head tilt"] = head_pose(landmarks)
    return {name: value for name, value in values.items() if value is not None}


def luma_of(image: Image) -> Floats:
    """Shape (height, width), 0 to 255; the weights are those of ITU-R BT.601."""
    return np.asarray(image @ np.array([0.299, 0.587, 0.114], dtype=np.float32), dtype=np.float32)


def backlight(image: Image, box: Box) -> float | None:
    """Mean luma of a frame of half the box's size around it, less that of the box; None where no frame is left."""
    around = Box(
        box.x1 - box.width / 2, box.y1 - box.height / 2, box.x2 + box.width / 2, box.y2 + box.height / 2
    ).clipped(image.shape[1], image.shape[0])
    outer, inner = luma_of(_pixels(image, around)), luma_of(_pixels(image, box))
    # A frame of a few pixels along one edge says nothing of the light.
    if outer.size < 1.5 * inner.size:
        return None
    ring = (float(outer.sum()) - float(inner.sum())) / (outer.size - inner.size)
    return ring - float(inner.mean())


def sharpness(face: Image) -> float | None:
    """Standard deviation of the Laplacian over that of the luma, so that contrast does not count as sharpness.

    Measured after shrinking to SHARPNESS_SIDE pixels of height; None for smaller faces and for flat ones.
    """
    height, width = face.shape[:2]
    if height < SHARPNESS_SIDE:
        return None
    luma = luma_of(resize(face, max(8, round(width * SHARPNESS_SIDE / height)), SHARPNESS_SIDE))
    spread = float(luma.std())
    if spread < 1:
        return None
    return float(np.asarray(cv2.Laplacian(luma, cv2.CV_32F)).std()) / spread


def skin_angle(image: Image, box: Box) -> float | None:
    """Individual typology angle of the forehead in degrees, lighter skin higher; None where it cannot be told.

    atan((L* - 50) / b*) in CIELAB (Chardon, Cretois & Hourseau, "Skin colour typology and suntanning pathways", Int. J.
    Cosmetic Science 1991), with the medians of the lighter half of the pixels between hairline and eyes that are
    reddish and yellowish as skin is. The darker half is left out because boxes reach into the hair. A hood, a hat and a
    photo without colour leave too few pixels.
    """
    if box.height < FOREHEAD_LEAST_PX:
        return None
    forehead = Box(
        box.x1 + 0.25 * box.width, box.y1 + 0.14 * box.height, box.x1 + 0.75 * box.width, box.y1 + 0.42 * box.height
    )
    pixels = _pixels(image, forehead.clipped(image.shape[1], image.shape[0]))
    if not pixels.size:
        return None
    lab = cv2.cvtColor(pixels.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB).reshape(-1, 3)
    lightness, red, yellow = lab.T
    skin = (lightness > 15) & (red > 4) & (red < 40) & (yellow > 7) & (yellow < 45)
    if np.count_nonzero(skin) < 0.4 * len(lab):
        return None
    lab = lab[skin]
    lab = lab[lab[:, 0] >= np.median(lab[:, 0])]
    return math.degrees(math.atan2(float(np.median(lab[:, 0])) - 50, float(np.median(lab[:, 2]))))


def head_pose(landmarks: Points) -> tuple[float, float]:
    """Turn, as the nose's distance from the middle of the face over the eyes' distance, and tilt in degrees, 0 to 90.

    The middle runs between the eyes at a right angle to the line through them, so that a tilted head is not a turned
    one. A nose that protrudes by half the eyes' distance gives half the tangent of the angle by which the head turns.
    """
    left_eye, right_eye, nose = (np.asarray(point, dtype=np.float64) for point in landmarks[:3])
    eyes = right_eye - left_eye
    distance = max(float(np.hypot(*eyes)), 1e-6)
    turn = abs(float((nose - (left_eye + right_eye) / 2) @ eyes)) / distance**2
    tilt = abs(math.degrees(math.atan2(float(eyes[1]), float(eyes[0]))))
    return turn, min(tilt, 180 - tilt)


def _pixels(image: Image, box: Box) -> Image:
    """The pixels of a box, at least one where it touches the picture."""
    height, width = image.shape[:2]
    x1, y1 = (max(0, int(value)) for value in (box.x1, box.y1))
    x2, y2 = min(width, math.ceil(box.x2)), min(height, math.ceil(box.y2))
    return image[y1:y2, x1:x2]
