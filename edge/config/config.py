"""The whole configuration: the settings of the device, and a section for each of its parts."""

from __future__ import annotations

import re
import socket
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from edge.camera.source_masking import secrets_of
from edge.config.camera import CameraSettings
from edge.config.fields import NAME_PATTERN, Name, Settings, contradiction, misnamed
from edge.config.mqtt import MqttSettings
from edge.config.mqtt_output import may_be_below
from edge.config.outputs import OutputsSettings
from edge.config.people import ComplianceSettings, TrackingSettings
from edge.config.report import ReportSettings
from edge.config.rules import RuleSettings
from edge.config.snapshots import SnapshotSettings
from edge.config.storage import StorageSettings
from edge.config.traits import LIVE, Control, Traits
from edge.config.view import ViewSettings
from edge.config.vision import ClassifierSettings, DetectorSettings, RuntimeSettings
from edge.config.web import WebSettings


def default_device() -> str:
    """The host name with every character that a topic cannot carry replaced; `maskd` where nothing is left."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname()).strip("-_")[:64]
    return name or "maskd"


def _host_name_if_none(value: object) -> object:
    return default_device() if value is None else value


class Config(Settings):
    device: Annotated[
        Name,
        BeforeValidator(_host_name_if_none),
        WithJsonSchema({"type": ["string", "null"], "pattern": NAME_PATTERN}),
    ] = Field(default_factory=default_device)
    """This device's name in topics and events; null: the host name."""
    privacy: Annotated[
        Literal["events", "aggregate"], Traits(effect="live", control=Control("privacy", icon="mdi:incognito"))
    ] = "events"
    """events: publish an event for each person, and window counts; aggregate: publish window counts only."""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], LIVE] = "info"
    """Log level."""
    cameras: Annotated[
        dict[Name, CameraSettings],
        Field(min_length=1),
        LIVE,
    ] = {"camera": CameraSettings(source="auto")}
    """One section per camera; its name becomes part of the topics."""
    detector: DetectorSettings = DetectorSettings()
    """Finding faces."""
    classifier: ClassifierSettings = ClassifierSettings()
    """Judging each face's mask."""
    runtime: RuntimeSettings = RuntimeSettings()
    """What runs the models."""
    tracking: TrackingSettings = TrackingSettings()
    """Following a person from frame to frame."""
    compliance: ComplianceSettings = ComplianceSettings()
    """From judgements to events."""
    view: ViewSettings = ViewSettings()
    """Whether what a camera shows can be judged."""
    mqtt: MqttSettings = MqttSettings()
    """The MQTT broker that receives the events."""
    storage: StorageSettings = StorageSettings()
    """Where events wait until the broker has confirmed them, and the local record."""
    snapshots: SnapshotSettings = SnapshotSettings()
    """A picture of each event, with every face made unrecognisable."""
    report: ReportSettings = ReportSettings()
    """The report of each week."""
    web: WebSettings = WebSettings()
    """The page that shows what maskd sees, health and metrics."""

    rules: Annotated[dict[Name, RuleSettings], LIVE] = {}
    """What maskd does about what it sees; each rule has a name."""
    outputs: OutputsSettings = OutputsSettings()
    """What the rules act through."""

    @model_validator(mode="after")
    def _rules_name_what_there_is(self) -> Config:
        names = [name for _, name, _ in self.outputs.named()]
        for name, rule in self.rules.items():
            for output in rule.do:
                if output not in names:
                    raise misnamed(("rules", name, "do"), "output", output, names)
            for camera in rule.when.cameras or ():
                if camera not in self.cameras:
                    raise misnamed(("rules", name, "when", "cameras"), "camera", camera, [*self.cameras])
            zones = [zone for camera in rule.when.cameras or self.cameras for zone in self.cameras[camera].zones]
            for zone in rule.when.zones or ():
                if zone not in zones:
                    raise misnamed(("rules", name, "when", "zones"), "zone", zone, zones)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise contradiction("outputs", f'two outputs have the name "{twice}"; rename one of them')
        return self

    @model_validator(mode="after")
    def _report_names_a_mail_output(self) -> Config:
        if self.report.mail is not None and self.report.mail not in self.outputs.mail:
            raise misnamed(("report", "mail"), "output of kind mail", self.report.mail, [*self.outputs.mail])
        return self

    @model_validator(mode="after")
    def _mqtt_outputs_have_topics_of_their_own(self) -> Config:
        taken = {
            f"{self.mqtt.prefix}/{self.device}": "maskd's own topics",
            self.mqtt.homeassistant.prefix: "what Home Assistant is told",
        }
        for name, output in self.outputs.mqtt.items():
            if not self.mqtt.enabled:
                problem = "it needs the broker, and mqtt.enabled is false; set that to true, or remove this output"
                raise contradiction(f"outputs.mqtt.{name}", problem)
            for prefix, whose in taken.items():
                if may_be_below(output.topic, prefix, self.device):
                    problem = f"{prefix}/ is for {whose}; begin it with a word of your own, such as alarms/{{camera}}"
                    raise contradiction(f"outputs.mqtt.{name}.topic", problem)
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """Parts of the cameras' sources, and of web addresses, that are shown nowhere."""
        webhooks = [webhook.url for webhook in self.outputs.webhook.values() if webhook.url is not None]
        sources = [camera.source.text for camera in self.cameras.values()]
        return frozenset(secret for address in (*sources, *webhooks) for secret in secrets_of(address))

    @property
    def keeps_snapshots(self) -> bool:
        """`privacy: aggregate` forbids them, whatever their own section says."""
        return self.snapshots.enabled and self.privacy == "events"

    @property
    def publishes_snapshots(self) -> bool:
        return self.keeps_snapshots and self.snapshots.publish and self.mqtt.enabled

    @property
    def counting_window_s(self) -> float:
        """Length of the windows counted: longer with `privacy: aggregate`, so that few show a single person."""
        if self.mqtt.window_s is not None:
            return self.mqtt.window_s
        return 1200.0 if self.privacy == "aggregate" else 60.0
