"""The arguments of `maskd detect`: photos, videos and cameras."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.camera.image_size import image_kind
from edge.camera.source import Files, parse_source
from edge.camera.source_masking import mask_source
from edge.camera.suffixes import is_photo, is_video
from edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Source:
    """One photo, video or camera; `name` is what the user gave, or what it was expanded to."""

    name: str
    kind: Literal["photo", "video", "camera"]
    place: Path
    """Where its drawing goes below the folder of drawings: its path below a folder that was given, or its bare name."""


@dataclass(frozen=True, slots=True)
class NoSource:
    """An argument without a source, and why, in one sentence."""

    name: str
    error: str


def expand_sources(arguments: Sequence[str]) -> Iterator[Source | NoSource]:
    """All sources of the arguments, in order; the files of a folder or pattern are sorted.

    A folder means the photos and videos in it and in its subfolders, without hidden ones.
    """
    for argument in arguments:
        yield from _expand(argument)


def _expand(argument: str) -> Iterator[Source | NoSource]:
    # A file of that name goes first: a camera can still be given as /dev/video0.
    path = Path(argument)
    if argument.startswith("/dev/") or not os.path.lexists(path):
        try:
            parsed = parse_source(argument)
        except UsageError as error:
            yield NoSource(argument, str(error))
            return
        if not isinstance(parsed, Files):
            yield Source(
                argument, "camera", Path("camera-" + re.sub(r"\W+", "-", mask_source(argument).rpartition("@")[2]))
            )
            return
        path = parsed.path
    yield from _below(str(path))


def _below(name: str) -> Iterator[Source | NoSource]:
    """The sources of a path or a pattern."""
    path = Path(name)
    if path.is_dir():
        yield from _in_folder(name)
    elif path.exists():
        yield _file(name, Path(path.name))
    elif glob.has_magic(name):
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern
        if not matches:
            yield NoSource(name, f"no file matches {name}; check the pattern")
        for match in matches:
            # `**` yields folders and what is in them; only files count then, or each would come twice.
            if Path(match).is_dir():
                if "**" not in name:
                    yield from _in_folder(match)
            else:
                yield _file(match, Path(Path(match).name))
    else:
        yield NoSource(name, f"there is no file or folder {name}; check the path")


def _in_folder(folder: str) -> Iterator[Source | NoSource]:
    problems: list[NoSource] = []

    def note(error: OSError) -> None:
        problems.append(NoSource(str(error.filename), f"the folder {error.filename} cannot be read: {error.strerror}"))

    found = False
    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith(".") and (is_photo(path) or is_video(path)):
                found = True
                yield _file(str(path), path.relative_to(folder))
    yield from problems
    if not found and not problems:
        yield NoSource(folder, f"the folder {folder} holds no photos or videos; check the path")


def _starts_like_a_photo(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return image_kind(file.read(256)) is not None
    except OSError:
        return False


def _file(name: str, place: Path) -> Source:
    path = Path(name)
    if is_photo(path):
        return Source(name, "photo", place)
    # A suffix that says nothing: the first bytes of the file decide.
    video = is_video(path) or not _starts_like_a_photo(path)
    return Source(name, "video" if video else "photo", place)
