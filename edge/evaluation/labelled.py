"""Labelled photos: Pascal VOC sets, class folders and plain folders, and how they are split."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeVar
from xml.etree import ElementTree as ET

from edge.camera.photos import photo_paths
from edge.camera.photos import read_photo as read_photo
from edge.errors import MaskdError
from edge.geometry import Box

SetKind = Literal["voc", "classes", "plain"]
SplitName = Literal["train", "validation", "test"]


@dataclass(frozen=True, slots=True)
class LabelledFace:
    """A face that a person labelled; the box in pixels of the photo, clipped to it."""

    box: Box
    label: str


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo and the faces on it; `ignored` are faces without a usable label: neither faces nor background."""

    path: Path
    faces: tuple[LabelledFace, ...]
    ignored: tuple[Box, ...] = ()
    set_name: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(face.label for face in self.faces)


@dataclass(frozen=True, slots=True)
class ClassPhoto:
    """A photo of one person, labelled by the folder that it lies in."""

    path: Path
    label: str
    set_name: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.label,)


@dataclass(frozen=True, slots=True)
class VocSet:
    """What a Pascal VOC folder holds; each of `problems` is a line about one thing that was left out."""

    photos: list[LabelledPhoto] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClassFolderSet:
    """What a set of class folders holds; each of `problems` is a line about one thing that was left out."""

    photos: list[ClassPhoto] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """A folder of photos, and how its labels are stored."""

    path: Path
    kind: SetKind

    @property
    def name(self) -> str:
        return self.path.resolve().name

    def key(self, photo: Path) -> str:
        """A photo's path within the set, as corrections name it: a file name, in class folders behind its folder."""
        return photo.relative_to(self.photos_folder).as_posix()

    @property
    def photos_folder(self) -> Path:
        return self.path / "images" if self.kind == "voc" else self.path


class Labelled(Protocol):
    """What `split_photos` needs to know of a photo."""

    @property
    def path(self) -> Path: ...
    @property
    def set_name(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...


LabelledT = TypeVar("LabelledT", bound=Labelled)


def list_photos(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by their suffix, sorted by name. Raises MaskdError where it cannot be read."""
    with _readable(folder):
        return [path for path in photo_paths(folder) if path.is_file()]


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MaskdError(
            f"the folder {folder} cannot be read: {error.strerror}; check who may read and enter it"
        ) from error


def find_sets(folders: Iterable[Path]) -> list[PhotoSet]:
    """The sets in these folders, each of which is a set or holds several.

    A set is a Pascal VOC folder (`images/`, `annotations/`), a folder whose sub-folders hold nothing but photos (class
    folders), or a folder of photos. Raises MaskdError for a folder that does not exist, cannot be read or holds none of
    these.
    """
    sets: dict[Path, PhotoSet] = {}
    for folder in folders:
        with _readable(folder):
            if not folder.is_dir():
                raise MaskdError(f"{folder}: no such folder; --data takes a folder of photos")
        found = _sets_within(folder)
        if not found:
            raise MaskdError(f"{folder}: holds no photos, neither `images/` and `annotations/` nor class folders")
        sets.update((photo_set.path.resolve(), photo_set) for photo_set in found)
    return list(sets.values())


def _sets_within(folder: Path) -> list[PhotoSet]:
    with _readable(folder):
        if (folder / "images").is_dir() and (folder / "annotations").is_dir():
            return [PhotoSet(folder, "voc")]
        children = [child for child in sorted(folder.iterdir()) if child.is_dir()]
    if list_photos(folder):
        return [PhotoSet(folder, "plain")]
    inner = [found for child in children for found in _sets_within(child)]
    if inner and all(found.kind == "plain" and found.path.parent == folder for found in inner):
        return [PhotoSet(folder, "classes")]
    return inner


def read_voc(folder: Path) -> VocSet:
    """Reads `images/`, `annotations/*.xml` and, where there is one, `unlabelled.json` of a Pascal VOC set.

    What cannot be used is left out and named in `problems`; a face whose box is unusable but shows where it is joins
    the ignored ones. Raises MaskdError where the folder is no such set, or part of it cannot be read.
    """
    if not ((folder / "images").is_dir() and (folder / "annotations").is_dir()):
        raise MaskdError(f"{folder}: not a Pascal VOC set, which has the folders `images/` and `annotations/`")
    unlabelled = read_unlabelled(folder / "unlabelled.json")
    by_stem = {path.stem: path for path in list_photos(folder / "images")}
    with _readable(folder / "annotations"):
        # Unlike glob, which passes over a folder that it may not read.
        annotations = sorted(path for path in (folder / "annotations").iterdir() if path.suffix == ".xml")
    result = VocSet()
    for annotation in annotations:
        photo = _read_annotation(annotation, by_stem, unlabelled, result.problems)
        if photo is not None:
            result.photos.append(photo)
    return result


def read_class_folders(folder: Path) -> ClassFolderSet:
    """Reads a folder whose sub-folders hold the photos of one label each, and are named for it."""
    if not folder.is_dir():
        raise MaskdError(f"{folder}: no such folder")
    result = ClassFolderSet()
    set_name = folder.resolve().name
    for class_folder in sorted(child for child in folder.iterdir() if child.is_dir()):
        for path in list_photos(class_folder):
            problem = problem_with(path)
            if problem:
                result.problems.append(problem)
            else:
                result.photos.append(ClassPhoto(path, class_folder.name, set_name))
    return result


def problem_with(path: Path) -> str | None:
    """Why a photo cannot be read, or None where it can."""
    try:
        read_photo(path)
    except MaskdError as error:
        return str(error)
    return None


class _RefusingDoctypes(ET.TreeBuilder):
    """Labels need no DTD, and a DTD's entities can be made to fill the memory or to read other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002
        raise ValueError("has a document type declaration, which label files do not need")


def _read_annotation(
    annotation: Path, by_stem: dict[str, Path], unlabelled: dict[str, tuple[Box, ...]], problems: list[str]
) -> LabelledPhoto | None:
    """One photo with its faces; None, and a line in `problems`, where there is nothing to use."""
    try:
        # The parser refuses what makes XML from strangers dangerous.
        parser = ET.XMLParser(target=_RefusingDoctypes())  # noqa: S314
        root = ET.fromstring(annotation.read_bytes(), parser=parser)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError, OSError) as error:
        problems.append(f"{annotation}: not readable as XML ({error})")
        return None
    path = _photo_of(annotation, root, by_stem)
    if path is None:
        problems.append(f"{annotation}: its photo is missing from {annotation.parent.parent / 'images'}")
        return None
    try:
        height, width = read_photo(path).shape[:2]
    except MaskdError as error:
        problems.append(str(error))
        return None

    faces: list[LabelledFace] = []
    ignored = [box.clipped(width, height) for box in unlabelled.get(path.name, ())]
    for number, element in enumerate(root.iter("object"), start=1):
        place = f"{annotation}, object {number}"
        label = (element.findtext("name") or "").strip()
        corners = _corners(element)
        if corners is None:
            problems.append(f"{place}: has no box of four numbers")
            continue
        x1, y1, x2, y2 = corners
        box = Box(x1, y1, x2, y2).clipped(width, height)
        if box.area > 0 and label:
            faces.append(LabelledFace(box, label))
            continue
        problems.append(
            f"{place}: has no name"
            if not label
            else f"{place}: its corners are swapped"
            if x2 < x1 or y2 < y1
            else f"{place}: its box {corners} is empty on a photo of {width}x{height}"
        )
        ignored.append(Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)).clipped(width, height))
    set_name = annotation.resolve().parent.parent.name
    return LabelledPhoto(path, tuple(faces), tuple(box for box in ignored if box.area > 0), set_name)


