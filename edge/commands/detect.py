"""`maskd detect`: faces and masks on photos, in videos or before a camera, without a broker and without a daemon."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.camera.build import open_camera
from edge.camera.photos import read_photo
from edge.camera.source_masking import mask_source
from edge.camera.stream import StreamCamera
from edge.camera.video import VideoFile, frames
from edge.commands.drawings import DrawingError, DrawingsFolder
from edge.commands.sources import NoSource, Source, expand_sources
from edge.config import CameraSettings, Config
from edge.config.file import load_config
from edge.errors import MaskdError
from edge.payloads.statuses import UNKNOWN
from edge.system.arguments import add_config, add_threads, number, path
from edge.system.printable import one_line
from edge.vision.build import build_vision
from edge.vision.draw import draw_observations
from edge.vision.pipeline import Observation, Result, Vision
from edge.vision.preprocess import Image
from edge.vision.thresholds import Thresholds, camera_thresholds

DESCRIPTION = "Finds faces in photos, videos or a camera's picture, and prints how each wears a mask."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a photo, a video, a folder of them, a pattern such as 'photos/*.jpg', or a camera: "
        "auto, demo, 0, /dev/video0, rtsp://...",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo or video frame")
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="write copies with boxes and labels drawn to this folder"
    )
    parser.add_argument("--min-score", type=number(0, 1), metavar="X", help="the lowest score of a face, 0 to 1")
    add_threads(parser)
    add_config(parser, "the defaults")


def main(args: argparse.Namespace) -> int:
    return run_detect(
        args.sources,
        as_json=args.json,
        out=args.out,
        min_score=args.min_score,
        threads=args.threads,
        config_path=args.config,
    )


def run_detect(
    arguments: Sequence[str],
    *,
    as_json: bool = False,
    out: Path | None = None,
    min_score: float | None = None,
    threads: int | None = None,
    config_path: Path | None = None,
) -> int:
    """Prints what every source shows; returns the exit status: 1 where a source could not be read, else 0.

    Raises MaskdError where nothing can start or go on: a bad configuration or model, or a folder that cannot be
    written to.
    """
    config = effective_config(config_path, min_score=min_score, threads=threads)
    sources = list(expand_sources(arguments))
    drawings = None
    if out is not None:
        drawings = DrawingsFolder(out, [Path(s.name) for s in sources if isinstance(s, Source) and s.kind != "camera"])
        drawings.start()
    vision = build_vision(config)
    thresholds = camera_thresholds(config, None, vision.recommended)
    # A faint face only carries on a track, and here are none.
    thresholds = dataclasses.replace(thresholds, low_score=thresholds.min_score)
    report = JsonReport() if as_json else TextReport()
    failures = 0
    for source in sources:
        name = mask_source(source.name)
        if isinstance(source, NoSource):
            failures += 1
            report.failed(name, source.error)
            continue
        try:
            for seen in _detect(source, vision, thresholds, drawings, config.compliance.compliant):
                report.picture(seen)
        except DrawingError:
            raise
        except MaskdError as error:
            failures += 1
            report.failed(name, str(error))
    report.finish()
    return 1 if failures else 0


def effective_config(config_path: Path | None, *, min_score: float | None, threads: int | None) -> Config:
    """The configuration with what the command line overrides; without a file, the defaults and every size of face."""
    config = Config() if config_path is None else load_config(config_path)
    detector, runtime = config.detector, config.runtime
    if "min_face_px" not in detector.model_fields_set:
        # The default keeps a daemon from judging specks; who asks about one photo wants every face on it.
        detector = detector.model_copy(update={"min_face_px": 0.0})
    if min_score is not None:
        detector = detector.model_copy(update={"min_score": min_score})
    if threads is not None:
        runtime = runtime.model_copy(update={"threads": threads})
    return config.model_copy(update={"detector": detector, "runtime": runtime})


@dataclass(frozen=True, slots=True)
class Seen:
    """What one picture of a source showed; `drawn_to` is where it was drawn, if it was."""

    source: Source
    number: int
    width: int
    height: int
    result: Result
    drawn_to: Path | None

    @property
    def name(self) -> str:
        """Of the source, without the password that an address may hold."""
        return mask_source(self.source.name)


def _detect(
    source: Source,
    vision: Vision,
    thresholds: Thresholds,
    drawings: DrawingsFolder | None,
    compliant: Sequence[str],
) -> Iterator[Seen]:
    with contextlib.ExitStack() as stack:
        video = None
        for number, image in _pictures(source):
            result = vision.observe(image, thresholds)
            drawn_to = None
            if drawings is not None:
                drawing = draw_observations(image, result.observations, compliant)
                if source.kind == "photo":
                    drawn_to = drawings.write_photo(source.place, drawing)
                else:
                    if video is None:
                        video = stack.enter_context(drawings.open_video(source.place, _frames_per_second(source)))
                    video.write(drawing)
                    drawn_to = video.path
            yield Seen(source, number, image.shape[1], image.shape[0], result, drawn_to)


def _pictures(source: Source) -> Iterator[tuple[int, Image]]:
    """Each picture with its number, from 0. Raises MaskdError where the source cannot be read, or no further."""
    if source.kind == "photo":
        yield 0, read_photo(Path(source.name))
    elif source.kind == "video":
        for frame in frames(Path(source.name)):
            yield frame.number, frame.image
    else:
        camera = open_camera("camera", CameraSettings(source=source.name))
        camera.open()
        try:
            while (taken := camera.read()) is not None:
                yield taken.number, taken.image
                if isinstance(camera, StreamCamera) and camera.is_still:
                    return
        finally:
            camera.close()


def _frames_per_second(source: Source) -> float:
    """Of a video file, by its header; of a camera, what was asked of it."""
    if source.kind == "camera":
        return CameraSettings(source=source.name).fps
    file = VideoFile(Path(source.name))
    file.close()
    return file.fps


class JsonReport:
    """One JSON object per picture, and one per source that cannot be read, each on its own line."""

    def picture(self, seen: Seen) -> None:
        self._print(
            {
                "source": seen.name,
                "frame": seen.number,
                "width": seen.width,
                "height": seen.height,
                "faces": [_face_as_json(observation) for observation in seen.result.observations],
                "elapsed_ms": {
                    "detect": round(seen.result.detect_ms, 3),
                    "classify": round(seen.result.classify_ms, 3),
                },
            }
        )

    def failed(self, name: str, error: str) -> None:
        self._print({"source": name, "error": error})

    def finish(self) -> None:
        """Each line is complete by itself."""

    def _print(self, record: dict[str, Any]) -> None:
        print(json.dumps(record), flush=True)


def _face_as_json(observation: Observation) -> dict[str, Any]:
    box, classification = observation.face.box, observation.classification
    assert classification is not None, "no faint faces were asked for"
    return {
        "box": [round(value, 2) for value in (box.x1, box.y1, box.x2, box.y2)],
        "score": round(observation.face.score, 4),
        "status": classification.status,
        "confidence": round(classification.confidence, 4),
        "probabilities": {label: round(value, 4) for label, value in classification.probabilities.items()},
    }


class TextReport:
    """One line per picture, and a summary at the end; what cannot be read goes to stderr."""

    def __init__(self) -> None:
        self._pictures = 0
        self._failures = 0
        self._statuses: Counter[str] = Counter()

    def picture(self, seen: Seen) -> None:
        found = [o.classification for o in seen.result.observations if o.classification is not None]
        self._pictures += 1
        self._statuses.update(classification.status for classification in found)
        what = ", ".join(f"{c.status} {c.confidence:.2f}" for c in found)
        name = one_line(seen.name)
        line = name if seen.source.kind == "photo" else f"{name} frame {seen.number}"
        line += f": {_count(len(found), 'face')}{': ' if what else ''}{what}"
        line += f" ({seen.result.detect_ms + seen.result.classify_ms:.1f} ms)"
        print(line if seen.drawn_to is None else f"{line} -> {one_line(seen.drawn_to)}", flush=True)

    def failed(self, name: str, error: str) -> None:
        self._failures += 1
        name, error = one_line(name), one_line(error)
        print(f"maskd: {error if name in error else f'{name}: {error}'}", file=sys.stderr, flush=True)

    def finish(self) -> None:
        summary = f"{_count(self._pictures, 'picture')}, {_count(self._statuses.total(), 'face')}"
        if self._statuses:
            # `unknown` last: it is not an answer.
            ordered = sorted(self._statuses.items(), key=lambda item: (item[0] == UNKNOWN, -item[1], item[0]))
            summary += f" ({', '.join(f'{count} {status}' for status, count in ordered)})"
        if self._failures:
            summary += f", {_count(self._failures, 'source')} unreadable"
        print(summary, flush=True)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
