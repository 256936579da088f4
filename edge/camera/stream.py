"""Network cameras: RTSP and HTTP."""

from __future__ import annotations

import time

import cv2

from edge.camera.frame import Frame
from edge.camera.opencv import Capture
from edge.config import CameraSettings
from edge.errors import MaskdError
from edge.masking import mask_url

OPEN_TIMEOUT_MS = 10_000
READ_TIMEOUT_MS = 5_000


class StreamCamera:
    """A stream that FFmpeg reads; RTSP goes over TCP."""

    live = True

    def __init__(
        self,
        name: str,
        url: str,
        settings: CameraSettings,
        *,
        open_timeout_ms: int = OPEN_TIMEOUT_MS,
        read_timeout_ms: int = READ_TIMEOUT_MS,
    ) -> None:
        self._name = name
        self._url = url
        self._rotate = settings.rotate
        self._timeouts = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            open_timeout_ms,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            read_timeout_ms,
        ]
        self._capture: Capture | None = None
        self._count = 0

    def open(self) -> None:
        if cv2.CAP_FFMPEG in cv2.videoio_registry.getStreamBackends():
            capture = Capture(self._url, cv2.CAP_FFMPEG, self._rotate, self._timeouts)
        else:  # NVIDIA builds OpenCV with GStreamer alone, which has time-outs of its own
            capture = Capture(self._url, cv2.CAP_ANY, self._rotate)
        if not capture.opened:
            raise MaskdError(
                f"the stream {self.describe()} does not open; check that the address, the user and the password "
                "work in a player such as VLC"
            )
        self._capture = capture

    def read(self) -> Frame:
        assert self._capture is not None, "open() comes first"
        image = self._capture.read()
        if image is None:
            raise MaskdError(f"the stream {self.describe()} gives no more pictures; check the camera and the network")
        self._count += 1
        return Frame(image, time.monotonic(), self._count - 1, self._name)

    def close(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self._capture = None

    def describe(self) -> str:
        return mask_url(self._url)
