"""Contact sheets for a person who looks at labels: faces with their surroundings, numbered, each with its caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.preprocess import Image, crop_face

SIDE = 240
"""Of a face with its surroundings, in pixels."""
MARGIN = 0.4
"""Share of the face's longer side that is shown around it, on each side."""
COLUMNS, ROWS = 6, 4
LINE_HEIGHT = 17
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
BOX_COLOR, TEXT_COLOR = (0, 255, 0), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Tile:
    """One face of a sheet: SIDE x SIDE pixels, and the lines below it."""

    image: Image
    caption: tuple[str, ...]


def face_view(image: Image, box: Box) -> Image:
    """A face with its surroundings and its box drawn, shape (SIDE, SIDE, 3)."""
    view = crop_face(image, box, margin=MARGIN, size=SIDE)
    scale = SIDE / (max(box.width, box.height) * (1 + 2 * MARGIN))
    half_width, half_height = box.width * scale / 2, box.height * scale / 2
    corners = [(round(SIDE / 2 + sign * half_width), round(SIDE / 2 + sign * half_height)) for sign in (-1, 1)]
    cv2.rectangle(view, corners[0], corners[1], BOX_COLOR, 1)
    return view


def write_sheets(tiles: Sequence[Tile], folder: Path, stem: str) -> list[Path]:
    """Writes `<stem>-01.png` and so on, in place of those of an earlier run. Raises MaskdError where that fails."""
    paths: list[Path] = []
    try:
        for stale in folder.glob(f"{stem}-[0-9][0-9].png"):
            stale.unlink()
        for start in range(0, len(tiles), COLUMNS * ROWS):
            sheet = _sheet(tiles[start : start + COLUMNS * ROWS])
            path = folder / f"{stem}-{len(paths) + 1:02d}.png"
            path.write_bytes(cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes())
            paths.append(path)
    except OSError as error:
        raise MaskdError(f"no sheet can be written to {folder} ({error.strerror}); choose another --out") from error
    return paths


def _sheet(tiles: Sequence[Tile]) -> Image:
    lines = max(len(tile.caption) for tile in tiles)
    height = SIDE + lines * LINE_HEIGHT + 8
    sheet = np.zeros((-(-len(tiles) // COLUMNS) * height, COLUMNS * (SIDE + 4), 3), np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // COLUMNS * height, index % COLUMNS * (SIDE + 4)
        sheet[top : top + SIDE, left : left + SIDE] = tile.image
        for number, line in enumerate(tile.caption, start=1):
            place = left + 3, top + SIDE + number * LINE_HEIGHT - 3
            cv2.putText(sheet, _fitting(line), place, FONT, FONT_SCALE, TEXT_COLOR, 1, cv2.LINE_AA)
    return sheet


def _fitting(text: str) -> str:
    """The text, its middle left out where it is too long; OpenCV's fonts know ASCII alone."""
    shown = text = text.encode("ascii", "replace").decode("ascii")
    cut = 0
    while cv2.getTextSize(shown, FONT, FONT_SCALE, 1)[0][0] > SIDE - 4:
        cut += 1
        middle = len(text) // 2
        shown = f"{text[: middle - cut]}..{text[middle + cut :]}"
    return shown
