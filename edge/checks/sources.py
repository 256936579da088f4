"""What kind of camera a source names, as far as checks differ by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.camera.source import Source, V4l2
from edge.config import Config


@dataclass(frozen=True, slots=True)
class Needs:
    """Names of the cameras that are on, by what they need of OpenCV."""

    gstreamer: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    """V4L2."""


def needs_of(config: Config) -> Needs:
    sources = {name: camera.source for name, camera in config.cameras.items() if camera.enabled}
    return Needs(
        gstreamer=tuple(name for name, source in sources.items() if source.uses_gstreamer),
        devices=tuple(name for name, source in sources.items() if isinstance(source, V4l2)),
    )


def is_there(source: Source) -> bool:
    """False if it names a device that the kernel does not know, so that no program can be using it."""
    return not isinstance(source, V4l2) or Path(source.path).exists()
