"""Labelled photos as the models see them: what calibration and verification feed."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.errors import MaskdError
from edge.evaluation.corrections import apply_corrections
from edge.evaluation.labelled import (
    ClassPhoto,
    LabelledFace,
    LabelledPhoto,
    PhotoSet,
    SplitName,
    find_sets,
    list_photos,
    problem_with,
    read_class_folders,
    read_photo,
    read_voc,
    split_photos,
)
from edge.evaluation.metrics import PictureResult
from edge.geometry import Box, boxes_to_array
from edge.vision.faces import Face, TfliteFaceDetector
from edge.vision.model import open_model
from edge.vision.preprocess import Image, crop_face

MIN_FACE_PX = 10
"""A face's longer side in the photo below which nobody can tell how a mask is worn."""
MIN_FACE_HEIGHT_PX = 16
"""A face's height in the photo from which a detector has to find it."""

SERVED_IOU = 0.3
"""The overlap that is enough for the tracker and the classifier's crop; the sets draw their boxes in styles that differ
too much for 0.5."""

FindFaces = Callable[[Image], Sequence[Box]]
"""Finds the faces of a photo, best first: what crops the photos of class folders."""


@dataclass(frozen=True, slots=True)
class PhotoData:
    """Photos by split, and a line for each thing that was left out."""

    splits: dict[SplitName, list[LabelledPhoto]] = field(
        default_factory=lambda: {"train": [], "validation": [], "test": []}
    )
    problems: list[str] = field(default_factory=list)
    corrected: Counter[str] = field(default_factory=Counter)
    """Faces whose published label was corrected, by set."""
    sets: list[PhotoSet] = field(default_factory=list)

    def corrections_text(self) -> str:
        """One line that says how many labels were corrected."""
        counts = ", ".join(f"{count} in {name}" for name, count in sorted(self.corrected.items()) if count)
        return f"labels corrected: {counts or 'none'}"


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """A classifier's input, shape (size, size, 3), and the index of its label."""

    image: Image
    label: int
    set_name: str


def load_photos(folders: Iterable[Path], seed: int, find_faces: FindFaces, *, corrected: bool = True) -> PhotoData:
    """Every photo of these folders with its faces, split 70/15/15 by photo, as in training.

    Pascal VOC sets bring their boxes, photos of class folders get the best box of `find_faces`, and those of a plain
    folder hold no face. `corrected` applies the corrections of labels, which move no photo to another part of the
    split; without it, labels are those that were published. Raises MaskdError for a folder that is missing or holds no
    photos, and for a malformed file of corrections.
    """
    data = PhotoData()
    for found in find_sets(folders):
        photos, problems = _read_set(found, find_faces)
        data.sets.append(found)
        parts = split_photos(photos, seed)
        data.problems.extend(problems)
        if corrected:
            result = apply_corrections(parts, found)
            parts = result.parts
            data.problems.extend(result.problems)
            data.corrected[found.name] += result.count
        for name, part in parts.items():
            data.splits[name].extend(part)
    return data


def _read_set(found: PhotoSet, find_faces: FindFaces) -> tuple[list[LabelledPhoto], list[str]]:
    """A set's photos, and a line for each thing that was left out."""
    if found.kind == "voc":
        voc = read_voc(found.path)
        return voc.photos, voc.problems
    if found.kind == "classes":
        classes = read_class_folders(found.path)
        photos, problems = [], classes.problems
        for photo in classes.photos:
            labelled = _with_box(photo, find_faces)
            if labelled is None:
                problems.append(f"{photo.path}: no face found on it")
            else:
                photos.append(labelled)
        return photos, problems
    reasons = {path: problem_with(path) for path in list_photos(found.path)}
    photos = [LabelledPhoto(path, (), (), found.name) for path, reason in reasons.items() if reason is None]
    return photos, [reason for reason in reasons.values() if reason is not None]


def face_finder(model: str) -> FindFaces:
    """Finds faces as the daemon does, with a detector that is opened when the first photo needs it.

    `model`: a shipped name or a file. Finding raises MaskdError where it is no face detector.
    """

    @functools.cache
    def detector() -> TfliteFaceDetector:
        try:
            return TfliteFaceDetector(open_model(model, "face_detection"))
        except MaskdError as error:
            raise MaskdError(f"class folders need a face detector, or --whole-image: {error}") from error

    def find(image: Image) -> list[Box]:
        return [face.box for face in detector().detect(image, detector().recommended_min_score)]

    return find


def is_judgeable(face: LabelledFace) -> bool:
    return max(face.box.width, face.box.height) >= MIN_FACE_PX


def picture_result(
    photo: LabelledPhoto, faces: Sequence[Face], heights: tuple[float, float] = (MIN_FACE_HEIGHT_PX, math.inf)
) -> PictureResult:
    """What a detector found on a photo, and what is there; faces whose height in pixels is not in `heights` (from, up
    to but not including) and unlabelled faces count neither way."""
    asked = [face.box for face in photo.faces if heights[0] <= face.box.height < heights[1]]
    others = [face.box for face in photo.faces if not heights[0] <= face.box.height < heights[1]]
    return PictureResult(
        boxes=boxes_to_array([face.box for face in faces]),
        scores=np.array([face.score for face in faces], dtype=np.float32),
        truth=boxes_to_array(asked),
        ignored=boxes_to_array([*photo.ignored, *others]),
    )


def whole_image(image: Image) -> list[Box]:
    """The picture as one face: for class folders of photos that were cropped before."""
    height, width = image.shape[:2]
    return [Box(0, 0, width, height)]


def face_crops(
    photos: Iterable[LabelledPhoto], labels: Sequence[str], *, margin: float, size: int
) -> tuple[list[FaceCrop], Counter[str]]:
    """The faces of MIN_FACE_PX or more with one of `labels`, and how many were left out for each other label."""
    crops: list[FaceCrop] = []
    other_labels: Counter[str] = Counter()
    for photo in photos:
        faces = [face for face in photo.faces if is_judgeable(face)]
        other_labels.update(face.label for face in faces if face.label not in labels)
        known = [face for face in faces if face.label in labels]
        if known:
            image = read_photo(photo.path)
            for face in known:
                crop = crop_face(image, face.box, margin=margin, size=size)
                crops.append(FaceCrop(crop, labels.index(face.label), photo.set_name))
    return crops, other_labels


def _with_box(photo: ClassPhoto, find_faces: FindFaces) -> LabelledPhoto | None:
    boxes = find_faces(read_photo(photo.path))
    if not boxes:
        return None
    return LabelledPhoto(photo.path, (LabelledFace(boxes[0], photo.label),), (), photo.set_name)
