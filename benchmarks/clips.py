"""Videos to measure with: the demo's clip in H.264, and a scene in which nothing moves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from edge.demo_clip import CLIP

STILL_FPS = 15
_STILL_S = 10


def recoded(path: Path, size: tuple[int, int] = (640, 480), *, fps: int = 12, pictures: int | None = None) -> Path:
    """The demo's clip, or its first `pictures`, at this size (width, height) and rate, in H.264."""
    with av.open(str(CLIP)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if number == pictures:
                break
            scaled = frame.reformat(*size, "yuv420p")
            scaled.pts, scaled.time_base = number, Fraction(1, fps)
            target.mux(stream.encode(scaled))
        target.mux(stream.encode(None))
    return path


def still_scene(path: Path) -> Path:
    """A passage at night, with a sensor's noise."""
    rng = np.random.default_rng(1)
    scene = np.full((480, 640, 3), 60, np.int16)
    scene[120:, 200:320] = 150
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), STILL_FPS, (640, 480))
    for _ in range(STILL_FPS * _STILL_S):
        video.write(np.clip(scene + rng.integers(-8, 9, scene.shape), 0, 255).astype(np.uint8))
    video.release()
    return path
