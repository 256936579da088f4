"""What a camera's `source` names, by its text alone: nothing is opened, and no library is loaded."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, cast

_RIBBON = re.compile(r"(picamera|csi)(?::(\d{1,2}))?")


class RibbonCamera(NamedTuple):
    """A camera on a ribbon cable: `picamera` on a Raspberry Pi, `csi` on a Jetson."""

    kind: Literal["picamera", "csi"]
    number: int
    """In the order of the board's own list, from 0."""


def ribbon_camera(source: str) -> RibbonCamera | None:
    """Of picamera, picamera:1, csi, csi:1 and so on; None: it is something else."""
    if (match := _RIBBON.fullmatch(source)) is None:
        return None
    return RibbonCamera(cast("Literal['picamera', 'csi']", match[1]), int(match[2] or 0))


def is_gstreamer(source: str) -> bool:
    """Whether a `source` is csi, csi:<number> or gst:<pipeline>."""
    ribbon = ribbon_camera(source)
    return source.startswith("gst:") or (ribbon is not None and ribbon.kind == "csi")


def uses_picamera2(source: str) -> bool:
    """Whether a `source` is picamera or picamera:<number>, or may turn out to be one."""
    ribbon = ribbon_camera(source)
    return source == "auto" or (ribbon is not None and ribbon.kind == "picamera")


def v4l2_device(source: str) -> str | None:
    """The path of a V4L2 device, such as /dev/video0 for 0; None: it is something else."""
    if source.isascii() and source.isdigit():
        return f"/dev/video{int(source)}"
    return source if source.startswith("/dev/") else None


def exclusive_device(source: str) -> str | None:
    """What only one program at a time can read, by one name, such as /dev/video0 for 0; None: nothing of that kind, as
    far as the text tells (a GStreamer pipeline may read anything)."""
    if (ribbon := ribbon_camera(source)) is not None:
        return f"{ribbon.kind}:{ribbon.number}"
    return source if source == "auto" else v4l2_device(source)
