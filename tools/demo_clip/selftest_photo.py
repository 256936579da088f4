"""Draws the photo of `edge.selftest`: python -m tools.demo_clip.selftest_photo"""

from __future__ import annotations

import cv2

from edge.selftest import PATH
from edge.vision.preprocess import Image
from tools.demo_clip.clip import APPEARANCES, Pose, still

_PLACES = (Pose(0.0, 115, 225, 0.72), Pose(0.4, 325, 235, 0.78), Pose(0.2, 530, 228, 0.72))
"""Of those with a mask, without one, and with one under the nose."""
_QUALITY = 80


def draw_selftest_photo() -> Image:
    """(480, 640, 3) RGB. Raises MaskdError where scikit-image is not installed."""
    return still(tuple(zip(APPEARANCES, _PLACES, strict=True)))


def main() -> None:
    picture = cv2.cvtColor(draw_selftest_photo(), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(PATH), picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


if __name__ == "__main__":
    main()
