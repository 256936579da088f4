"""How each face wears its mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNKNOWN = "unknown"
"""The status where the evidence is too weak; never a label of a model."""


@dataclass(frozen=True, slots=True)
class Classification:
    """What the classifier says of one face.

    `status` is a label of the model's manifest, or `unknown` where `confidence` is below the threshold.
    `confidence` is the highest probability, 0 to 1; `probabilities` holds every label's and sums to 1.
    """

    status: str
    confidence: float
    probabilities: Mapping[str, float]
