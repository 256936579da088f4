"""What one picture shows: faces found, then each face classified."""

from __future__ import annotations

from dataclasses import dataclass

from edge.vision.faces import Face
from edge.vision.masks import Classification


@dataclass(frozen=True, slots=True)
class Observation:
    """One face of one picture; `classification` is None where the face was too weak or too small to judge."""

    face: Face
    classification: Classification | None
