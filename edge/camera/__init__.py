"""Where frames come from. `open_camera` turns a `source` of config.yaml into a Camera."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edge.camera.auto import AutoCamera
from edge.camera.base import Camera
from edge.camera.frame import Frame
from edge.camera.gstreamer import gstreamer_camera
from edge.camera.photos import PhotosCamera, is_photo
from edge.camera.picamera import PiCamera
from edge.camera.stream import StreamCamera
from edge.camera.v4l2 import V4l2Camera
from edge.camera.video import VideoCamera
from edge.config import CameraSettings
from edge.demo import CLIP
from edge.source_names import is_gstreamer, ribbon_camera, v4l2_device

__all__ = ["Camera", "Frame", "open_camera"]


def open_camera(name: str, settings: CameraSettings) -> Camera:
    """The camera that `settings.source` names, made but not yet opened; `name` is its key in config.yaml.

    Raises MaskdError where this device lacks what the source needs.
    """
    source = settings.source.strip()
    match source:
        case "auto":
            return AutoCamera(name, settings)
        case "demo":
            return VideoCamera(name, CLIP, settings.model_copy(update={"loop": True}))
    if is_gstreamer(source):
        return gstreamer_camera(name, source, settings)
    if (ribbon := ribbon_camera(source)) is not None:
        return PiCamera(name, settings, number=ribbon.number)
    if (device := v4l2_device(source)) is not None:
        return V4l2Camera(name, device, settings)
    if source.startswith("file://"):
        source = unquote(urlsplit(source).path)
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source):
        return StreamCamera(name, source, settings)
    path = Path(source).expanduser()
    return PhotosCamera(name, path, settings) if path.is_dir() or is_photo(path) else VideoCamera(name, path, settings)
