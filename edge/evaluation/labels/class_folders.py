"""Class folders: each photo shows one person, and the folder that it lies in says how that one wears a mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge.camera.photos import read_photo
from edge.errors import MaskdError
from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.evaluation.labels.names import NO_FACE, LabelNames
from edge.evaluation.labels.photo_set import PhotoSet, SetContent, is_split_name
from edge.geometry import Box
from edge.vision.preprocess import Image

FindFaces = Callable[[Image], Sequence[Box]]
"""Finds the faces of a photo, best first: what crops the photos of class folders."""


def class_of(photo_set: PhotoSet, photo: Path) -> str | None:
    """The folder below the set that a photo lies in, at any depth; folders of a split are passed over."""
    if photo_set.label is not None:
        return photo_set.label
    folders = photo.relative_to(photo_set.path).parts[:-1]
    return next((name for name in folders if not (photo_set.has_splits and is_split_name(name))), None)


def read_class_folders(photo_set: PhotoSet, names: LabelNames, find_faces: FindFaces) -> SetContent:
    """Reads a set, each photo with the best box that `find_faces` gives; what cannot be used is left out and listed."""
    result = SetContent()
    for path in photo_set.photos:
        name = class_of(photo_set, path)
        assert name is not None, "the layout lists only photos in class folders"
        meaning = names.folder_meaning(name)
        inner = {names.folder_meaning(part) for part in path.relative_to(photo_set.path).parts[:-1]} - {None, meaning}
        if inner:
            result.problems.append(f"{path}: is in folders of two labels, {meaning} and {inner.pop()}")
            continue
        try:
            image = read_photo(path)
        except MaskdError as error:
            result.problems.append(str(error))
            continue
        faces: tuple[LabelledFace, ...] = ()
        if meaning != NO_FACE:
            boxes = find_faces(image)
            if not boxes:
                result.problems.append(f"{path}: no face was found on it")
                continue
            faces = (LabelledFace(boxes[0], names.take(name) or name),)
        result.photos.append(LabelledPhoto(path, faces, (), photo_set.name, photo_set.split_of(path)))
    return result
