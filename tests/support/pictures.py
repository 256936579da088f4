"""Pictures and videos that tests recognise again."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.vision.preprocess import Image

RED, BLUE = (255, 0, 0), (0, 0, 255)


def red_left_blue_right(width: int = 64, height: int = 48) -> Image:
    """RGB; each half is one colour, so that a wrong channel order or a wrong turn shows."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = RED
    image[:, width // 2 :] = BLUE
    return image


def is_colour(image: Image, x: float, y: float, colour: tuple[int, int, int]) -> bool:
    """Whether the picture has about this colour at a place given in fractions of its width and height."""
    height, width = image.shape[:2]
    pixel = image[int(y * height), int(x * width)].astype(int)
    return bool(np.abs(pixel - np.array(colour)).max() < 60)


def numbered(number: int, width: int = 64, height: int = 48) -> Image:
    """A grey picture whose brightness is its number, 0 to 24."""
    return np.full((height, width, 3), 10 * number + 5, np.uint8)


def number_of(image: Image) -> int:
    return round((float(image.mean()) - 5) / 10)


def write_video(path: Path, images: list[Image], fps: float = 20.0) -> Path:
    """MPEG-4 or, as .avi, Motion JPEG."""
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, (width, height))
    assert writer.isOpened()
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def write_photo(path: Path, image: Image) -> Path:
    assert cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path
