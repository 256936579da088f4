"""What kind of camera a source names, as far as checks differ by it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.config import Config
from edge.source_names import exclusive_device, is_gstreamer, v4l2_device


@dataclass(frozen=True, slots=True)
class Needs:
    """Names of the cameras that are on, by what they need of OpenCV."""

    gstreamer: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    """FFmpeg or GStreamer."""
    devices: tuple[str, ...] = ()
    """V4L2."""


def needs_of(config: Config) -> Needs:
    sources = {name: camera.source for name, camera in config.cameras.items() if camera.enabled}
    return Needs(
        gstreamer=tuple(name for name, source in sources.items() if is_gstreamer(source)),
        streams=tuple(name for name, source in sources.items() if is_stream(source)),
        devices=tuple(name for name, source in sources.items() if v4l2_device(source) is not None),
    )


def is_stream(source: str) -> bool:
    """Whether it is the address of a network camera."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", source) is not None and not source.startswith("file://")


def is_there(source: str) -> bool:
    """False where it names a device that the kernel does not know, which nobody can have."""
    device = v4l2_device(source)
    return device is None or Path(device).exists()


def is_exclusive(source: str) -> bool:
    """Whether only one program at a time may be able to read it."""
    return exclusive_device(source) is not None or is_gstreamer(source)
