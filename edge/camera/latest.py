"""The one place between a camera's thread and the vision thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from edge.camera.frame import Frame


class LatestFrame:
    """One slot: a newer frame replaces an older one that was not taken, and the loss is counted.

    Cameras that one thread watches share a condition, so that `wait_for_any` wakes at whichever is first.
    """

    def __init__(self, changed: threading.Condition | None = None) -> None:
        self.changed = changed or threading.Condition()
        self._frame: Frame | None = None
        self._dropped = 0
        self._closed = False

    def put(self, frame: Frame) -> None:
        """Ignored after `close`."""
        with self.changed:
            if self._closed:
                return
            if self._frame is not None:
                self._dropped += 1
            self._frame = frame
            self.changed.notify_all()

    def take(self, timeout: float) -> Frame | None:
        """The newest frame, waiting up to `timeout` seconds for it; None: there was none, or there will be none."""
        with self.changed:
            self.changed.wait_for(lambda: self._frame is not None or self._closed, timeout)
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> None:
        """No frame will follow; the one in the slot can still be taken."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    @property
    def dropped(self) -> int:
        """Frames that were replaced before they were taken."""
        with self.changed:
            return self._dropped

    @property
    def waiting(self) -> bool:
        """A frame can be taken at once."""
        with self.changed:
            return self._frame is not None

    @property
    def closed(self) -> bool:
        """The source has ended and its last frame was taken."""
        with self.changed:
            return self._closed and self._frame is None


def wait_for_any(slots: Sequence[LatestFrame], timeout: float) -> bool:
    """Waits up to `timeout` seconds until a frame can be taken from one of the slots, which share one condition.

    True: one can. False: none came in time, or every slot is closed.
    """
    if not slots:
        time.sleep(timeout)
        return False
    changed = slots[0].changed
    if any(slot.changed is not changed for slot in slots):
        raise ValueError("the slots do not share one condition")
    with changed:  # its lock is reentrant, so the slots may be asked under it
        changed.wait_for(lambda: any(slot.waiting for slot in slots) or all(slot.closed for slot in slots), timeout)
        return any(slot.waiting for slot in slots)
