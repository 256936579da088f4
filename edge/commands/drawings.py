"""The folder that `maskd detect --out` fills with drawn-on copies of photos and videos."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from edge.errors import MaskdError
from edge.system.printable import one_line
from edge.vision.preprocess import Image, resize

_KEPT_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
_OTHER_NAME = f".maskd-{os.getpid()}.mp4"


class DrawingError(MaskdError):
    """A drawing cannot be written."""


class DrawingsFolder:
    """Where drawings go; no two of one run share a file, and no source of the run is overwritten."""

    def __init__(self, folder: Path, sources: Collection[Path]) -> None:
        self._folder = folder
        self._taken = {path.resolve() for path in sources}

    def start(self) -> None:
        """Makes the folder. Raises DrawingError where nothing can be written there."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            raise DrawingError(
                f"nothing can be written to the folder {self._folder} (--out): {error.strerror}; choose another one"
            ) from error

    def write_photo(self, place: Path, image: Image) -> Path:
        """Writes a picture below the folder, as PNG or JPEG; returns where. Raises DrawingError."""
        suffix = place.suffix.lower()
        target = self._claim(place.with_suffix(suffix if suffix in _KEPT_SUFFIXES else ".png"))
        encoded, data = cv2.imencode(target.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if not encoded:
            raise DrawingError(f"the drawing {one_line(target)} cannot be encoded by OpenCV {cv2.__version__}")
        try:
            target.write_bytes(data.tobytes())
        except OSError as error:
            raise DrawingError(f"the drawing {one_line(target)} cannot be written: {error.strerror}") from error
        return target

    def open_video(self, place: Path, fps: float) -> VideoDrawing:
        """An .mp4 below the folder, for the frames of one video."""
        return VideoDrawing(self._claim(place.with_suffix(".mp4")), fps)

    def _claim(self, place: Path) -> Path:
        """A free path: `a.jpg`, or `a-2.jpg` where that name is taken."""
        first = self._folder / place
        target, number = first, 1
        while target.resolve() in self._taken:
            number += 1
            target = first.with_stem(f"{first.stem}-{number}")
        self._taken.add(target.resolve())
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DrawingError(f"the folder {one_line(target.parent)} cannot be created: {error.strerror}") from error
        return target


class VideoDrawing:
    """An .mp4 that grows frame by frame; complete only once it is closed."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path = path
        self._fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._folder: int | None = None

    def __enter__(self) -> VideoDrawing:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()
        if self._folder is not None:
            os.rename(_OTHER_NAME, self.path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            os.close(self._folder)
            self._folder = None

    def write(self, image: Image) -> None:
        """Adds a frame; one of another size than the first is fitted to it. Raises DrawingError."""
        if self._writer is None:
            self._size = (image.shape[1], image.shape[0])
            self._writer = cv2.VideoWriter(
                self._name_for_opencv(), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, self._size
            )
            if not self._writer.isOpened():
                raise DrawingError(
                    f"the drawing {one_line(self.path)} cannot be written: the disk is full or read-only, or OpenCV "
                    f"{cv2.__version__} was built without MP4 support"
                )
        if (image.shape[1], image.shape[0]) != self._size:
            image = resize(image, *self._size)
        self._writer.write(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)))

    def _name_for_opencv(self) -> str:
        """OpenCV crashes on a name that is not UTF-8: such a file gets its name at the end."""
        try:
            str(self.path).encode()
        except UnicodeEncodeError:
            self._folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            return f"/proc/self/fd/{self._folder}/{_OTHER_NAME}"
        return str(self.path)
