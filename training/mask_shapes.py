"""Where a mask lies on a face: a surface in three dimensions for each way of wearing, seen by the face's own camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.landmarks import Landmarks

Array = NDArray[np.float32]
Wearing = Literal["correct", "under_nose", "on_chin", "under_chin", "over_eyes"]

# A face's own coordinates: x to the viewer's right, y down, z towards the viewer, in distances of the eyes, from the
# middle between the eyes. Rounded from adult averages; the camera's fit absorbs how a face differs from them.
MOUTH_Y, CHIN_Y = 1.08, 1.72
_EYE, _NOSE, _MOUTH = (0.5, 0.0, 0.0), (0.0, 0.62, 0.42), (0.36, MOUTH_Y, 0.12)
_LANDMARKS = np.array(
    [(-_EYE[0], *_EYE[1:]), _EYE, _NOSE, (-_MOUTH[0], *_MOUTH[1:]), _MOUTH],
    dtype=np.float64,
)
EAR = (1.12, 0.4, -1.0)
"""Where a loop goes behind the ear, on the viewer's right."""

# Along the middle of the face and next to it: how far it protrudes (z) at some heights (y).
_HEIGHTS = (-0.8, -0.3, 0.0, 0.35, 0.62, 0.8, 1.08, 1.4, 1.72, 1.9, 2.3, 2.8)
_RIDGE = (0.05, 0.12, 0.08, 0.25, 0.48, 0.36, 0.34, 0.3, 0.26, 0.02, -0.25, -0.25)
_BESIDE = (0.0, 0.05, 0.0, 0.08, 0.12, 0.15, 0.2, 0.2, 0.18, -0.05, -0.3, -0.3)
_RIDGE_WIDTH = 0.28
_DEPTH = 1.25
"""How far the ears lie behind the cheeks."""


@dataclass(frozen=True, slots=True)
class FaceCamera:
    """How points of the face's coordinates show on the picture: an affine projection, `matrix` of shape (2, 4)."""

    matrix: NDArray[np.float64]

    def project(self, points: Array) -> Array:
        """Pixels (..., 2) of points (..., 3)."""
        return np.asarray(points @ self.matrix[:, :3].T + self.matrix[:, 3], dtype=np.float32)

    @property
    def eye_distance(self) -> float:
        """Of a face seen from the front at this size, in pixels."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))


def face_camera(landmarks: Landmarks) -> FaceCamera:
    """The projection that best puts an average face's landmarks where these are."""
    known = np.concatenate([_LANDMARKS, np.ones((5, 1))], axis=1)
    # The depth rests on the nose alone; a weak pull to none keeps noses that differ from turning the face.
    pull = np.array([[0.0, 0.0, 0.12, 0.0]])
    wanted = np.concatenate([landmarks.points().astype(np.float64), np.zeros((1, 2))])
    solved, *_ = np.linalg.lstsq(np.concatenate([known, pull]), wanted, rcond=None)
    return FaceCamera(solved.T)


@dataclass(frozen=True, slots=True)
class MaskShape:
    """The outline of a mask on a face: heights (y) of its upper and lower edge in the middle and at the sides, how far
    it reaches around the face (`reach`, degrees from the front), and how askew it hangs (`tilt`, y per side)."""

    top: float
    top_side: float
    bottom: float
    bottom_side: float
    reach: float = 68.0
    tilt: float = 0.0

    def surface(self, u: Array, v: Array) -> Array:
        """Points (..., 3) of the mask: `u` from -1 at its left end to 1, `v` from 0 at its upper edge to 1."""
        side = np.abs(u)
        upper = self.top + (self.top_side - self.top) * side**1.4
        lower = self.bottom_side + (self.bottom - self.bottom_side) * (1 - side**2.2)
        y = upper + (lower - upper) * v + self.tilt * u
        return on_face(np.radians(self.reach) * u, y)


def on_face(angle: Array, y: Array) -> Array:
    """The points (..., 3) of a face at angles around its vertical axis (radians, 0: the front) and heights y."""
    ridge, beside = np.interp(y, _HEIGHTS, _RIDGE), np.interp(y, _HEIGHTS, _BESIDE)
    x = 1.12 * np.sin(angle) * (1 - 0.18 * np.clip((y - 0.9) / 0.9, 0, 1) ** 2)
    front = beside + (ridge - beside) * np.exp(-((x / _RIDGE_WIDTH) ** 2))
    return np.stack([x, y, front - _DEPTH * (1 - np.cos(angle))], axis=-1).astype(np.float32)


NOMINAL = MaskShape(0.32, 0.62, 1.8, 1.12)
"""A mask worn as it should be."""

_SHAPES: dict[Wearing, tuple[tuple[float, float, float, float], tuple[float, float, float, float]]] = {
    # Least and greatest top, top_side, bottom, bottom_side.
    "correct": ((0.2, 0.5, 1.7, 1.0), (0.42, 0.72, 1.92, 1.22)),
    "under_nose": ((0.68, 0.62, 1.85, 1.1), (0.86, 0.9, 2.15, 1.4)),
    "on_chin": ((1.22, 0.85, 2.0, 1.3), (1.42, 1.15, 2.4, 1.6)),
    "under_chin": ((1.5, 1.0, 2.15, 1.35), (1.75, 1.3, 2.55, 1.7)),
    "over_eyes": ((-0.55, -0.4, 0.3, 0.15), (-0.35, -0.2, 0.55, 0.4)),
}


def random_shape(wearing: Wearing, rng: np.random.Generator) -> MaskShape:
    """One of the outlines that masks have when they are worn in this way."""
    least, greatest = _SHAPES[wearing]
    top, top_side, bottom, bottom_side = (float(value) for value in rng.uniform(least, greatest))
    return MaskShape(
        top, top_side, bottom, bottom_side, reach=float(rng.uniform(58, 76)), tilt=float(rng.normal(0, 0.04))
    )
