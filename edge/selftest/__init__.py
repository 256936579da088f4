"""A photo with a known answer: three people, one for each way of wearing a mask.

`tools.demo_clip.selftest_photo` made it from NASA's portrait of Eileen Collins, which is in the public domain.
"""

from __future__ import annotations

from pathlib import Path

from edge.camera.photos import read_photo
from edge.geometry import Box
from edge.vision.preprocess import Image

PATH = Path(__file__).with_name("photo.jpg")
EXPECTED: tuple[tuple[Box, str], ...] = (
    (Box(82, 185, 148, 265), "with_mask"),
    (Box(289, 192, 361, 278), "without_mask"),
    (Box(497, 188, 563, 268), "mask_weared_incorrect"),
)
"""Each face, in pixels of the photo, and its status."""


def selftest_photo() -> Image:
    """(480, 640, 3) RGB. Raises MaskdError where this installation lacks it."""
    return read_photo(PATH)
