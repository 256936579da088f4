"""YOLO: a text file for each photo, a line `class x y width height` in fractions for each face, and a list of names."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from edge.errors import MaskdError
from edge.evaluation.labels.frame import bounding_box, frame_of
from edge.evaluation.labels.names import LabelNames
from edge.evaluation.labels.objects import FoundObject, photo_with_faces
from edge.evaluation.labels.photo_index import PhotoIndex, without_rivals
from edge.evaluation.labels.photo_set import PhotoSet, SetContent, UnusableError
from edge.geometry import Box

_SLACK = 1e-3
"""Fractions are written with few digits, so that a box at the edge may end a little outside."""


def is_class_list(path: Path) -> bool:
    """By its name: classes.txt, obj.names, data.yaml or the like."""
    return path.name.casefold() in ("classes.txt", "_classes.txt", "names.txt") or path.suffix.casefold() in (
        ".names",
        ".yaml",
        ".yml",
    )


def read_yolo(photo_set: PhotoSet, names: LabelNames, unlabelled: Mapping[str, Sequence[Box]]) -> SetContent:
    """Reads a set; what cannot be used is left out and listed. Raises MaskdError where the list of classes is
    missing."""
    classes = read_classes(photo_set)
    result = SetContent()
    index = PhotoIndex(photo_set)
    claims: dict[Path, list[Path]] = defaultdict(list)
    for path in photo_set.label_files:
        try:
            claims[index.find(path)].append(path)
        except UnusableError as error:
            result.problems.append(str(error))
            result.labelled.update(index.named_like(path))
    result.labelled.update(claims)
    for path, photo in without_rivals(claims, result.problems).items():
        try:
            objects = found_objects(path, classes)
            frame = frame_of(photo, None)
            key = photo_set.key(photo)
            result.photos.append(photo_with_faces(photo_set, frame, objects, names, unlabelled.get(key, ())))
        except UnusableError as error:
            result.problems.append(str(error))
    return result


def found_objects(path: Path, classes: Mapping[int, str]) -> list[FoundObject]:
    """The lines of a label file; a line with a polygon gives the box around it. Raises UnusableError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableError(f"{path}: not readable as text ({error})") from None
    return [
        _object(f"{path}, line {number}", line.split(), classes)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _object(place: str, words: Sequence[str], classes: Mapping[int, str]) -> FoundObject:
    try:
        number, values = int(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        values = []
    is_polygon = len(values) >= 6 and len(values) % 2 == 0
    if not (len(values) == 4 or is_polygon) or not all(map(math.isfinite, values)):
        raise UnusableError(f"{place}: is not `class x y width height` with five numbers, nor a class and a polygon")
    name = classes.get(number)
    if name is None:
        raise UnusableError(f"{place}: class {number} is not in the list of classes ({', '.join(classes.values())})")
    if is_polygon:
        box = bounding_box(list(zip(values[::2], values[1::2], strict=True)))
    else:
        x, y, width, height = values
        box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if not all(-_SLACK <= value <= 1 + _SLACK for value in values):
        raise UnusableError(f"{place}: is not in fractions of the photo, from 0 to 1, as YOLO's labels are")
    return FoundObject(place, name, box, in_fractions=True)


def read_classes(photo_set: PhotoSet) -> dict[int, str]:
    """The names of the classes by number. Raises MaskdError where no list, or lists that differ, are there."""
    lists = {path: found for path in photo_set.names_files if (found := _classes_in(path))}
    if not lists:
        raise MaskdError(
            f"{photo_set.label_files[0]}: is a YOLO label, but the names of its classes are missing; put "
            f"classes.txt, with one name a line in their order, or data.yaml with `names` into {photo_set.path}"
        )
    (first, classes), *others = lists.items()
    for path, other in others:
        if other != classes:
            raise MaskdError(f"{first} and {path} name different classes; keep the one used for the labels")
    return classes


def _classes_in(path: Path) -> dict[int, str]:
    """Raises MaskdError for a file that cannot be read; a YAML file without `names` gives none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.casefold() not in (".yaml", ".yml"):
            return dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
        content = yaml.safe_load(text)
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, dict):
            return {int(number): str(name) for number, name in names.items()}
        return dict(enumerate(str(name) for name in names)) if isinstance(names, list) else {}
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise MaskdError(f"{path}: cannot be read as a list of classes ({error})") from None
