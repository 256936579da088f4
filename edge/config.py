"""Every setting of maskd, declared once, with its unit. `edge.config_file` reads them from config.yaml."""

from __future__ import annotations

import re
import socket
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from edge.broker_host import problem_of_host
from edge.camera.source import Source, parse_source
from edge.errors import UsageError
from edge.paths import expanded
from edge.polygon import problem_of_polygon
from edge.source_masking import secrets_of

Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
_IN_LEVEL = r"/+#\s\x00-\x1f\x7f"
TOPIC_PREFIX_PATTERN = rf"^[^${_IN_LEVEL}][^{_IN_LEVEL}]*(/[^{_IN_LEVEL}]+)*$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A name that is safe as one level of an MQTT topic."""
Text = Annotated[str, Field(min_length=1)]
TopicPrefix = Annotated[str, Field(pattern=TOPIC_PREFIX_PATTERN)]
"""The first level, or levels, of a topic."""
Point = tuple[Fraction, Fraction]


def default_device() -> str:
    """The host name with every character that a topic cannot carry replaced; `maskd` where nothing is left."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname()).strip("-_")[:64]
    return name or "maskd"


def _host_name_if_none(value: object) -> object:
    return default_device() if value is None else value


def _text_if_number(value: object) -> object:
    """0 and 5 mean "0" and "5", as a person writes them; True is an int to Python, but not to a person."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _parsed_source(value: object) -> Source:
    value = _text_if_number(value)
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


def _text_if_scalar(value: object) -> object:
    """Options reach a delegate as text, in which true is `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _edgetpu_or_library(value: str) -> str:
    if value != "edgetpu" and ".so" not in Path(value).suffixes:
        raise PydanticCustomError("delegate", "{value} is neither edgetpu nor a library (.so)", {"value": value})
    return value


def _at_home(path: Path) -> Path:
    try:
        return expanded(path)
    except UsageError as error:
        raise PydanticCustomError("sentence", "{problem}", {"problem": str(error)}) from None


def _text_at_home(text: str) -> str:
    return str(_at_home(Path(text))) if text.startswith("~") else text


def _host_alone(text: str) -> str:
    if problem := problem_of_host(text):
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return text


def _number_if_digits(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _drawable(points: list[Point]) -> list[Point]:
    if problem := problem_of_polygon(points):
        raise PydanticCustomError("sentence", "{problem}", {"problem": problem})
    return points


HomePath = Annotated[Path, AfterValidator(_at_home)]
"""A leading `~` stands for the home folder."""
ModelName = Annotated[Text, AfterValidator(_text_at_home)]
Zone = Annotated[list[Point], Field(min_length=3), AfterValidator(_drawable)]


def contradiction(key: str, problem: str) -> PydanticCustomError:
    """Two settings that exclude each other; `key` is the one that the report points at."""
    return PydanticCustomError("contradiction", "{problem}", {"problem": problem, "key": key})


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _empty_section_means_defaults(cls, values: Any) -> Any:
        """`detector:` with every line below it commented out reaches us as None."""
        if not isinstance(values, dict):
            return values
        sections = {name for name, field in cls.model_fields.items() if isinstance(field.default, Settings)}
        return {key: value for key, value in values.items() if not (value is None and key in sections)}


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


class DetectorSettings(Settings):
    model: ModelName = "face-detector"
    """A shipped model's name, a .tflite beside its manifest, or with `kind` yunet or res10 a file of that network."""
    kind: Literal["tflite", "yunet", "res10"] = "tflite"
    """The network's family: maskd's own, or one of the two public detectors with a file that you supply."""
    min_score: Fraction | None = None
    """A face counts from this score on; null: the model's recommendation."""
    low_score: Fraction | None = None
    """A fainter face still carries on a track; null: a fifth of min_score. Never above a camera's own min_score."""
    nms_iou: Fraction = 0.5
    """Of two boxes that overlap by more than this share, the weaker goes."""
    min_face_px: Annotated[float, Field(ge=0)] = 12
    """Pixels of a face's height in the picture below which it is ignored."""
    max_faces: Annotated[int, Field(ge=1, le=1000)] = 50
    """Faces kept per picture, best first."""

    @model_validator(mode="after")
    def _scores_in_order(self) -> DetectorSettings:
        if self.low_score is not None and self.min_score is not None and self.low_score > self.min_score:
            raise contradiction(
                "low_score",
                f"{self.low_score:g} is above detector.min_score, {self.min_score:g}; "
                "the score for carrying on a track must be the lower of the two",
            )
        return self