def _photo_of(annotation: Path, root: ET.Element, by_stem: dict[str, Path]) -> Path | None:
    """The photo that an annotation names, or the one of the same name; sets were often re-encoded since."""
    # Only the last part counts: many annotations carry the path on the machine where they were made.
    named = Path((root.findtext("filename") or "").strip().replace("\\", "/")).name
    for stem in (Path(named).stem, annotation.stem):
        if stem in by_stem:
            return by_stem[stem]
    return None


def _corners(element: ET.Element) -> tuple[float, float, float, float] | None:
    try:
        x1, y1, x2, y2 = (float(element.findtext(f"bndbox/{key}") or "") for key in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError:
        return None
    return (x1, y1, x2, y2) if all(map(math.isfinite, (x1, y1, x2, y2))) else None


def read_unlabelled(path: Path) -> dict[str, tuple[Box, ...]]:
    """The faces of each photo that nobody labelled; none where there is no such file. Raises MaskdError."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(photo): tuple(Box(*(float(value) for value in corners)) for corners in boxes)
            for photo, boxes in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise MaskdError(f"{path}: should map photos to lists of [x1, y1, x2, y2], and does not ({error})") from None


def split_photos(
    photos: Iterable[LabelledT], seed: int = 1, fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)
) -> dict[SplitName, list[LabelledT]]:
    """Divides photos into train, validation and test, each photo whole, in the same way every time.

    A stratum is the photos of one set whose rarest label is the same, so that every part gets its share of a rare label
    and a photo stays in its part whatever other sets it is combined with. Within it, photos are ordered by the hash of
    seed, set and file name: neither the order of `photos` nor the folder that the set lies in matters. Raises
    ValueError where the fractions do not sum to 1.
    """
    if min(fractions) < 0 or not math.isclose(sum(fractions), 1):
        raise ValueError(f"the fractions {fractions} should sum to 1")
    listed = list(photos)
    strata: dict[tuple[str, str], list[LabelledT]] = defaultdict(list)
    for photo, label in zip(listed, _rarest_labels(listed), strict=True):
        strata[photo.set_name, label].append(photo)

    def order(photo: Labelled) -> tuple[str, str]:
        name = f"{seed}/{photo.set_name}/{photo.path.name}"
        # Two class folders may hold files of the same name.
        return hashlib.sha256(name.encode("utf-8")).hexdigest(), photo.path.parent.name

    split: dict[SplitName, list[LabelledT]] = {"train": [], "validation": [], "test": []}
    for members in strata.values():
        members.sort(key=order)
        test, validation = round(len(members) * fractions[2]), round(len(members) * fractions[1])
        split["test"] += members[:test]
        split["validation"] += members[test : test + validation]
        split["train"] += members[test + validation :]
    for part in split.values():
        part.sort(key=order)
    return split


def _rarest_labels(photos: Sequence[Labelled]) -> list[str]:
    """For each photo the one of its labels that its set has fewest of; empty where it has no face."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for photo in photos:
        counts[photo.set_name].update(photo.labels)

    def rarest(photo: Labelled) -> str:
        return min(photo.labels, key=lambda label: (counts[photo.set_name][label], label), default="")

    return [rarest(photo) for photo in photos]
