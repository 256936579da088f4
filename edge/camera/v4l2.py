"""USB cameras and other V4L2 devices."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import cv2

from edge.camera.live import LiveCamera
from edge.camera.opencv import Capture
from edge.config import CameraSettings
from edge.errors import MaskdError

# From linux/videodev2.h.
_VIDIOC_QUERYCAP = 0x80685600
_CAPABILITY = struct.Struct("16s32s32sIII12x")
_CAP_VIDEO_CAPTURE = 0x00000001
_CAP_DEVICE_CAPS = 0x80000000

_NOT_CAMERAS = frozenset({"bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc-dec", "rpivid", "unicam", "rp1-cfe"})
"""Drivers of a Raspberry Pi's video units and raw sensors, which list as capture devices but serve only libcamera."""


class V4l2Camera(LiveCamera):
    """A V4L2 device, opened by its path."""

    def __init__(self, name: str, device: str, settings: CameraSettings) -> None:
        no_picture = f"the camera {device} gives no more pictures; check its cable and its power supply"
        super().__init__(name, no_picture=no_picture)
        self._device = device
        self._settings = settings

    def open(self) -> None:
        if not Path(self._device).exists():
            raise MaskdError(
                f"there is no camera at {self._device}; plug it in, or choose one of those that "
                "`ls /dev/video* /dev/v4l/by-id/*` lists"
            )
        if not os.access(self._device, os.R_OK | os.W_OK):
            raise MaskdError(f"{self._device} may not be opened by this user; add the user to the group `video`")
        capture = Capture(self._device, cv2.CAP_V4L2, self._settings.rotate)
        if not capture.opened:
            raise MaskdError(f"{self._device} does not open as a camera; another program may be using it")
        # MJPG first: it decides which sizes exist, and uncompressed pictures of this size do not fit through USB 2.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._settings.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._settings.height)
        capture.set(cv2.CAP_PROP_FPS, self._settings.fps)
        self._capture = capture

    def describe(self) -> str:
        return self._device


@dataclass(frozen=True, slots=True)
class V4l2Device:
    """A device that takes pictures: its path, its driver and the name on its case."""

    path: str
    driver: str
    card: str


def capture_devices() -> list[V4l2Device]:
    """The V4L2 devices that are real cameras, by number; those that this user may not open are left out."""
    nodes = sorted(Path("/dev").glob("video[0-9]*"), key=lambda node: (len(node.name), node.name))
    devices = [device for node in nodes if (device := _capture_device(str(node))) is not None]
    return [device for device in devices if device.driver not in _NOT_CAMERAS]


def _capture_device(path: str) -> V4l2Device | None:
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        answer = fcntl.ioctl(handle, _VIDIOC_QUERYCAP, bytes(_CAPABILITY.size))
    except OSError:
        return None
    finally:
        os.close(handle)
    return parse_capability(path, answer)


def parse_capability(path: str, answer: bytes) -> V4l2Device | None:
    """The kernel's answer to VIDIOC_QUERYCAP (struct v4l2_capability); None: this device node takes no pictures."""
    driver, card, _bus, _version, of_whole_device, of_this_node = _CAPABILITY.unpack(answer)
    capabilities = of_this_node if of_whole_device & _CAP_DEVICE_CAPS else of_whole_device
    if not capabilities & _CAP_VIDEO_CAPTURE:
        return None
    return V4l2Device(path, _text(driver), _text(card))


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")
