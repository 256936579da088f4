"""How large a face must be for the models, in pixels of the picture."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from edge.vision.thresholds import Thresholds

DETECTABLE_PX = 16.0
"""Height of a face in the detector's input, two cells of its finest map. On the test photos it finds 6 of 10 faces of
about this size in a single picture, 8 of 10 of twice the size, and 3 of 10 below (docs/models.md, slices by height)."""
JUDGEABLE_PX = 16.0
"""Height in the picture, from which the classifier was right on 98 of 100 test faces; there were few smaller ones."""


@runtime_checkable
class KnowsSmallestFace(Protocol):
    """A detector that can tell."""

    def smallest_face_px(self, width: int, height: int) -> float:
        """Height of the smallest face that it finds reliably, in pixels of a picture of this size."""
        ...


def needed_face_px(detector: object, thresholds: Thresholds, width: int, height: int) -> float:
    """Height of the smallest face that is found and judged reliably, in pixels of a picture of this size."""
    found = detector.smallest_face_px(width, height) if isinstance(detector, KnowsSmallestFace) else 0.0
    return max(found, JUDGEABLE_PX, thresholds.min_face_px)
