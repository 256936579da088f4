"""COCO: one JSON file with `images`, `annotations` and `categories` for many photos."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import MaskdError
from edge.evaluation.labels.frame import bounding_box, frame_of
from edge.evaluation.labels.names import LabelNames
from edge.evaluation.labels.objects import FoundObject, are_fractions, photo_with_faces
from edge.evaluation.labels.photo_index import PhotoIndex
from edge.evaluation.labels.photo_set import PhotoSet, SetContent, UnusableError
from edge.geometry import Box

Number = Annotated[float, Field(allow_inf_nan=False)]
Identity = int | str
_Document = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Image(_Part):
    id: Identity
    file_name: str
    width: Number | None = None
    height: Number | None = None


class _Category(_Part):
    id: Identity
    name: str


class _Annotation(_Part):
    image_id: Identity
    category_id: Identity
    bbox: tuple[Number, Number, Number, Number] | None = None
    segmentation: Any = None
    iscrowd: bool = False


def is_coco(path: Path) -> bool:
    """Whether a JSON file has what COCO's have: by its content, not its name."""
    if path.suffix.casefold() != ".json":
        return False
    try:
        status = path.stat()
    except OSError:
        return False
    return _looks_like_coco(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _looks_like_coco(path: Path, _changed: int, _size: int) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


def read_coco(photo_set: PhotoSet, names: LabelNames, unlabelled: Mapping[str, Sequence[Box]]) -> SetContent:
    """Reads a set; what cannot be used is left out and listed. Raises MaskdError for a file that is not COCO after
    all."""
    result = SetContent()
    index = PhotoIndex(photo_set)
    claims: dict[Path, list[tuple[Path, _Image, list[FoundObject], list[str]]]] = defaultdict(list)
    for path in photo_set.label_files:
        for image, objects, wrong in _entries(path):
            try:
                photo = index.find(path.parent / image.file_name, image.file_name)
                claims[photo].append((path, image, objects, wrong))
            except UnusableError:
                result.problems.append(f"{path}: its photo {image.file_name} is missing from {photo_set.photos_folder}")
    result.labelled.update(claims)
    for photo, entries in claims.items():
        path, image, objects, wrong = entries[0]
        if len(entries) > 1:
            wrong = [f"{photo}: has {len(entries)} entries, in {' and '.join(sorted({str(e[0]) for e in entries}))}"]
        if wrong:
            result.problems.append(wrong[0])
            continue
        try:
            stated = (image.width, image.height) if image.width and image.height else None
            frame = frame_of(photo, stated)
            key = photo_set.key(photo)
            result.photos.append(photo_with_faces(photo_set, frame, objects, names, unlabelled.get(key, ())))
        except UnusableError as error:
            result.problems.append(str(error))
    return result


def _entries(path: Path) -> list[tuple[_Image, list[FoundObject], list[str]]]:
    """Of each image its objects, and what is wrong with those that are none. Raises MaskdError."""
    try:
        content: _Document = json.loads(path.read_bytes())
        images = [_Image.model_validate(image) for image in content["images"]]
        categories = [_Category.model_validate(category) for category in content.get("categories") or []]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise MaskdError(f"{path}: cannot be read as COCO's JSON ({str(error).splitlines()[0]})") from None
    category_names = {category.id: category.name for category in categories}
    objects: dict[Identity, list[FoundObject]] = defaultdict(list)
    wrong: dict[Identity, list[str]] = defaultdict(list)
    known = {image.id for image in images}
    for number, entry in enumerate(content["annotations"], start=1):
        place = f"{path}, annotation {number}"
        try:
            annotation = _Annotation.model_validate(entry)
        except ValidationError as error:
            image_id = entry.get("image_id") if isinstance(entry, dict) else None
            if not isinstance(image_id, (int, str)) or image_id not in known:
                raise MaskdError(f"{place}: its image is not listed") from None
            first = error.errors()[0]
            wrong[image_id].append(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
            continue
        if annotation.image_id not in known:
            raise MaskdError(f"{place}: its image {annotation.image_id} is not listed")
        try:
            objects[annotation.image_id].append(_object(place, annotation, category_names))
        except UnusableError as error:
            wrong[annotation.image_id].append(str(error))
    return [(image, objects[image.id], wrong[image.id]) for image in images]


def _object(place: str, annotation: _Annotation, names: Mapping[Identity, str]) -> FoundObject:
    name = names.get(annotation.category_id)
    if name is None:
        raise UnusableError(f"{place}: its category {annotation.category_id} is not listed")
    if annotation.bbox is not None:
        x, y, width, height = annotation.bbox
        box = Box(x, y, x + width, y + height)
        if width <= 0 or height <= 0:
            raise UnusableError(
                f"{place}: its box [{x:g}, {y:g}, {width:g}, {height:g}] is empty; it is x, y, width, height"
            )
    else:
        box = _around(place, annotation.segmentation)
    return FoundObject(place, name, box, are_fractions([box]), annotation.iscrowd)


def _around(place: str, polygons: Any) -> Box:
    try:
        points = [
            (float(x), float(y)) for polygon in polygons for x, y in zip(polygon[::2], polygon[1::2], strict=True)
        ]
        return bounding_box(points)
    except (TypeError, ValueError, OverflowError):
        raise UnusableError(f"{place}: has neither a `bbox` of four numbers nor a polygon") from None
