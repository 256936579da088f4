"""How two machines' answers to the same pictures differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.geometry import Box

SAME_FACE_IOU = 0.5
Tensors = Mapping[str, NDArray[Any]]
"""A model's quantized outputs by name."""


@dataclass(slots=True)
class Differences:
    """Between what `maskd detect --json` printed on two machines."""

    pictures: int = 0
    faces: int = 0
    """On the first machine."""
    identical: int = 0
    """Faces that the second machine described with the same figures to the last digit."""
    only_one_saw: int = 0
    other_status: int = 0
    edge_px: float = 0.0
    """The most that an edge of a box is moved by; so the others."""
    edge_share: float = 0.0
    """... as a share of the face's width or height."""
    score: float = 0.0
    probability: float = 0.0


def compare_detections(first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]) -> Differences:
    """Both are lines of the same pictures in the same order. Raises ValueError where they are not, or one failed."""
    found = Differences()
    for one, other in zip(first, second, strict=True):
        if one["source"] != other["source"] or "error" in one or "error" in other:
            raise ValueError(f"{one} and {other} are not the same picture")
        found.pictures += 1
        found.faces += len(one["faces"])
        left = list(other["faces"])
        for face in one["faces"]:
            box = Box(*face["box"])
            twin = max(left, key=lambda each: box.iou(Box(*each["box"])), default=None)
            if twin is None or box.iou(Box(*twin["box"])) < SAME_FACE_IOU:
                found.only_one_saw += 1
                continue
            left.remove(twin)
            _compare_faces(found, face, twin)
        found.only_one_saw += len(left)
    return found


def _compare_faces(found: Differences, face: dict[str, Any], twin: dict[str, Any]) -> None:
    found.identical += face == twin
    found.other_status += face["status"] != twin["status"]
    moved = [abs(a - b) for a, b in zip(face["box"], twin["box"], strict=True)]
    box = Box(*face["box"])
    found.edge_px = max(found.edge_px, *moved)
    found.edge_share = max(found.edge_share, max(moved[::2]) / box.width, max(moved[1::2]) / box.height)
    found.score = max(found.score, abs(face["score"] - twin["score"]))
    assert face["probabilities"].keys() == twin["probabilities"].keys()
    for label, value in face["probabilities"].items():
        found.probability = max(found.probability, abs(value - twin["probabilities"][label]))


def most_steps(first: Tensors, second: Tensors) -> tuple[int, float]:
    """Between the outputs of a model on two machines: the largest difference in quantization steps, and the share of
    values that differ at all."""
    assert first.keys() == second.keys()
    steps = np.concatenate([np.abs(first[k].astype(np.int32) - second[k].astype(np.int32)).ravel() for k in first])
    return int(steps.max()), float((steps > 0).mean())
