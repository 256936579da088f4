"""Videos to measure with: the demo's clip in H.264, and a scene in which nothing moves."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

from edge.demo_clip import CLIP

STILL_FPS = 15
_STILL_S = 10


def recoded(path: Path, size: tuple[int, int] = (640, 480), *, fps: int = 12, pictures: int | None = None) -> Path:
    """The demo's clip, or its first `pictures`, at this size (width, height) and rate, in H.264."""
    with av.open(str(CLIP)) as source:
        shown = islice(source.decode(video=0), pictures)
        return _encoded(path, (frame.reformat(*size, "yuv420p") for frame in shown), size, fps)


def still_scene(path: Path) -> Path:
    """A passage at night, with a sensor's noise, in H.264."""
    rng = np.random.default_rng(1)
    scene = np.full((480, 640, 3), 60, np.int16)
    scene[120:, 200:320] = 150
    noisy = (np.clip(scene + rng.integers(-8, 9, scene.shape), 0, 255) for _ in range(STILL_FPS * _STILL_S))
    pictures = (av.VideoFrame.from_ndarray(each.astype(np.uint8), "bgr24").reformat(format="yuv420p") for each in noisy)
    return _encoded(path, pictures, (640, 480), STILL_FPS)


def _encoded(path: Path, pictures: Iterable[av.VideoFrame], size: tuple[int, int], fps: int) -> Path:
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, picture in enumerate(pictures):
            picture.pts, picture.time_base = number, Fraction(1, fps)
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return path
