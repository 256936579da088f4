"""Every setting of maskd, declared once, with its unit. `edge.config.file` reads them from config.yaml."""

from __future__ import annotations

from edge.config.camera import CameraSettings
from edge.config.config import Config, default_device
from edge.config.fields import NAME_PATTERN, TOPIC_PREFIX_PATTERN, Name, Settings
from edge.config.mqtt import HomeAssistantSettings, MqttSettings, TlsSettings
from edge.config.people import ComplianceSettings, TrackingSettings
from edge.config.snapshots import SnapshotSettings
from edge.config.storage import StorageSettings
from edge.config.view import ViewSettings
from edge.config.vision import ClassifierSettings, DetectorSettings, RuntimeSettings
from edge.config.web import WebSettings, WebTlsSettings
from edge.config.zone import ALL, ZoneSettings

__all__ = [
    "ALL",
    "NAME_PATTERN",
    "TOPIC_PREFIX_PATTERN",
    "CameraSettings",
    "ClassifierSettings",
    "ComplianceSettings",
    "Config",
    "DetectorSettings",
    "HomeAssistantSettings",
    "MqttSettings",
    "Name",
    "RuntimeSettings",
    "Settings",
    "SnapshotSettings",
    "StorageSettings",
    "TlsSettings",
    "TrackingSettings",
    "ViewSettings",
    "WebSettings",
    "WebTlsSettings",
    "ZoneSettings",
    "default_device",
]
