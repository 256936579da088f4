"""What live cameras that OpenCV reads have in common."""

from __future__ import annotations

import time

from edge.camera.frame import Frame
from edge.camera.opencv import Capture
from edge.errors import MaskdError


class LiveCamera:
    """A camera whose `open` sets `_capture`; its frames are counted over every connection."""

    live = True

    def __init__(self, *, no_picture: str) -> None:
        """`no_picture` is the sentence for a connection that gives no more pictures."""
        self._no_picture = no_picture
        self._capture: Capture | None = None
        self._count = 0

    def read(self) -> Frame:
        """The next picture; raises MaskdError where there is none."""
        assert self._capture is not None, "open() comes first"
        picture = self._capture.read()
        if picture is None:
            raise MaskdError(self._no_picture)
        self._count += 1
        return Frame(picture, time.monotonic(), self._count - 1)

    def close(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self._capture = None
