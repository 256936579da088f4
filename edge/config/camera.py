"""The settings of one camera."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from edge.camera.source import Source, parse_source
from edge.config.fields import Name, Settings, text_if_number
from edge.config.people import ComplianceSettings, TrackingSettings
from edge.config.per_camera import with_own_values
from edge.config.traits import LIVE, REOPENS, Control, Traits
from edge.config.view import ViewSettings
from edge.config.vision import ClassifierSettings, DetectorSettings
from edge.config.zone import ZoneSettings
from edge.errors import UsageError


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


@with_own_values(
    detector=DetectorSettings,
    classifier=ClassifierSettings,
    tracking=TrackingSettings,
    compliance=ComplianceSettings,
    view=ViewSettings,
)
class CameraSettings(Settings):
    source: Annotated[CameraSource, REOPENS]
    """auto, demo, picamera (picamera:1 the second one), csi (a Jetson's), a V4L2 device (/dev/video0 or 0), an RTSP or
    HTTP URL, a GStreamer pipeline (gst: ...), a video file, a folder of photos."""
    enabled: Annotated[bool, Traits(effect="live", control=Control("camera", is_primary=True))] = True
    """false: the camera is not opened until it is switched on."""
    loop: Annotated[bool, REOPENS] = False
    """true: restart a video file or a folder of photos at its end."""
    width: Annotated[int, Field(ge=16, le=8192), REOPENS] = 1280
    """Pixels requested from a live camera, which picks the nearest size it has."""
    height: Annotated[int, Field(ge=16, le=8192), REOPENS] = 720
    """Pixels requested from a live camera, which picks the nearest size it has."""
    fps: Annotated[float, Field(gt=0, le=120), REOPENS] = 15
    """Frames per second requested from a live camera."""
    rotate: Annotated[Literal[0, 90, 180, 270], BeforeValidator(_number_if_digits), REOPENS] = 0
    """Degrees clockwise, for a camera mounted on its side or upside down."""
    photo_seconds: Annotated[float, Field(gt=0, le=3600), REOPENS] = 2.0
    """Seconds to show each photo of a folder."""
    zones: Annotated[dict[Name, ZoneSettings], LIVE] = {}
    """Named areas of the picture, each with rules of its own; an event lists the zones its person is in."""
