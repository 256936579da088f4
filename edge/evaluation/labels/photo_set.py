"""A set of photos as `find_sets` finds it, and what reading it gives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.evaluation.labelled import LabelledPhoto, SplitName

SetKind = Literal["voc", "yolo", "coco", "classes", "plain"]
"""How the labels are stored; `plain` sets have no people to label."""

_SPLITS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


class UnusableError(Exception):
    """Why a photo or its labels cannot be used; the text is a line of the list of problems."""


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Photos that belong together, and the files with their labels."""

    path: Path
    kind: SetKind
    photos: tuple[Path, ...] = ()
    label_files: tuple[Path, ...] = ()
    names_files: tuple[Path, ...] = ()
    """The file with the names of YOLO's classes."""
    photos_folder: Path = Path()
    """What the photos' names in files such as corrections.json start from."""
    label: str | None = None
    """Of class folders that are one folder: its name."""
    has_splits: bool = False
    """Folders called train, val, test or the like say which part a photo belongs to."""
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def has_boxes(self) -> bool:
        """The labels come with boxes."""
        return self.kind in ("voc", "yolo", "coco")

    def key(self, photo: Path) -> str:
        """A photo's path within the set, as corrections name it: a file name, in class folders behind its folder."""
        return photo.relative_to(self.photos_folder).as_posix()

    def split_of(self, photo: Path) -> SplitName | None:
        """The part that the folders above a photo name; None where the set has no such folders."""
        return split_of(photo.relative_to(self.path).parent) if self.has_splits else None


@dataclass(slots=True)
class SetContent:
    """The usable photos of a set, and a line for each thing that was left out."""

    photos: list[LabelledPhoto] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    labelled: set[Path] = field(default_factory=set)
    """The photos of which a label file speaks, usable or not."""


def split_of(folder: Path) -> SplitName | None:
    """Which part of a split a path's folders name: `images/val2017` is validation; None where none or several do."""
    found = {_split_named(part) for part in folder.parts} - {None}
    return found.pop() if len(found) == 1 else None


def is_split_name(name: str) -> bool:
    return _split_named(name) is not None


def _split_named(name: str) -> SplitName | None:
    return _SPLITS.get(re.sub(r"[\W_]*\d*$", "", name.casefold()))
