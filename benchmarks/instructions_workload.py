"""What `benchmarks.instructions` counts: the demo's clip through vision, in one thread, part by part."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from edge.camera.frame import Frame
from edge.camera.latest import LatestFrame
from edge.camera.video import frames
from edge.config import CameraSettings, Config, RuntimeSettings
from edge.daemon import daemon as _what_the_daemon_imports  # noqa: F401 - counts as part of the start
from edge.demo_clip import CLIP
from edge.people.scene import Scene
from edge.people.watched_camera import WatchedCamera, camera_rules
from edge.vision.build import build_vision
from edge.vision.faces import laid_into_input
from edge.vision.model import open_model
from edge.vision.pipeline import Vision

_ASLEEP_S = 3.0
"""From the first picture to the second: longer than the motion gate stays open."""


@dataclass(frozen=True, slots=True)
class Part:
    what: str
    pictures: int
    is_counted: bool = True


PARTS = (
    Part("start, to the first picture judged", 1),
    Part("a look at an unchanged scene", 1, is_counted=False),
    Part("a picture that the motion gate skips", 7),
    Part("someone comes", 15, is_counted=False),
    Part("a picture with one settled person", 24),
    Part("loading the network again", 1, is_counted=False),
    Part("a run of the detector's network alone", 8),
)
"""In this order; the pictures are those of the demo's clip, 640x480, from its first on."""


def main() -> None:
    config = Config(cameras={"clip": CameraSettings(source=str(CLIP))}, runtime=RuntimeSettings(threads=1, workers=1))
    vision = build_vision(config)
    camera = WatchedCamera("clip", LatestFrame(), camera_rules(config, "clip", vision.recommended))
    pictures = frames(CLIP)
    first = next(pictures)
    _look(camera, vision, first)
    _end_of_part()
    for part in PARTS[1:-2]:
        scenes = [_look(camera, vision, _later(next(pictures))) for _ in range(part.pictures)]
        _end_of_part()
        if part.is_counted:
            _check(part, scenes)
    run_network = _network(first)
    _end_of_part()
    for _ in range(PARTS[-1].pictures):
        run_network()
    _end_of_part()


def _end_of_part() -> None:
    """Callgrind writes what it has counted so far when libc's getppid is called, and nothing else calls that."""
    os.getppid()


def _look(camera: WatchedCamera, vision: Vision, frame: Frame) -> Scene:
    camera.latest.put(frame)
    return camera.watch(vision)


def _later(frame: Frame) -> Frame:
    return replace(frame, captured_at=frame.captured_at + _ASLEEP_S)


def _check(part: Part, scenes: list[Scene]) -> None:
    expected = (True, 0) if "skips" in part.what else (False, 1)
    if any((scene.is_still, len(scene.people)) != expected for scene in scenes):
        raise SystemExit(f"the clip no longer shows what is to be counted: {part.what}")


def _network(frame: Frame) -> Callable[[], object]:
    model = open_model("face-detector", "face_detection")
    interpreter = model.interpreter(1, "auto")
    prepared = laid_into_input(frame.image, (model.manifest.input.height, model.manifest.input.width))
    interpreter.resize((1, *prepared.image.shape))
    return partial(interpreter.run, prepared.image[None])


if __name__ == "__main__":
    main()
