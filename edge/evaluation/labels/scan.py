"""Every file below a folder, once: without hidden folders, and without running in circles through links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.camera.suffixes import is_photo
from edge.errors import MaskdError

_SYSTEM_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "#recycle", "system volume information", "lost+found"}
"""What file managers and network drives keep next to the photos; compared without case."""


@dataclass(slots=True)
class Folder:
    """A folder with its files and folders, each sorted by name."""

    path: Path
    files: list[Path] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    hidden: int = 0
    """Hidden files, and files in hidden folders."""
    links: int = 0
    """Links that lead nowhere, or to a folder that was listed before."""

    @property
    def photos(self) -> list[Path]:
        return [path for path in self.files if is_photo(path)]

    def walk(self) -> Iterator[Folder]:
        """This folder and all below it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def all_files(self) -> list[Path]:
        return [path for folder in self.walk() for path in folder.files]

    def all_photos(self) -> list[Path]:
        return [path for folder in self.walk() for path in folder.photos]


def scan(path: Path) -> Folder:
    """Raises MaskdError for a folder that does not exist or cannot be read."""
    try:
        status = path.stat()
    except OSError as error:
        raise MaskdError(f"{path}: no such folder; --data takes a folder of photos") from error
    if not stat.S_ISDIR(status.st_mode):
        raise MaskdError(f"{path}: not a folder; --data takes a folder of photos")
    return _scan(path, {(status.st_dev, status.st_ino)})


def _scan(path: Path, seen: set[tuple[int, int]]) -> Folder:
    result = Folder(path)
    try:
        with os.scandir(path) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            if _is_hidden(entry.name):
                result.hidden += _count(Path(entry.path))
                continue
            try:
                status = entry.stat()
            except (FileNotFoundError, NotADirectoryError):
                result.links += 1
                continue
            except OSError as error:
                if entry.is_symlink() and not isinstance(error, PermissionError):
                    result.links += 1
                    continue
                raise
            if not stat.S_ISDIR(status.st_mode):
                # A path of one's own, since the entry's is text.
                if stat.S_ISREG(status.st_mode):
                    result.files.append(path / entry.name)
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                result.links += 1
                continue
            seen.add(identity)
            result.folders.append(_scan(path / entry.name, seen))
    except OSError as error:
        raise MaskdError(f"the folder {path} cannot be read: {error.strerror}; check its permissions") from error
    return result


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM_FOLDERS


def _count(path: Path) -> int:
    """The files below a hidden folder, or 1 for a file; those that may not be read are not counted."""
    if not path.is_dir():
        return 1
    return sum(len(files) for _, _, files in os.walk(path))
