"""Labelled photos as the models see them: what calibration and verification feed."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.errors import MaskdError
from edge.evaluation.corrections import apply_corrections
from edge.evaluation.labelled import LabelledFace, LabelledPhoto, SplitName, read_photo, split_photos
from edge.evaluation.labels.class_folders import FindFaces
from edge.evaluation.labels.layout import find_sets
from edge.evaluation.labels.names import LabelNames
from edge.evaluation.labels.photo_set import PhotoSet
from edge.evaluation.labels.reading import read_set
from edge.evaluation.metrics import PictureResult
from edge.geometry import Box
from edge.vision.faces import Face, TfliteFaceDetector
from edge.vision.model import open_model
from edge.vision.overlap import boxes_to_array
from edge.vision.preprocess import Image, crop_face

MIN_FACE_PX = 10
"""A face's longer side in the photo below which it is impossible to tell how a mask is worn."""
MIN_FACE_HEIGHT_PX = 16
"""A face's height in the photo from which a detector has to find it."""

SERVED_IOU = 0.3
"""The overlap that is enough for the tracker and the classifier's crop; the sets draw their boxes in styles that differ
too much for 0.5."""


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
    names: LabelNames = field(default_factory=LabelNames)
    not_looked_at: Counter[str] = field(default_factory=Counter)
    """Files in the folders that belong to no set, by kind."""

    def taken_lines(self) -> list[str]:
        """What was interpreted: sets as photos without people, names as labels."""
        lines = [
            f"{found.path}: {len(found.photos)} photos without labels, taken as photos without people"
            for found in self.sets
            if found.kind == "plain"
        ]
        return [*lines, f"labels taken: {self.names.taken_text()}"] if self.names.taken else lines

    def not_looked_at_text(self) -> str:
        """One line that counts, by kind, the files that belong to no set."""
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.not_looked_at.items()))
        return f"files ignored: {counts or 'none'}"

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


def load_photos(
    folders: Iterable[Path],
    seed: int,
    find_faces: FindFaces,
    *,
    corrected: bool = True,
    names: LabelNames | None = None,
) -> PhotoData:
    """Every photo of these folders with its faces, split 70/15/15 by photo, as in training.

    Pascal VOC, YOLO and COCO sets bring their boxes, photos of class folders get the best box of `find_faces`, and
    those of a plain folder hold no face. Parts that a set's own folders name stay as they are. `corrected` applies the
    corrections of labels, which move no photo to another part of the split; without it, labels are those that were
    published. `names` say what a label may be called. Raises MaskdError as `find_sets` and `read_set` do, and for a
    malformed file of corrections.
    """
    names = names or LabelNames()
    layout = find_sets(folders, names)
    data = load_sets(layout.sets, seed, find_faces, corrected=corrected, names=names)
    data.not_looked_at.update(layout.not_looked_at)
    return data


def load_sets(
    sets: Iterable[PhotoSet], seed: int, find_faces: FindFaces, *, corrected: bool = True, names: LabelNames
) -> PhotoData:
    """`load_photos` for sets that `find_sets` found."""
    data = PhotoData(names=names)
    for found in sets:
        content = read_set(found, names, find_faces)
        data.problems.extend(content.problems)
        data.sets.append(found)
        parts = split_photos(content.photos, seed)
        if corrected:
            result = apply_corrections(parts, found)
            parts = result.parts
            data.problems.extend(result.problems)
            data.corrected[found.name] += result.count
        for name, part in parts.items():
            data.splits[name].extend(part)
    return data


def face_finder(model: str) -> FindFaces:
    """Finds faces as the daemon does, with a detector that is opened when the first photo needs it.

    `model`: a shipped name or a file. Finding raises MaskdError if it is not a face detector.
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
