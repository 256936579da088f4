"""Every setting of maskd, declared once, with its unit. `edge.config_file` reads them from config.yaml."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
"""A name that is safe as one level of an MQTT topic."""
Point = tuple[Fraction, Fraction]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraSettings(Settings):
    source: str
    """auto, demo, a V4L2 device (/dev/video0 or 0), an RTSP or HTTP URL, a video file or a folder of photos."""
    enabled: bool = True
    loop: bool = False
    """A video file or folder starts again at its end."""
    width: Annotated[int, Field(ge=16, le=8192)] = 1280
    """Pixels asked of a live camera."""
    height: Annotated[int, Field(ge=16, le=8192)] = 720
    """Pixels asked of a live camera."""
    fps: Annotated[float, Field(gt=0, le=120)] = 15
    """Frames per second asked of a live camera."""
    rotate: Literal[0, 90, 180, 270] = 0
    """Degrees clockwise, for a camera that hangs on its side."""
    photo_seconds: Annotated[float, Field(gt=0, le=3600)] = 2.0
    """Seconds that each photo of a folder is shown."""
    zones: dict[Name, Annotated[list[Point], Field(min_length=3)]] = {}
    """Named polygons in fractions of the picture's width and height; an event lists those its person stands in."""


class DetectorSettings(Settings):
    model: str = "face-detector"
    """A shipped model's name, a .tflite beside its manifest, or with `kind` yunet or res10 a file of that network."""
    kind: Literal["tflite", "yunet", "res10"] = "tflite"
    min_score: Fraction | None = None
    """A face counts from this score on; None: the model's recommendation."""
    low_score: Fraction | None = None
    """A fainter face still carries on a track; None: a fifth of min_score."""
    nms_iou: Fraction = 0.45
    """Of two boxes that overlap by more than this, the weaker goes."""
    min_face_px: Annotated[float, Field(ge=0)] = 12
    """Pixels of a face's height in the picture below which it is ignored."""
    max_faces: Annotated[int, Field(ge=1, le=1000)] = 50
    """Faces kept per picture, best first."""


class ClassifierSettings(Settings):
    model: str = "mask-classifier"
    """A shipped model's name, or a .tflite beside its manifest."""
    min_confidence: Fraction | None = None
    """Below this the status is `unknown`; None: the model's recommendation."""


class RuntimeSettings(Settings):
    backend: Literal["auto", "litert", "tflite-runtime"] = "auto"
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    """CPU threads for each model."""


class TrackingSettings(Settings):
    match_iou: Fraction = 0.2
    """Least overlap of a face with a track's predicted box."""
    lost_after_s: Seconds = 2.0
    """Seconds without a face after which a track ends."""
    min_hits: Annotated[int, Field(ge=1)] = 3
    """Faces seen before a track counts as a person."""


class ComplianceSettings(Settings):
    compliant: list[str] = ["with_mask"]
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
    ca_file: Path | None = None
    """Authority to trust; None: the system's."""
    cert_file: Path | None = None
    key_file: Path | None = None


class MqttSettings(Settings):
    enabled: bool = True
    host: str = "localhost"
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    protocol: Literal["5", "3.1.1"] = "5"
    prefix: Annotated[str, Field(pattern=r"^[^/+#\s][^+#\s]*$")] = "maskd"
    username: str | None = None
    password_file: Path | None = None
    client_id: str | None = None
    """None: maskd-<device>."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    tls: TlsSettings | None = None
    """None: a plain connection."""
    status_interval_s: Annotated[float, Field(ge=1)] = 30
    window_s: Annotated[float, Field(ge=1)] = 60
    """Length of the windows counted in .../compliance, in seconds."""


class StorageSettings(Settings):
    path: Path = Path("/var/lib/maskd")
    """Folder of the outbox."""
    max_events: Annotated[int, Field(ge=1)] = 1_000_000
    max_bytes: Annotated[int, Field(ge=1_000_000)] = 1_000_000_000
    """Past either cap the oldest unsent events go first, and the loss is counted and published."""


class Config(Settings):
    device: Name = Field(default_factory=socket.gethostname)
    """This device's name in topics and events; the host name unless set."""
    privacy: Literal["events", "aggregate"] = "events"
    """aggregate: only window counts are published, no event about a single person."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    cameras: Annotated[dict[Name, CameraSettings], Field(min_length=1)] = {"camera": CameraSettings(source="auto")}
    detector: DetectorSettings = DetectorSettings()
    classifier: ClassifierSettings = ClassifierSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    tracking: TrackingSettings = TrackingSettings()
    compliance: ComplianceSettings = ComplianceSettings()
    mqtt: MqttSettings = MqttSettings()
    storage: StorageSettings = StorageSettings()
