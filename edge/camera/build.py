"""The camera that a `source` of config.yaml names."""

from __future__ import annotations

from edge.camera.auto import AutoCamera
from edge.camera.base import Camera
from edge.camera.gstreamer import csi_camera, pipeline_camera
from edge.camera.photos import PhotosCamera
from edge.camera.picamera import PiCamera
from edge.camera.source import Auto, Csi, Demo, Files, Pipeline, RaspberryPi, Stream, V4l2
from edge.camera.stream import StreamCamera
from edge.camera.v4l2 import V4l2Camera
from edge.camera.video import VideoCamera
from edge.config import CameraSettings
from edge.demo_clip import CLIP


def open_camera(name: str, settings: CameraSettings) -> Camera:
    """The camera that `settings.source` names, made but not yet opened; `name` is its key in config.yaml.

    Raises MaskdError where this device lacks what the source needs.
    """
    match settings.source:
        case Auto():
            return AutoCamera(name, settings)
        case Demo():
            return VideoCamera(CLIP, settings.model_copy(update={"loop": True}))
        case V4l2(path=device):
            return V4l2Camera(device, settings)
        case RaspberryPi(number=number):
            return PiCamera(name, settings, number=number)
        case Csi(number=sensor):
            return csi_camera(sensor, settings)
        case Pipeline(pipeline=pipeline):
            return pipeline_camera(pipeline, settings)
        case Stream(url=url):
            return StreamCamera(url, settings)
        case Files(path=path) as files:
            return PhotosCamera(name, path, settings) if files.shows_photos else VideoCamera(path, settings)
    raise AssertionError(f"{settings.source!r} has no camera")
