"""Pascal VOC: an XML file for each photo, as labelImg, CVAT and many others write it, each a little differently."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from edge.evaluation.labels.frame import Frame, bounding_box, frame_of
from edge.evaluation.labels.names import LabelNames
from edge.evaluation.labels.objects import FoundObject, are_fractions, photo_with_faces
from edge.evaluation.labels.photo_index import PhotoIndex, without_rivals
from edge.evaluation.labels.photo_set import PhotoSet, SetContent, UnusableError
from edge.geometry import Box

_ABOUT_THE_PHOTO = {
    "folder", "filename", "path", "relative_path", "source", "owner", "size", "segmented", "object", "verified", "date",
    "comment", "database", "annotator", "timestamp", "id", "split", "objects", "imagesize",
}  # fmt: skip
"""What an `annotation` may hold, without case. Anything else may be a face that is called otherwise."""
_BOX_NAMES = ("bndbox", "bbox", "box", "boundingbox", "bounding_box")
_CORNER_NAMES = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
_BOX_TAGS = {*_BOX_NAMES, "polygon", *(name for names in _CORNER_NAMES for name in names)}


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an XML file says, before its photo is known; `size` is the width and height that it states."""

    filename: str
    size: tuple[float, float] | None
    objects: tuple[ET.Element, ...]


class _RefusingDoctypes(ET.TreeBuilder):
    """Labels need no DTD, and a DTD's entities can be made to fill the memory or to read other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002
        raise ValueError("has a document type declaration, which label files must not have")


def read_voc(photo_set: PhotoSet, names: LabelNames, unlabelled: Mapping[str, Sequence[Box]]) -> SetContent:
    """Reads a set; what cannot be used is left out and listed."""
    result = SetContent()
    index = PhotoIndex(photo_set)
    annotations: dict[Path, Annotation] = {}
    claims: dict[Path, list[Path]] = defaultdict(list)
    for path in photo_set.label_files:
        try:
            annotations[path] = read_annotation(path)
            claims[index.find(path, annotations[path].filename)].append(path)
        except UnusableError as error:
            result.problems.append(str(error))
            result.labelled.update(index.named_like(path))
    result.labelled.update(claims)
    for path, photo in without_rivals(claims, result.problems).items():
        annotation = annotations[path]
        try:
            frame = frame_of(photo, annotation.size)
            objects = found_objects(path, annotation.objects, frame)
            key = photo_set.key(photo)
            result.photos.append(photo_with_faces(photo_set, frame, objects, names, unlabelled.get(key, ())))
        except UnusableError as error:
            result.problems.append(str(error))
    return result


def read_annotation(path: Path) -> Annotation:
    """Reads one file. Raises UnusableError where it is not XML, or is XML of another kind."""
    try:
        # The parser refuses what makes XML from strangers dangerous.
        parser = ET.XMLParser(target=_RefusingDoctypes())  # noqa: S314
        root = ET.fromstring(path.read_bytes(), parser=parser)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError, OSError) as error:
        raise UnusableError(f"{path}: not readable as XML ({error})") from None
    # Names count without their namespace and in any case.
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2].casefold()
    if root.tag != "annotation":
        raise UnusableError(
            f"{path}: its root is <{root.tag}> instead of Pascal VOC's <annotation>; export it as Pascal VOC, "
            "YOLO or COCO"
        )
    objects = [found for found in root.iter("object") if found.findtext("deleted") != "1"]
    foreign = [child for child in root if child.tag not in _ABOUT_THE_PHOTO and not any(child.iter("object"))]
    for child in foreign:
        if not objects or any(part.tag in _BOX_TAGS for part in child.iter()):
            raise UnusableError(f"{path}: has <{child.tag}>, where Pascal VOC has an <object> for each face")
    return Annotation(_text(root, "filename"), _stated_size(root), tuple(objects))


def found_objects(path: Path, objects: Sequence[ET.Element], frame: Frame) -> list[FoundObject]:
    """The objects of a file, with their boxes. Raises UnusableError where one has no box that can be read."""
    boxes = [_box(f"{path}, object {number}", element) for number, element in enumerate(objects, start=1)]
    in_fractions = min(frame.width, frame.height) > 1 and bool(boxes) and are_fractions(boxes)
    return [
        FoundObject(f"{path}, object {number}", _name(element), box, in_fractions)
        for number, (element, box) in enumerate(zip(objects, boxes, strict=True), start=1)
    ]


def _name(element: ET.Element) -> str:
    return _text(element, "name") or _text(element, "label") or _text(element, "class")


def _box(place: str, element: ET.Element) -> Box:
    holder = next((child for child in element if child.tag in _BOX_NAMES), element)
    for keys in _CORNER_NAMES:
        texts = [holder.findtext(key) for key in keys]
        if any(text is not None for text in texts):
            return _box_of(place, texts)
    polygon = element.find("polygon")
    if polygon is None:
        raise UnusableError(f"{place}: has no box; <bndbox> with <xmin>, <ymin>, <xmax> and <ymax> was expected")
    return _around(place, polygon)


def _box_of(place: str, texts: Sequence[str | None]) -> Box:
    numbers = [_number(text) for text in texts]
    if any(number is None for number in numbers):
        shown = ", ".join("nothing" if text is None else repr(text.strip()) for text in texts)
        raise UnusableError(f"{place}: has no box of four numbers, but {shown}")
    x1, y1, x2, y2 = (number for number in numbers if number is not None)
    return Box(x1, y1, x2, y2)


def _around(place: str, polygon: ET.Element) -> Box:
    """The box around a polygon: `<pt><x/><y/></pt>` for each point, or `<x1/><y1/><x2/><y2/>` and on."""
    points = [point for point in polygon if point.tag in ("pt", "point")]
    pairs = [(point.findtext("x"), point.findtext("y")) for point in points]
    number = 1
    while not points and polygon.find(f"x{number}") is not None:
        pairs.append((polygon.findtext(f"x{number}"), polygon.findtext(f"y{number}")))
        number += 1
    numbers = [(_number(x), _number(y)) for x, y in pairs]
    corners = [(x, y) for x, y in numbers if x is not None and y is not None]
    if len(corners) < 3 or len(corners) < len(numbers):
        raise UnusableError(f"{place}: its polygon is not three or more points of two numbers")
    return bounding_box(corners)


def _stated_size(root: ET.Element) -> tuple[float, float] | None:
    """The photo's width and height; None where the file states none, or 0 as some programs do that do not know it."""
    sides = ("size/width", "size/height") if root.find("size") is not None else ("imagesize/ncols", "imagesize/nrows")
    width, height = (_number(root.findtext(side)) for side in sides)
    return (width, height) if width and height and width > 0 and height > 0 else None


def _text(element: ET.Element, key: str) -> str:
    return (element.findtext(key) or "").strip()


def _number(text: str | None) -> float | None:
    """A number with a decimal point or a decimal comma."""
    text = (text or "").strip()
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
