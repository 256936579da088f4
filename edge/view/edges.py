"""Where the edges of a scene are, whatever the light does, and how well two such maps fit."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge.view.measures import Floats, Grey

_NOISE = 8.0
"""Edges far below this count as none."""
_LEAST_EDGES = 0.08
"""Mean strength of the edges of a scene that can be known again; an ordinary one has 0.3 and more."""
_REACH = 0.25
"""A picture is looked for as far as this share of its size in each direction."""


@dataclass(frozen=True, slots=True)
class Match:
    """How well one map fits another."""

    here: float
    """Correlation as they lie, -1 to 1."""
    best: float
    """That of the middle of one where it fits the other best."""
    shift: float
    """How far away that is, as a share of the picture's width."""


def edges(small: Grey) -> Floats:
    """A map of the picture's edges, each by its strength against its surroundings, 0 to about 3."""
    picture = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 0.8)
    strength = cv2.magnitude(cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1)) / 4
    relative = strength / (cv2.blur(strength, (15, 15)) + _NOISE)
    return np.asarray(cv2.GaussianBlur(relative, (0, 0), 0.8), np.float32)


def has_features(found: Floats) -> bool:
    return float(found.mean()) >= _LEAST_EDGES


def match(now: Floats, before: Floats) -> Match:
    """Two maps of one size."""
    height, width = now.shape
    top, left = round(height * _REACH), round(width * _REACH)
    middle = np.ascontiguousarray(now[top : height - top, left : width - left])
    scores = cv2.matchTemplate(before, middle, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    here = cv2.matchTemplate(before, now, cv2.TM_CCOEFF_NORMED)[0, 0]
    return Match(float(here), float(best), float(np.hypot(x - left, y - top)) / width)
