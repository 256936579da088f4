"""Network cameras: RTSP and HTTP."""

from __future__ import annotations

import cv2

from edge.camera.live import LiveCamera
from edge.camera.opencv import Capture, gstreamer_timeout
from edge.config import CameraSettings
from edge.errors import MaskdError
from edge.masking import mask_url

OPEN_TIMEOUT_MS = 10_000
READ_TIMEOUT_MS = 5_000


class StreamCamera(LiveCamera):
    """A stream that FFmpeg reads; RTSP goes over TCP."""

    def __init__(
        self,
        name: str,
        url: str,
        settings: CameraSettings,
        *,
        open_timeout_ms: int = OPEN_TIMEOUT_MS,
        read_timeout_ms: int = READ_TIMEOUT_MS,
    ) -> None:
        no_picture = f"the stream {mask_url(url)} gives no more pictures; check the camera and the network"
        super().__init__(name, no_picture=no_picture)
        self._url = url
        self._rotate = settings.rotate
        self._open_timeout_ms = open_timeout_ms
        self._read_timeout_ms = read_timeout_ms

    def open(self) -> None:
        if cv2.CAP_FFMPEG in cv2.videoio_registry.getStreamBackends():
            opening = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, self._open_timeout_ms]
            reading = [cv2.CAP_PROP_READ_TIMEOUT_MSEC, self._read_timeout_ms]
            capture = Capture(self._url, cv2.CAP_FFMPEG, self._rotate, [*opening, *reading])
        else:  # NVIDIA builds OpenCV with GStreamer alone, which heeds no time-out for opening
            capture = Capture(self._url, cv2.CAP_GSTREAMER, self._rotate, gstreamer_timeout(self._read_timeout_ms))
        if not capture.opened:
            raise MaskdError(
                f"the stream {self.describe()} does not open; check that the address, the user and the password "
                "work in a player such as VLC"
            )
        self._capture = capture

    def describe(self) -> str:
        return mask_url(self._url)
