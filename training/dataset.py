"""The labelled photos that a training run learns from: found, checked, split by photo and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from converter.labelled import (
    ClassPhoto,
    LabelledFace,
    LabelledPhoto,
    SplitName,
    find_sets,
    list_photos,
    read_class_folders,
    read_photo,
    read_voc,
    split_photos,
)
from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.preprocess import Image

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

FindFaces = Callable[[Image], Sequence[Box]]
"""Finds the faces of a photo, best first: what crops the photos of class folders."""


@dataclass(frozen=True, slots=True)
class FaceSample:
    """One labelled face: a part of its photo, and the face's box on that part, in pixels."""

    image: Image
    box: Box
    label: str
    set_name: str
    source: str


@dataclass
class PhotoData:
    """Photos by split, and a line for each thing that was left out."""

    splits: dict[SplitName, list[LabelledPhoto]] = field(default_factory=lambda: {name: [] for name in SPLITS})
    problems: list[str] = field(default_factory=list)


def load_photos(
    folders: Iterable[Path], seed: int, *, whole_image: bool = False, find_faces: FindFaces | None = None
) -> PhotoData:
    """Every photo of these folders with its faces, split 70/15/15 by photo.

    Pascal VOC sets bring their boxes. Photos of class folders get the best box of `find_faces`, or the whole picture as
    one box. A plain folder's photos hold no face. What cannot be used is counted in `problems`. Raises MaskdError where
    a folder is missing, or class folders come without a way to crop them.
    """
    data = PhotoData()
    for found in find_sets(folders):
        if found.kind == "voc":
            voc = read_voc(found.path)
            photos, problems = voc.photos, voc.problems
        elif found.kind == "classes":
            photos, problems = _class_photos(found.path, whole_image, find_faces)
        else:
            photos, problems = _plain_photos(found.path)
        data.problems += problems
        for name, part in split_photos(photos, seed).items():
            data.splits[name] += part
    return data


def face_samples(
    photos: Iterable[LabelledPhoto], labels: Sequence[str], *, min_size: float
) -> tuple[list[FaceSample], Counter[str]]:
    """The faces whose label is one of `labels` and whose longer side is at least `min_size` pixels, and how many were
    left out for each reason."""
    samples: list[FaceSample] = []
    left_out: Counter[str] = Counter()
    for photo in photos:
        if not photo.faces:
            continue
        image = read_photo(photo.path)
        for face in photo.faces:
            if face.label not in labels:
                left_out[f"labelled {face.label}"] += 1
            elif max(face.box.width, face.box.height) < min_size:
                left_out[f"smaller than {min_size:g} px"] += 1
            else:
                part, box = _surroundings(image, face.box)
                samples.append(FaceSample(part, box, face.label, photo.set_name, f"{photo.set_name}/{photo.path.name}"))
    return samples, left_out


def table(splits: dict[SplitName, list[LabelledPhoto]]) -> str:
    """What was found, for people: photos and faces per label in each split, and of every set."""
    labels = sorted({label for photos in splits.values() for photo in photos for label in photo.labels})
    sets = sorted({photo.set_name for photos in splits.values() for photo in photos})
    rows = [["", "photos", *labels]]
    for name in SPLITS:
        rows.append([name, *_counts(splits[name], labels)])
        for set_name in sets if len(sets) > 1 else ():
            part = [photo for photo in splits[name] if photo.set_name == set_name]
            rows.append([f"  {set_name}", *_counts(part, labels)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _counts(photos: Sequence[LabelledPhoto], labels: Sequence[str]) -> list[str]:
    faces = Counter(label for photo in photos for label in photo.labels)
    return [str(len(photos)), *(str(faces[label]) for label in labels)]


def _class_photos(
    folder: Path, whole_image: bool, find_faces: FindFaces | None
) -> tuple[list[LabelledPhoto], list[str]]:
    found = read_class_folders(folder)
    if not whole_image and find_faces is None:
        raise MaskdError(f"{folder}: class folders have no boxes; give --whole-image, or --detector to crop the faces.")
    photos, problems = [], list(found.problems)
    for photo in found.photos:
        labelled = _class_photo(photo, read_photo(photo.path), None if whole_image else find_faces)
        if labelled is None:
            problems.append(f"{photo.path}: no face found on it.")
        else:
            photos.append(labelled)
    return photos, problems


def _class_photo(photo: ClassPhoto, image: Image, find_faces: FindFaces | None) -> LabelledPhoto | None:
    height, width = image.shape[:2]
    boxes = [Box(0, 0, width, height)] if find_faces is None else find_faces(image)
    if not boxes:
        return None
    return LabelledPhoto(photo.path, (LabelledFace(boxes[0], photo.label),), set_name=photo.set_name)


def _plain_photos(folder: Path) -> tuple[list[LabelledPhoto], list[str]]:
    photos, problems = [], []
    for path in list_photos(folder):
        try:
            read_photo(path)
        except MaskdError as error:
            problems.append(str(error))
        else:
            photos.append(LabelledPhoto(path, (), set_name=folder.resolve().name))
    return photos, problems


def _surroundings(image: Image, box: Box) -> tuple[Image, Box]:
    """The face with one box's size around it: enough for every random crop, and little enough to keep in memory."""
    height, width = image.shape[:2]
    reach = max(box.width, box.height)
    part = Box(box.x1 - reach, box.y1 - reach, box.x2 + reach, box.y2 + reach).clipped(width, height)
    x1, y1, x2, y2 = int(part.x1), int(part.y1), int(np.ceil(part.x2)), int(np.ceil(part.y2))
    return np.ascontiguousarray(image[y1:y2, x1:x2]), box.moved(-x1, -y1)
