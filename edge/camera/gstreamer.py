"""Cameras behind a GStreamer pipeline: a Jetson's ribbon-cable (CSI) cameras, and whatever else GStreamer reads."""

from __future__ import annotations

import re
from fractions import Fraction

import cv2

from edge.camera.live import LiveCamera
from edge.camera.opencv import Capture, gstreamer_timeout
from edge.config import CameraSettings
from edge.errors import MaskdError

READ_TIMEOUT_MS = 5_000
_TAIL = "videoconvert ! video/x-raw, format=BGR ! appsink drop=true max-buffers=1 sync=false"
"""OpenCV takes BGR from an appsink; it keeps the newest picture only, and waits for no clock."""


class GstCamera(LiveCamera):
    """A GStreamer pipeline, through an OpenCV that was built with GStreamer."""

    def __init__(
        self,
        settings: CameraSettings,
        *,
        pipeline: str,
        described: str,
        remedy: str,
        read_timeout_ms: int = READ_TIMEOUT_MS,
    ) -> None:
        super().__init__(no_picture=f"{described} gives no more pictures; {remedy}")
        self.pipeline = pipeline
        self._described = described
        self._remedy = remedy
        self._rotate = settings.rotate
        # OpenCV heeds a time-out for opening only once it has opened; without a picture that takes its own 30 s.
        self._timeouts = gstreamer_timeout(read_timeout_ms)

    def open(self) -> None:
        capture = Capture(self.pipeline, cv2.CAP_GSTREAMER, self._rotate, self._timeouts)
        # OpenCV calls a pipeline open from which no picture came, and one of which an element is missing.
        if not capture.opened or capture.get(cv2.CAP_PROP_FRAME_WIDTH) <= 0:
            capture.close()
            raise MaskdError(f"{self._described} does not open; {self._remedy}")
        self._capture = capture

    def describe(self) -> str:
        return self._described


def csi_camera(sensor: int, settings: CameraSettings) -> GstCamera:
    """A Jetson's ribbon-cable camera, by its sensor-id; raises MaskdError where this OpenCV has no GStreamer."""
    require_gstreamer(str(settings.source), cv2.getBuildInformation())
    return GstCamera(
        settings,
        pipeline=csi_pipeline(sensor, settings),
        described=f"the CSI camera {sensor}",
        remedy="check its ribbon cable, check that `nvgstcapture-1.0` shows a picture, and run `sudo systemctl "
        "restart nvargus-daemon`",
    )


def pipeline_camera(pipeline: str, settings: CameraSettings) -> GstCamera:
    """The camera of a pipeline without its `gst:`; raises MaskdError where this OpenCV has no GStreamer."""
    require_gstreamer(str(settings.source), cv2.getBuildInformation())
    # The rest may hold a password.
    described = f"the GStreamer pipeline {pipeline.split()[0]} …"
    remedy = "try it with gst-launch-1.0 and autovideosink at the end"
    return GstCamera(settings, pipeline=complete(pipeline), described=described, remedy=remedy)


def csi_pipeline(sensor: int, settings: CameraSettings) -> str:
    """A Jetson's: its image processor makes colour pictures of the size asked for, in NVIDIA's memory; nvvidconv
    fetches them from there, but knows no BGR."""
    rate = Fraction(settings.fps).limit_denominator(1000)
    asked = f"width={settings.width}, height={settings.height}, framerate={rate.numerator}/{rate.denominator}"
    return (
        f"nvarguscamerasrc sensor-id={sensor} ! video/x-raw(memory:NVMM), {asked} ! "
        f"nvvidconv ! video/x-raw, format=BGRx ! {_TAIL}"
    )


def complete(pipeline: str) -> str:
    """With an appsink at its end, from which OpenCV takes the pictures."""
    return pipeline if re.search(r"!\s*appsink\b", pipeline) else f"{pipeline} ! {_TAIL}"


def require_gstreamer(source: str, build_information: str) -> None:
    """Raises MaskdError where OpenCV's `build_information` says that it was built without GStreamer."""
    if re.search(r"^\s*GStreamer:\s*YES\b", build_information, re.MULTILINE):
        return
    raise MaskdError(
        f"the camera source {source.split()[0]} needs an OpenCV with GStreamer, which pip's ({cv2.__version__}) "
        "lacks; use the system's: `sudo systemd/install.sh --system-opencv`, or in your own environment, made with "
        "--system-site-packages, `pip uninstall opencv-python-headless`"
    )
