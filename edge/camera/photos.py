"""Photos: one from a file, or a folder of them shown one after another."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge import MAX_PIXELS
from edge.camera.frame import Frame
from edge.camera.image_size import image_kind, image_size
from edge.camera.images import as_rgb, rotated
from edge.camera.jpeg import whole_picture
from edge.camera.suffixes import PHOTO_SUFFIXES, is_photo
from edge.camera.timeline import Timeline
from edge.config import CameraSettings
from edge.errors import MaskdError
from edge.system.printable import one_line
from edge.vision.preprocess import Image

FRAMES_PER_SECOND = 5.0
"""How often a photo that is shown is seen: often enough for its people to be tracked and voted on."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK_FRAME = 12
"""Bytes of a chunk in addition to its content: length, kind and checksum."""
_UNDECODABLE = "cannot be decoded; it is damaged or its format is not supported"
_CONVERTERS = {
    "heic": "heif-convert IMG.HEIC IMG.jpg, from the package libheif-examples",
    "avif": "avifdec IMG.avif IMG.png, from the package libavif-bin",
}
"""OpenCV cannot read them, and FFmpeg shows one tile of a HEIC photo of many."""

_log = logging.getLogger(__name__)


def photo_paths(folder: Path) -> list[Path]:
    """The photos that lie in a folder (not in folders below it), sorted by name. Raises MaskdError."""
    try:
        return sorted(path for path in folder.iterdir() if is_photo(path) and not path.name.startswith("."))
    except OSError as error:
        raise MaskdError(f"the folder {folder} cannot be read: {error.strerror}") from None


def read_photo(path: Path) -> Image:
    """A photo as (height, width, 3) RGB, turned upright by its EXIF note. Raises MaskdError for what is not one."""
    name = one_line(path)
    data = _picture_data(name, _content(path, name))
    try:
        # IMREAD_COLOR also turns it upright, scales 16 bits down to 8, and drops transparency.
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None:
        raise MaskdError(f"the photo {name} {_UNDECODABLE}")
    return as_rgb(np.asarray(picture))


def _content(path: Path, name: str) -> bytes:
    try:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "a device or a pipe"
            raise MaskdError(f"{name} is {what}, not a photo")
        data = path.read_bytes()
    except FileNotFoundError:
        raise MaskdError(f"there is no photo {name}; check the path") from None
    except OSError as error:
        raise MaskdError(f"the photo {name} cannot be read: {error.strerror}") from None
    if not data:
        raise MaskdError(f"the photo {name} is empty; copy it again")
    return data


def _picture_data(name: str, data: bytes) -> bytes:
    """What to decode of the file's content. Raises MaskdError where decoding would fail, invent a grey rest for what is
    missing, as some versions of OpenCV do, or take more memory than a small computer has."""
    kind = image_kind(data)
    if kind in _CONVERTERS:
        raise MaskdError(
            f"the photo {name} is {kind.upper()}, which is not supported; convert it to JPEG ({_CONVERTERS[kind]}), or "
            "set the phone to JPEG (iPhone: Settings, Camera, Formats, Most Compatible)"
        )
    size = image_size(data)
    if size is not None and size[0] * size[1] > MAX_PIXELS:
        raise MaskdError(
            f"the photo {name} is too large, {size[0]} x {size[1]} pixels; scale it down to {MAX_PIXELS // 1000000} "
            "million pixels at most"
        )
    whole: bytes | None = data
    if kind == "jpeg":
        whole = whole_picture(data)
    elif kind == "png" and not _has_whole_chunks(data):
        whole = None
    if whole is None:
        raise MaskdError(f"the photo {name} is truncated; copy it again")
    if size is None:
        raise MaskdError(f"the photo {name} {_UNDECODABLE}")
    return whole


def _has_whole_chunks(png: bytes) -> bool:
    """Whether every chunk up to IEND is there, whatever follows. OpenCV would fill what is missing with zeros,
    gigabytes where the length of a chunk is damaged."""
    position = len(_PNG_SIGNATURE)
    while position + _PNG_CHUNK_FRAME <= len(png):
        if png[position + 4 : position + 8] == b"IEND":
            return True
        position += _PNG_CHUNK_FRAME + int.from_bytes(png[position : position + 4], "big")
    return False


class PhotosCamera:
    """A folder of photos, or one photo: each is shown for `photo_seconds`, and what cannot be read is skipped."""

    live = False

    def __init__(self, name: str, path: Path, settings: CameraSettings) -> None:
        self._name = name
        self._path = path
        self._settings = settings
        self._images: Iterator[Image] = iter(())
        self._timeline = Timeline()
        self._position = 0.0
        self._count = 0
        self.unreadable = 0
        """Photos skipped in this round through the folder."""

    def open(self) -> None:
        if not self._path.exists():
            raise MaskdError(f"there is no folder or photo {self._path}; check the path of `source`")
        paths = photo_paths(self._path) if self._path.is_dir() else [self._path]
        if not paths:
            kinds = ", ".join(sorted(PHOTO_SUFFIXES))
            raise MaskdError(f"the folder {self._path} holds no photos ({kinds}); check the path of `source`")
        self._images = self._shown(paths)
        self._timeline = Timeline()
        self._position = 0.0

    def read(self) -> Frame | None:
        image = next(self._images, None)
        if image is None:
            return None
        due = self._timeline.wait_for(self._position)
        self._position += self._interval
        self._count += 1
        return Frame(image, due, self._count - 1)

    def close(self) -> None:
        self._images = iter(())

    def describe(self) -> str:
        return str(self._path)

    @property
    def _times_shown(self) -> int:
        return max(1, math.ceil(self._settings.photo_seconds * FRAMES_PER_SECOND))

    @property
    def _interval(self) -> float:
        return self._settings.photo_seconds / self._times_shown

    def _shown(self, paths: list[Path]) -> Iterator[Image]:
        """Every picture as often as it is shown; ends after the last photo, or never with `loop`."""
        while True:
            self.unreadable = 0
            for path in paths:
                try:
                    image = rotated(read_photo(path), self._settings.rotate)
                except MaskdError as error:
                    self.unreadable += 1
                    _log.warning("camera %s: %s", self._name, error)
                    continue
                for _ in range(self._times_shown):
                    yield image
            if self.unreadable == len(paths):
                raise MaskdError(f"none of the {len(paths)} photos at {self._path} can be read; see the warnings above")
            if not self._settings.loop:
                return
