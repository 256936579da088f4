"""Reads a set that `find_sets` found, whatever the form of its labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edge.camera.photos import read_photo
from edge.errors import MaskdError
from edge.evaluation.labelled import LabelledPhoto
from edge.evaluation.labels.class_folders import FindFaces, read_class_folders
from edge.evaluation.labels.coco import read_coco
from edge.evaluation.labels.names import LabelNames
from edge.evaluation.labels.photo_set import PhotoSet, SetContent, SetKind
from edge.evaluation.labels.voc import read_voc
from edge.evaluation.labels.yolo import read_yolo
from edge.geometry import Box

UNLABELLED = "unlabelled.json"
_BOXED: dict[SetKind, Callable[[PhotoSet, LabelNames, Mapping[str, Sequence[Box]]], SetContent]] = {
    "voc": read_voc,
    "yolo": read_yolo,
    "coco": read_coco,
}


def read_set(photo_set: PhotoSet, names: LabelNames, find_faces: FindFaces) -> SetContent:
    """The usable photos of a set, and a line for each thing that was left out; the unlabelled faces in the set's
    `unlabelled.json` are ignored ones. Raises MaskdError where labels are there and none can be read."""
    if photo_set.kind == "classes":
        content = read_class_folders(photo_set, names, find_faces)
    elif photo_set.kind == "plain":
        content = _read_plain(photo_set)
    else:
        content = _BOXED[photo_set.kind](photo_set, names, read_unlabelled(photo_set.path / UNLABELLED))
        content.problems.extend(_without_labels(photo_set, content))
        if not content.photos:
            raise MaskdError(f"no photo of the set {photo_set.path} can be used: {content.problems[0]}")
    content.problems[:0] = photo_set.problems
    return content


def read_unlabelled(path: Path) -> dict[str, tuple[Box, ...]]:
    """The unlabelled faces of each photo, by the photo's key; none without such a file. Raises MaskdError."""
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


def _without_labels(photo_set: PhotoSet, content: SetContent) -> list[str]:
    bare = [photo for photo in photo_set.photos if photo not in content.labelled]
    if not bare:
        return []
    return [
        f"{len(bare)} of the photos in {photo_set.photos_folder}, such as {bare[0].name}, have no label file; if "
        "they show no people, move them to a separate folder and give it with --data too"
    ]


def _read_plain(photo_set: PhotoSet) -> SetContent:
    content = SetContent()
    for path in photo_set.photos:
        try:
            read_photo(path)
        except MaskdError as error:
            content.problems.append(str(error))
        else:
            content.photos.append(LabelledPhoto(path, (), (), photo_set.name, photo_set.split_of(path)))
    return content
