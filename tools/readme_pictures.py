"""Draws the README's two pictures from real runs of `maskd detect`, on the demo clip, and of `maskd demo`.

`make pictures` writes docs/images/demo.png and docs/images/demo.svg. The clip shows NASA's portrait of Eileen Collins,
which is in the public domain.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from edge.demo_clip import CLIP
from edge.errors import MaskdError

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SHOWN_S = (7.0, 15.0, 19.5)
"""Seconds into the clip: A and B together, C with the mask under the nose, C with the mask pulled up."""
TOP, HEIGHT, WIDTH = 66, 270, 480
"""The strip of each frame that is shown, in pixels, after the frame was scaled to WIDTH."""

FONT_PX = 14
CHARACTER_PX = 8.43
"""Advance of DejaVu Sans Mono and Menlo at FONT_PX. Each segment is placed by it, so that other fonts line up too."""
LINE_PX = 20
MARGIN_PX = 18
BAR_PX = 30
MARKS = {"✓": "#3fb950", "✗": "#f85149"}


def main() -> None:
    cv2.imwrite(str(IMAGES / "demo.png"), annotated_frames(SHOWN_S), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    (IMAGES / "demo.svg").write_text(terminal(["$ make demo", *demo_lines()]), encoding="utf-8")


def annotated_frames(seconds: Sequence[float]) -> NDArray[np.uint8]:
    """Frames of the clip next to each other, as `maskd detect --out` draws them; BGR."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = [folder / f"{second:04.1f}.png" for second in seconds]
        clip = cv2.VideoCapture(str(CLIP))
        for second, photo in zip(seconds, photos, strict=True):
            clip.set(cv2.CAP_PROP_POS_MSEC, second * 1000)
            _, frame = clip.read()
            cv2.imwrite(str(photo), frame)
        _run("detect", *map(str, photos), "--out", str(folder / "drawn"))
        drawn = [cv2.imread(str(folder / "drawn" / photo.name)) for photo in photos]
    return np.hstack([_strip(frame) for frame in drawn if frame is not None])


def _strip(frame: MatLike) -> NDArray[np.uint8]:
    scaled = cv2.resize(frame, (WIDTH, round(frame.shape[0] * WIDTH / frame.shape[1])), interpolation=cv2.INTER_AREA)
    return np.asarray(scaled[TOP : TOP + HEIGHT], np.uint8)


def demo_lines() -> list[str]:
    """The table of events and the summary below it, as `maskd demo` prints them."""
    lines = _run("demo").splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("time "))
    last = next(index for index, line in enumerate(lines) if line.startswith("Their numbers"))
    return lines[first : last + 1]


def terminal(lines: Sequence[str]) -> str:
    """An SVG of a terminal window that shows these lines."""
    width = round(max(map(len, lines)) * CHARACTER_PX + 2 * MARGIN_PX)
    height = BAR_PX + len(lines) * LINE_PX + MARGIN_PX
    dots = "".join(
        f'<circle cx="{20 + 18 * index}" cy="16" r="5.5" fill="{color}"/>'
        for index, color in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    rows = "\n".join(
        f'<text y="{BAR_PX + LINE_PX * (row + 1)}">{_segments(line)}</text>' for row, line in enumerate(lines) if line
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n'
        "<title>What maskd demo prints</title>\n"
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>\n{dots}\n'
        f'<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{FONT_PX}" fill="#c9d1d9" '
        f'xml:space="preserve">\n{rows}\n</g>\n</svg>\n'
    )


def _segments(line: str) -> str:
    """The line up to its mark, the mark in its colour, and the rest, each at its own place."""
    at = next((index for index, character in enumerate(line) if character in MARKS), None)
    if at is None:
        return _segment(line, 0)
    color = MARKS[line[at]]
    return _segment(line[:at].rstrip(), 0) + _segment(line[at], at, color) + _segment(line[at + 2 :], at + 2, color)


def _segment(text: str, column: int, color: str | None = None) -> str:
    fill = f' fill="{color}"' if color else ""
    return f'<tspan x="{MARGIN_PX + column * CHARACTER_PX:.1f}"{fill}>{escape(text)}</tspan>'


def _run(*arguments: str) -> str:
    """What a command of maskd prints. Raises MaskdError with its error output where it fails."""
    done = subprocess.run([sys.executable, "-m", "edge.cli", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MaskdError(f"maskd {arguments[0]} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