class ClassifierSettings(Settings):
    model: ModelName = "mask-classifier"
    """A shipped model's name, or a .tflite beside its manifest."""
    min_confidence: Fraction | None = None
    """Below this the status is `unknown`; null: the model's recommendation."""


class RuntimeSettings(Settings):
    backend: Literal["auto", "litert", "tflite-runtime"] = "auto"
    """What runs the models; auto: whichever is installed, LiteRT first."""
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    """CPU threads for each model."""
    delegate: Annotated[Text, AfterValidator(_edgetpu_or_library), AfterValidator(_text_at_home)] | None = None
    """edgetpu, or the path of another TFLite delegate's library (.so); null: the CPU runs the models."""
    delegate_options: dict[Text, Annotated[str, BeforeValidator(_text_if_scalar)]] = {}
    """What the delegate's own documentation lists, such as {device: "usb:0"} for one of several Edge TPUs."""

    @model_validator(mode="after")
    def _options_have_delegate(self) -> RuntimeSettings:
        if self.delegate_options and self.delegate is None:
            raise contradiction("delegate_options", "there is no delegate to take them; set runtime.delegate as well")
        return self


class TrackingSettings(Settings):
    match_iou: Fraction = 0.2
    """Least overlap of a face with a track's predicted box, as a share of both."""
    lost_after_s: Seconds = 2.0
    """Seconds without a face after which a track ends."""
    min_hits: Annotated[int, Field(ge=1)] = 3
    """Faces seen before a track counts as a person."""


class ComplianceSettings(Settings):
    compliant: list[Text] = ["with_mask"]
    """Statuses that keep the rule."""
    window_s: Annotated[float, Field(gt=0)] = 3.0
    """Votes older than this no longer count, in seconds."""
    min_votes: Annotated[int, Field(ge=1)] = 5
    """Votes before the first status is announced."""
    majority: Annotated[float, Field(gt=0.5, le=1)] = 0.6
    """Share of the votes that a status needs, to be announced and to replace another."""
    hold_s: Seconds = 1.0
    """Seconds that a new majority must last before `changed` is published."""


class TlsSettings(Settings):
    ca_file: HomePath | None = None
    """Authority to trust, in PEM; null: the system's."""
    cert_file: HomePath | None = None
    """This device's certificate, in PEM; null: none is shown."""
    key_file: HomePath | None = None
    """The certificate's private key, in PEM; null: it is in cert_file."""
    min_version: Annotated[Literal["1.2", "1.3"], BeforeValidator(_text_if_number)] = "1.2"
    """The oldest version of TLS that is spoken with the broker."""

    @model_validator(mode="after")
    def _key_has_certificate(self) -> TlsSettings:
        if self.key_file is not None and self.cert_file is None:
            raise contradiction(
                "key_file", "a private key is of no use without its certificate; set mqtt.tls.cert_file as well"
            )
        return self


class HomeAssistantSettings(Settings):
    enabled: bool = True
    """This device and its cameras announce themselves to Home Assistant (MQTT discovery)."""
    prefix: TopicPrefix = "homeassistant"
    """The discovery prefix that is set in Home Assistant; its birth message is awaited on <prefix>/status."""


