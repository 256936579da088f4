"""Where the faces of a picture are."""

from __future__ import annotations

from dataclasses import dataclass

from edge.geometry import Box


@dataclass(frozen=True, slots=True)
class Face:
    """A face that a detector found: its box in pixels of the picture, and how sure the detector is, 0 to 1."""

    box: Box
    score: float
