"""What every kind of camera offers to the thread that reads it."""

from __future__ import annotations

from typing import Protocol

from edge.camera.frame import Frame


class Camera(Protocol):
    """Where pictures come from. One thread calls all of it; after `close`, `open` may be called again."""

    @property
    def live(self) -> bool:
        """True for a device or a stream, which may come back after an error; False for files, which end."""
        ...

    def open(self) -> None:
        """Raises MaskdError where the source is not there or gives no pictures."""
        ...

    def read(self) -> Frame | None:
        """The next picture, waiting for it; None: the source has ended. Raises MaskdError where it fails."""
        ...

    def close(self) -> None:
        """Lets go of the device or file; harmless where nothing is open."""
        ...

    def describe(self) -> str:
        """The source in words, without passwords: fit for logs and tables."""
        ...