class MqttSettings(Settings):
    enabled: bool = True
    """false: events stay in the outbox on this device."""
    host: Annotated[Text, AfterValidator(_host_alone)] = "localhost"
    """The broker's host name or address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    """The broker's TCP port: 1883 as a rule, 8883 with TLS."""
    protocol: Annotated[
        Literal["auto", "5", "3.1.1"],
        BeforeValidator(_text_if_number),
        WithJsonSchema({"enum": ["auto", "5", "3.1.1", 5]}),
    ] = "auto"
    """MQTT version; auto: 5, or 3.1.1 where the broker does not speak 5."""
    prefix: TopicPrefix = "maskd"
    """The first level, or levels, of every topic."""
    username: Text | None = None
    """null: the systemd credential `mqtt-username`, if there is one; else the broker asks for no login."""
    username_file: HomePath | None = None
    """A file that holds the user name and nothing else, in place of username; null: none."""
    password_file: HomePath | None = None
    """A file that holds the password and nothing else, so that it never stands in this file; null: the systemd
    credential `mqtt-password`, if there is one."""
    client_id: Text | None = None
    """null: maskd-<device>. Two clients of one name throw each other off the broker."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    """Seconds; after one and a half times as long in silence the broker declares this device offline."""
    tls: TlsSettings | None = None
    """null: a plain connection; an empty section `{}`: TLS with the system's authorities."""
    status_interval_s: Annotated[float, Field(ge=1)] = 30
    """Seconds from one .../status message to the next."""
    window_s: Annotated[float, Field(ge=1)] | None = None
    """Length of the windows counted in .../compliance, in seconds; null: 60, and 1200 with `privacy: aggregate`."""
    event_expiry_s: Annotated[int, Field(ge=1, le=4_294_967_295)] | None = None
    """Seconds after which the broker may drop an event that an absent subscriber has not fetched (MQTT 5);
    null: never."""
    commands: bool | None = None
    """Whether thresholds, cameras and privacy can be changed by messages to .../set; null: where this device logs in at
    the broker, which an anonymous broker asks of nobody."""
    homeassistant: HomeAssistantSettings = HomeAssistantSettings()
    """This device and its cameras appear in Home Assistant by themselves."""

    @model_validator(mode="after")
    def _login_is_complete(self) -> MqttSettings:
        if self.username is not None and self.username_file is not None:
            raise contradiction("username_file", "the user name is in mqtt.username already; remove one of the two")
        if self.password_file is not None and self.username is None and self.username_file is None:
            raise contradiction("password_file", "a password is sent only with a user name; set mqtt.username as well")
        return self


class StorageSettings(Settings):
    path: HomePath = Path("/var/lib/maskd")
    """Folder of the outbox, where events wait for the broker's receipt, and of the local record."""
    max_events: Annotated[int, Field(ge=1)] = 1_000_000
    """Past this many the oldest unsent events go first, and the loss is counted and published."""
    max_bytes: Annotated[int, Field(ge=1_000_000)] = 1_000_000_000
    """Bytes on disk, past which the oldest unsent events go first; the loss is counted and published."""
    keep_days: Annotated[float, Field(ge=0, le=36_500)] = 30
    """Days that the local record, which `maskd events` prints, goes back; 0: nothing is recorded."""
    keep_bytes: Annotated[int, Field(ge=100_000)] = 100_000_000
    """Bytes on disk of the local record, past which its oldest days go first."""


class Config(Settings):
    device: Annotated[
        Name,
        BeforeValidator(_host_name_if_none),
        WithJsonSchema({"type": ["string", "null"], "pattern": NAME_PATTERN}),
    ] = Field(default_factory=default_device)
    """This device's name in topics and events; null: the host name."""
    privacy: Literal["events", "aggregate"] = "events"
    """aggregate: only window counts are published, no event about a single person."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least serious kind of message that is logged."""
    cameras: Annotated[dict[Name, CameraSettings], Field(min_length=1)] = {"camera": CameraSettings(source="auto")}
    """One section per camera; its key is the camera's name in topics and events."""
    detector: DetectorSettings = DetectorSettings()
    """Finding faces."""
    classifier: ClassifierSettings = ClassifierSettings()
    """Judging each face's mask."""
    runtime: RuntimeSettings = RuntimeSettings()
    """What runs the models."""
    tracking: TrackingSettings = TrackingSettings()
    """Following a person from frame to frame."""
    compliance: ComplianceSettings = ComplianceSettings()
    """From single judgements to events."""
    mqtt: MqttSettings = MqttSettings()
    """The broker that events are sent to."""
    storage: StorageSettings = StorageSettings()
    """Where events wait until the broker has confirmed them, and the local record."""

    @property
    def secrets(self) -> frozenset[str]:
        """Parts of the cameras' sources that are shown nowhere."""
        return frozenset(secret for camera in self.cameras.values() for secret in secrets_of(camera.source.text))

    @property
    def counting_window_s(self) -> float:
        """Length of the windows counted: longer where they are all that is published, so that no one stands out."""
        if self.mqtt.window_s is not None:
            return self.mqtt.window_s
        return 1200.0 if self.privacy == "aggregate" else 60.0
