"""Each camera: a picture, its size, its rate, and whether it shows anything."""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from edge.camera.source import Stream
from edge.checks.jobs import Job, run_together
from edge.checks.row import Row, judged
from edge.checks.sources import is_there
from edge.config import CameraSettings, Config
from edge.control.changes import require_a_camera
from edge.errors import MaskdError
from edge.mqtt.login import commands_enabled

if TYPE_CHECKING:
    from edge.camera.base import Camera
    from edge.camera.frame import Frame

FRAME_TIMEOUT_S = 10.0
STREAM_TIMEOUT_S = 30.0
"""A network camera gives up by itself and says why, mostly within 10 s; trying both transports takes longer."""
_GRACE_S = 1.0
"""A stream that gives up by itself at the same moment says why."""
MEASURED_S = 1.5
"""For which a live camera's rate is measured."""
_BLACK = 10.0
"""Mean brightness, of 255, below which no person would be visible."""
_ONE_COLOUR = 1.0
"""Spread of the brightness, of 255, that even the noise of a picture of a bare wall exceeds."""


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What a camera gave while it was looked at."""

    width: int
    height: int
    brightness: float
    """Mean of the last picture, of 255."""
    spread: float
    """Standard deviation of the last picture's values."""
    per_second: float | None = None
    """None: it is not a live camera, or gave only one picture."""
    is_frozen: bool = False
    """All pictures were the same, to the last bit."""


def camera_rows(config: Config, *, maskd_is_running: bool) -> Iterator[Row]:
    """All cameras at the same time. Needs OpenCV."""
    jobs = {
        name: Job(
            f"camera {name}",
            str(settings.source),
            partial(_try_camera, name, settings),
            _limit_s(settings) + _GRACE_S,
            f"no picture came within {_limit_s(settings):g} s; check the camera, its cable and the network",
        )
        for name, settings in config.cameras.items()
        if settings.enabled
    }
    rows = dict(zip(jobs, run_together(list(jobs.values())), strict=True))
    for name, settings in config.cameras.items():
        if not settings.enabled:
            yield Row("skipped", f"camera {name}", "enabled: false")
        else:
            may_be_busy = maskd_is_running and settings.source.may_be_exclusive and is_there(settings.source)
            yield _as_busy(rows[name]) if may_be_busy else rows[name]


def _limit_s(settings: CameraSettings) -> float:
    return STREAM_TIMEOUT_S if isinstance(settings.source, Stream) else FRAME_TIMEOUT_S


def judge_look(what: str, described: str, look: Look, asked_fps: float | None) -> Row:
    """`asked_fps`: pictures per second that the camera was asked for; None: it decides by itself."""
    warnings = []
    if look.brightness < _BLACK:
        warnings.append("the picture is black; remove the lens cap, turn on the light, or open the camera's shutter")
    elif look.spread < _ONE_COLOUR:
        warnings.append("the picture has only one colour; check what is in front of the camera, and replug it")
    if look.is_frozen:
        warnings.append("the picture is frozen: all pictures were identical; restart the camera")
    rate = look.per_second
    if rate is not None and asked_fps is not None and rate < asked_fps / 2:
        warnings.append(
            f"it gives {rate:.1f} pictures per second of the {asked_fps:g} requested; add light, because dark "
            "pictures are exposed longer, or lower width, height or fps"
        )
    elif rate is not None and asked_fps is None and rate < 1:
        warnings.append(
            f"it gives {rate:.1f} pictures per second, too few to follow people; check the camera's settings"
        )
    at_rate = "" if rate is None else f" at {rate:.1f} per second"
    figures = {"width": look.width, "height": look.height, "per_second": None if rate is None else round(rate, 1)}
    detail = f"{described}, {look.width} x {look.height} pixels{at_rate}"
    return judged(what, detail, warnings=warnings, figures=figures)


def _try_camera(name: str, settings: CameraSettings) -> Iterator[Row]:
    from edge.camera.build import open_camera

    camera = open_camera(name, settings)
    try:
        camera.open()
        first = camera.read()
        if first is None:
            raise MaskdError(f"{camera.describe()} has no picture; check `source` of camera {name}")
        look = _look(camera, first)
        asked = settings.fps if settings.source.device is not None else None
        yield judge_look(f"camera {name}", camera.describe(), look, asked)
    finally:
        camera.close()


def _look(camera: Camera, first: Frame) -> Look:
    """Reads on for a while where the camera is live. Raises MaskdError where it fails meanwhile."""
    frame, count, is_frozen = first, 0, True
    digest = zlib.crc32(first.image.tobytes())
    while camera.live and time.monotonic() - first.captured_at < MEASURED_S:
        following = camera.read()
        if following is None:
            break
        frame, count = following, count + 1
        is_frozen = is_frozen and zlib.crc32(frame.image.tobytes()) == digest
    seconds = frame.captured_at - first.captured_at
    height, width = frame.image.shape[:2]
    return Look(
        width,
        height,
        brightness=float(frame.image.mean()),
        spread=float(frame.image.std()),
        per_second=count / seconds if seconds > 0 else None,
        is_frozen=is_frozen and count >= 3,  # a slow camera's two alike prove nothing
    )


def _as_busy(row: Row) -> Row:
    if row.result != "FAIL":
        return row
    problem = f"{row.problem}; or the running maskd is using it, which is fine"
    return dataclasses.replace(row, result="warn", problem=problem)


def none_is_on(config: Config) -> Iterator[Row]:
    """A row where no camera is enabled, and none otherwise."""
    try:
        require_a_camera(config, commands=commands_enabled(config.mqtt))
    except MaskdError as error:
        yield Row("FAIL", "cameras", "none is enabled", str(error))
    else:
        if not any(settings.enabled for settings in config.cameras.values()):
            yield Row("warn", "cameras", "none is enabled", "maskd waits until one is switched on by a command")
