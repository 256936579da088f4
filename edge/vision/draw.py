"""Boxes and labels on a picture, for people to look at."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import cv2
import numpy as np

from edge.geometry import Box
from edge.payloads.statuses import UNKNOWN
from edge.vision.pipeline import Observation
from edge.vision.preprocess import Image

Color = tuple[int, int, int]
"""RGB, 0 to 255."""

GREEN: Color = (0, 158, 73)
RED: Color = (214, 40, 40)
AMBER: Color = (245, 166, 35)
GREY: Color = (128, 128, 128)
_BLACK: Color = (0, 0, 0)
_WHITE: Color = (255, 255, 255)

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def status_color(status: str, compliant: Collection[str] = ("with_mask",)) -> Color:
    """Green keeps the rule, red wears nothing, amber is anything else, grey is not known."""
    if status in compliant:
        return GREEN
    if status == UNKNOWN:
        return GREY
    return RED if status.startswith(("without", "no_")) else AMBER


def draw_observations(
    image: Image, observations: Sequence[Observation], compliant: Collection[str] = ("with_mask",)
) -> Image:
    """A copy of the picture with each face's box and, in a filled label, its status and confidence."""
    drawn: Image = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 300))
    for observation in reversed(observations):
        _draw_box(drawn, observation.face.box, _colour_of(observation, compliant), thickness)
    # The best first: it has the place next to its box, and the others make way.
    taken: list[Box] = []
    for observation in observations:
        classification = observation.classification
        status = UNKNOWN if classification is None else classification.status
        text = status if classification is None else f"{status} {classification.confidence:.2f}"
        taken.append(_draw_label(drawn, observation.face.box, text, _colour_of(observation, compliant), taken))
    return drawn


def _colour_of(observation: Observation, compliant: Collection[str]) -> Color:
    classification = observation.classification
    return status_color(UNKNOWN if classification is None else classification.status, compliant)


def _draw_box(image: Image, box: Box, color: Color, thickness: int) -> None:
    cv2.rectangle(image, (round(box.x1), round(box.y1)), (round(box.x2), round(box.y2)), color, thickness)


def _draw_label(image: Image, box: Box, text: str, color: Color, taken: Sequence[Box]) -> Box:
    """Above the box where there is room, or at the free place nearest to that; never past the picture's sides, and over
    no label of `taken` while a place is left. Returns where it lies."""
    height, width = image.shape[:2]
    scale = max(0.35, min(height, width) / 1000)
    thickness = max(1, round(scale * 1.5))
    (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, scale, thickness)
    padding = max(2, text_height // 4)
    label_width, label_height = text_width + 2 * padding, text_height + baseline + 2 * padding
    left = max(0, min(round(box.x1), width - label_width))
    top = round(box.y1) - label_height
    if top < 0:
        top = max(0, min(round(box.y1), height - label_height))
    top = _free_top(left, top, label_width, label_height, height, taken)
    cv2.rectangle(image, (left, top), (left + label_width, top + label_height), color, cv2.FILLED)
    origin = (left + padding, top + padding + text_height)
    cv2.putText(image, text, origin, _FONT, scale, _readable_on(color), thickness, cv2.LINE_AA)
    return Box(left, top, left + label_width + 1, top + label_height + 1)


def _free_top(left: int, top: int, width: int, height: int, picture_height: int, taken: Sequence[Box]) -> int:
    """The row nearest to `top` where a label of that size covers none of `taken`; `top` itself where there is none."""
    near = [label for label in taken if label.x1 < left + width and left < label.x2]
    rows = [top, *(round(label.y1) - height - 1 for label in near), *(round(label.y2) for label in near)]
    for row in sorted(rows, key=lambda row: abs(row - top)):
        is_inside = 0 <= row <= max(0, picture_height - height - 1)
        if is_inside and all(label.y2 <= row or row + height < label.y1 for label in near):
            return row
    return top


def _readable_on(background: Color) -> Color:
    # Perceived lightness by the weights of ITU-R BT.601.
    lightness = float(np.dot(background, (0.299, 0.587, 0.114)))
    return _BLACK if lightness > 140 else _WHITE
