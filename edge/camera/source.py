"""What a camera's `source` says, parsed once into a typed value by its text alone: nothing is opened or looked for.

Imports no OpenCV, so that reading the configuration stays quick.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from edge.camera.address import checked_address, file_of_address, near_address
from edge.camera.source_masking import mask_source
from edge.camera.source_words import problem_of_words
from edge.camera.suffixes import is_photo
from edge.errors import UsageError
from edge.system.paths import expanded

_RIBBON = re.compile(r"(picamera|csi)(?::(\d{1,2}))?")


@dataclass(frozen=True, repr=False)
class Source:
    """What one `source` names. `text` is what the owner wrote, which may hold a password; str() masks it."""

    text: str

    uses_gstreamer: ClassVar[bool] = False
    may_use_picamera2: ClassVar[bool] = False

    def __str__(self) -> str:
        return mask_source(self.text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @property
    def device(self) -> str | None:
        """What only one program at a time can read, by one name, such as /dev/video0 for 0; None: nothing of that kind,
        as far as the text tells (a GStreamer pipeline may read anything)."""
        return None

    @property
    def may_be_exclusive(self) -> bool:
        """Whether only one program at a time may be able to read it."""
        return self.device is not None or self.uses_gstreamer


class Auto(Source):
    """The first camera of this device that works."""

    may_use_picamera2: ClassVar[bool] = True

    @property
    def device(self) -> str:
        return "auto"


class Demo(Source):
    """The built-in clip."""


@dataclass(frozen=True, repr=False)
class V4l2(Source):
    """A device of the kernel, such as /dev/video0, also written 0."""

    path: str

    @property
    def device(self) -> str:
        return self.path


@dataclass(frozen=True, repr=False)
class RaspberryPi(Source):
    """A camera that libcamera lists; `number` is its place in that list, from 0."""

    number: int
    may_use_picamera2: ClassVar[bool] = True

    @property
    def device(self) -> str:
        return f"picamera:{self.number}"


@dataclass(frozen=True, repr=False)
class Csi(Source):
    """A camera on a Jetson's ribbon cable; `number` is its sensor-id, from 0."""

    number: int
    uses_gstreamer: ClassVar[bool] = True

    @property
    def device(self) -> str:
        return f"csi:{self.number}"


@dataclass(frozen=True, repr=False)
class Pipeline(Source):
    """A GStreamer pipeline, as gst-launch-1.0 takes it, as a rule without a sink."""

    pipeline: str
    uses_gstreamer: ClassVar[bool] = True


@dataclass(frozen=True, repr=False)
class Stream(Source):
    """A network camera. `url` has a known scheme in small letters, and a host where the scheme needs one."""

    url: str


@dataclass(frozen=True, repr=False)
class Files(Source):
    """A video file, a photo, or a folder of photos; which of them shows once it is there. `~` is expanded."""

    path: Path = field(default=Path())

    @property
    def shows_photos(self) -> bool:
        """Looks at the disk: a folder, or a photo by its name; otherwise it is a video file."""
        return self.path.is_dir() or is_photo(self.path)


def parse_source(text: str) -> Source:
    """The source that `text` names. Raises UsageError, whose sentence has the right spelling but no secret."""
    text = text.strip()
    if "\0" in text:
        raise UsageError("it contains a NUL character, which no name may contain; type it again")
    word = text.casefold()
    if word == "auto":
        return Auto(text)
    if word == "demo":
        return Demo(text)
    if ribbon := _RIBBON.fullmatch(word):
        kind = RaspberryPi if ribbon[1] == "picamera" else Csi
        return kind(text, int(ribbon[2] or 0))
    if text.isascii() and text.isdigit():
        return V4l2(text, f"/dev/video{int(text)}")
    if text.startswith("/dev/"):
        return V4l2(text, text)
    if word.startswith("gst:"):
        return _pipeline(text)
    if word.startswith("file:"):
        return Files(text, expanded(file_of_address(text)))
    if url := checked_address(text):
        return Stream(text, url)
    if problem := problem_of_words(text) or near_address(text):
        raise UsageError(problem)
    return Files(text, expanded(text))


def _pipeline(text: str) -> Pipeline:
    pipeline = text[len("gst:") :].strip()
    if not pipeline:
        raise UsageError("it has no pipeline; write gst: and the arguments of gst-launch-1.0")
    return Pipeline(text, pipeline)
