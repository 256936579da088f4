"""The settings of one camera."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from edge.camera.source import Source, parse_source
from edge.config.fields import Fraction, Name, Seconds, Settings, text_if_number
from edge.errors import UsageError
from edge.polygon import problem_of_polygon

Point = tuple[Fraction, Fraction]


def _parsed_source(value: object) -> Source:
    value = text_if_number(value)
    if isinstance(value, Source):
        return value
    if not isinstance(value, str) or not value.strip():
        raise PydanticCustomError("source_type", "it must be text that is not empty")
    try:
        return parse_source(value)
    except UsageError as error:
        raise PydanticCustomError("sentence", "{problem}", {"problem": str(error)}) from None


CameraSource = Annotated[
    Source,
    PlainValidator(_parsed_source),
    PlainSerializer(attrgetter("text"), return_type=str),
    WithJsonSchema({"type": ["string", "integer"]}),
]


def _number_if_digits(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _drawable(points: list[Point]) -> list[Point]:
    if problem := problem_of_polygon(points):
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return points


Zone = Annotated[list[Point], Field(min_length=3), AfterValidator(_drawable)]


class CameraSettings(Settings):
    source: CameraSource
    """auto, demo, picamera (picamera:1 the second one), csi (a Jetson's), a V4L2 device (/dev/video0 or 0), an RTSP or
    HTTP URL, a GStreamer pipeline (gst: ...), a video file, a folder of photos."""
    enabled: bool = True
    """false: this camera is left alone until it is switched on."""
    loop: bool = False
    """A video file or a folder of photos starts again at its end."""
    width: Annotated[int, Field(ge=16, le=8192)] = 1280
    """Pixels asked of a live camera, which answers with the nearest size it has."""
    height: Annotated[int, Field(ge=16, le=8192)] = 720
    """Pixels asked of a live camera, which answers with the nearest size it has."""
    fps: Annotated[float, Field(gt=0, le=120)] = 15
    """Frames per second asked of a live camera."""
    rotate: Annotated[Literal[0, 90, 180, 270], BeforeValidator(_number_if_digits)] = 0
    """Degrees clockwise, for a camera that hangs on its side."""
    photo_seconds: Annotated[float, Field(gt=0, le=3600)] = 2.0
    """Seconds that each photo of a folder is shown."""
    zones: dict[Name, Zone] = {}
    """Named polygons in fractions of the picture's width and height; an event lists those its person stands in."""
    min_score: Fraction | None = None
    """For this camera alone, a face counts from this score on; null: detector.min_score."""
    min_confidence: Fraction | None = None
    """For this camera alone, below this the status is `unknown`; null: classifier.min_confidence."""
    min_votes: Annotated[int, Field(ge=1)] | None = None
    """For this camera alone, votes before the first status is announced; null: compliance.min_votes."""
    majority: Annotated[float, Field(gt=0.5, le=1)] | None = None
    """For this camera alone, share of the votes that a status needs; null: compliance.majority."""
    hold_s: Seconds | None = None
    """For this camera alone, seconds before `changed` is published; null: compliance.hold_s."""
