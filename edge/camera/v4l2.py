"""USB cameras and other V4L2 devices."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from edge.camera.live import LiveCamera
from edge.camera.opencv import MJPEG, Capture
from edge.config import CameraSettings
from edge.errors import MaskdError

# From linux/videodev2.h.
_VIDIOC_QUERYCAP = 0x80685600
_CAPABILITY = struct.Struct("16s32s32sIII12x")
_CAP_VIDEO_CAPTURE = 0x00000001
_CAP_VIDEO_CAPTURE_MPLANE = 0x00001000
_CAP_META_CAPTURE = 0x00800000
_CAP_DEVICE_CAPS = 0x80000000

_NOT_CAMERAS = frozenset({"bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc-dec", "rpivid", "unicam", "rp1-cfe"})
"""Drivers of a Raspberry Pi's video units and raw sensors, which list as capture devices but serve only libcamera."""


class V4l2Camera(LiveCamera):
    """A V4L2 device, opened by its path."""

    def __init__(self, device: str, settings: CameraSettings) -> None:
        no_picture = f"the camera {device} gives no more pictures; check its cable and its power supply"
        super().__init__(no_picture=no_picture)
        self._device = device
        self._settings = settings

    def open(self) -> None:
        if not Path(self._device).exists():
            raise MaskdError(
                f"there is no camera at {self._device}; plug it in, or choose one of those that "
                "`ls /dev/video* /dev/v4l/by-id/*` lists"
            )
        if not os.access(self._device, os.R_OK | os.W_OK):
            raise MaskdError(f"{self._device} cannot be opened by this user; add the user to the group `video`")
        if problem := why_no_camera(self._device):
            raise MaskdError(problem)
        capture = Capture(self._device, cv2.CAP_V4L2, self._settings.rotate)
        if not capture.opened:
            raise MaskdError(f"{self._device} does not open as a camera; another program may be using it")
        # MJPG first: it decides which sizes exist, and uncompressed pictures of this size do not fit through USB 2.
        capture.set(cv2.CAP_PROP_FOURCC, MJPEG)
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._settings.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._settings.height)
        capture.set(cv2.CAP_PROP_FPS, self._settings.fps)
        capture.keep_jpeg()
        self._capture = capture

    def describe(self) -> str:
        return self._device


@dataclass(frozen=True, slots=True)
class V4l2Device:
    """What the kernel says of a device node: its path, its driver, the name on its case, and where it is plugged in."""

    path: str
    driver: str
    card: str
    bus: str
    capabilities: int
    """Of this node, as V4L2_CAP_... bits."""

    @property
    def takes_pictures(self) -> bool:
        return bool(self.capabilities & _CAP_VIDEO_CAPTURE) and self.driver not in _NOT_CAMERAS


def capture_devices() -> list[V4l2Device]:
    """The V4L2 devices that are real cameras, by number; those that this user may not open are left out."""
    return [device for device in _devices(Path("/dev")) if device.takes_pictures]


def why_no_camera(path: str) -> str | None:
    """Why the node takes no pictures, and which one does, in one sentence; None: it does, or it is not a V4L2
    device."""
    device = _device(path)
    if device is None or device.capabilities & (_CAP_VIDEO_CAPTURE | _CAP_VIDEO_CAPTURE_MPLANE):
        return None
    # Next to the node itself, which /dev/v4l/by-id/ only links to.
    nodes = [node for node in _devices(Path(path).resolve().parent) if node.takes_pictures]
    giving = [node.path for node in nodes if (node.card, node.bus) == (device.card, device.bus)]
    instead = f"write {giving[0]}" if giving else "choose one of those that `v4l2-ctl --list-devices` lists"
    if device.capabilities & _CAP_META_CAPTURE:
        return f"{path} is the metadata node of the camera {device.card}, which delivers no pictures; {instead}"
    return f"{path} ({device.card}, driver {device.driver}) delivers no pictures; {instead}"


def _devices(folder: Path) -> Iterator[V4l2Device]:
    for node in sorted(folder.glob("video[0-9]*"), key=lambda node: (len(node.name), node.name)):
        if (device := _device(str(node))) is not None:
            yield device


def _device(path: str) -> V4l2Device | None:
    """None: it cannot be opened, or is not a V4L2 device."""
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


def parse_capability(path: str, answer: bytes) -> V4l2Device:
    """The kernel's answer to VIDIOC_QUERYCAP (struct v4l2_capability)."""
    driver, card, bus, _version, of_whole_device, of_this_node = _CAPABILITY.unpack(answer)
    capabilities = of_this_node if of_whole_device & _CAP_DEVICE_CAPS else of_whole_device
    return V4l2Device(path, _text(driver), _text(card), _text(bus), capabilities)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")
