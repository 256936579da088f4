"""The labelled photos that a training run learns from: counted, and turned into faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import MaskdError, UsageError
from edge.evaluation.examples import SERVED_IOU, PhotoData, is_judgeable
from edge.evaluation.labelled import LabelledPhoto, SplitName, read_photo
from edge.evaluation.labels.class_folders import FindFaces
from edge.evaluation.labels.photo_set import PhotoSet
from edge.evaluation.tables import aligned
from edge.geometry import Box
from edge.system.printable import one_line
from edge.vision.preprocess import Image

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class FaceSample:
    """One labelled face: a part of its photo, and the face's box on that part, in pixels; `found` is the box that a
    detector draws there, if one was asked and found it."""

    image: Image
    box: Box
    label: str
    set_name: str
    source: str
    found: Box | None = None


def print_data(data: PhotoData) -> None:
    """The table of what was found, and every file that was left out. Raises MaskdError where nothing is left to learn
    from."""
    print_skipped(data)
    for line in data.taken_lines():
        print(line)
    print(f"{len(data.problems)} problem(s) in the data; {data.corrections_text()}\n")
    print(table(data.splits))
    print(data.not_looked_at_text(), flush=True)
    if not data.splits["train"]:
        raise MaskdError("the folders given with --data hold no photo to train on")


def print_skipped(data: PhotoData) -> None:
    """Every file that was left out, and why."""
    for problem in data.problems:
        print(f"skipped: {one_line(problem)}")


def no_test(what: str, splits: Mapping[SplitName, Sequence[LabelledPhoto]]) -> str:
    """The sentence where nothing is left to test on."""
    return (
        f"of {sum(map(len, splits.values()))} photos no {what} is left to test on, so the result could not be "
        "measured, and maskd-convert would refuse it; give more photos, at least ten of each label"
    )


def move_validation_to_training(data: PhotoData) -> None:
    """For the final run, when every setting has been chosen."""
    data.splits["train"] += data.splits["validation"]
    data.splits["validation"] = []


def face_samples(
    photos: Iterable[LabelledPhoto], labels: Sequence[str], find_faces: FindFaces | None = None
) -> tuple[list[FaceSample], Counter[str]]:
    """The faces that a classifier can learn from, and how many were left out for each reason; `find_faces` is the
    detector that draws the boxes called `found`."""
    samples: list[FaceSample] = []
    left_out: Counter[str] = Counter()
    for photo in photos:
        left_out.update(f"labelled {face.label}" for face in photo.faces if face.label not in labels)
        known = [face for face in photo.faces if face.label in labels]
        left_out["too small"] += sum(not is_judgeable(face) for face in known)
        faces = [face for face in known if is_judgeable(face)]
        if not faces:
            continue
        image = read_photo(photo.path)
        found = find_faces(image) if find_faces else []
        for face in faces:
            part, moved = _surroundings(image, face.box)
            nearest = box_of_same_face(face.box, found)
            sample = FaceSample(
                part,
                face.box.moved(*moved),
                face.label,
                photo.set_name,
                f"{photo.set_name}/{photo.path.name}",
                nearest.moved(*moved) if nearest else None,
            )
            samples.append(sample)
    return samples, +left_out


def box_of_same_face(labelled: Box, found: Sequence[Box]) -> Box | None:
    """The found box that overlaps the labelled one most, if it does so by SERVED_IOU."""
    nearest = max(found, key=labelled.iou, default=None)
    return nearest if nearest is not None and labelled.iou(nearest) >= SERVED_IOU else None


def require_different_names(sets: Iterable[PhotoSet]) -> None:
    """Raises UsageError where two sets have the same name, under which their figures would be added up."""
    by_name: dict[str, PhotoSet] = {}
    for found in sets:
        if found.name in by_name:
            raise UsageError(
                f"{by_name[found.name].path} and {found.path}, given with --data, are both called {found.name}; "
                "rename one, or give them one at a time"
            )
        by_name[found.name] = found


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
    return aligned(rows)


def _counts(photos: Sequence[LabelledPhoto], labels: Sequence[str]) -> list[str]:
    faces = Counter(label for photo in photos for label in photo.labels)
    return [str(len(photos)), *(str(faces[label]) for label in labels)]


def _surroundings(image: Image, box: Box) -> tuple[Image, tuple[int, int]]:
    """The face with one box's size around it: enough for every random crop, and little enough to keep in memory; and by
    how much that moves what is on the photo."""
    height, width = image.shape[:2]
    reach = max(box.width, box.height)
    part = Box(box.x1 - reach, box.y1 - reach, box.x2 + reach, box.y2 + reach).clipped(width, height)
    # Moved by an even number, since crop_face rounds halves to the even neighbour: the same pixels as on the photo.
    x1, y1 = int(part.x1) // 2 * 2, int(part.y1) // 2 * 2
    x2, y2 = int(np.ceil(part.x2)), int(np.ceil(part.y2))
    return np.ascontiguousarray(image[y1:y2, x1:x2]), (-x1, -y1)


def chosen_photos(data: PhotoData, split: str) -> list[LabelledPhoto]:
    """Those of `--split`. Raises MaskdError where there is none."""
    names = {"all": tuple(data.splits), "held-out": ("validation", "test")}.get(split, (split,))
    photos = [photo for name, part in data.splits.items() if name in names for photo in part]
    if not photos:
        raise MaskdError(f"the folders given with --data hold no photo of the split {split}; give more of them")
    return photos
