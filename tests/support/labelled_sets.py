"""Small sets of labelled photos on disk, and the ways to read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data

from edge.evaluation.examples import PhotoData, load_photos
from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.evaluation.labels.names import LabelNames
from edge.geometry import Box
from edge.vision.preprocess import Image
from tests.support import pictures


def write_photo(path: Path, width: int = 64, height: int = 48) -> Path:
    """One colour all over, in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = ".jpg" if path.suffix.lower() in (".jfif", ".jpe") else path.suffix
    picture = np.full((height, width, 3), (10, 20, 200), np.uint8)
    path.write_bytes(bytes(cv2.imencode(kind, picture)[1]))
    return path


def annotate(folder: Path, name: str, objects: str, filename: str | None = None) -> None:
    """A Pascal VOC file in `annotations/`."""
    named = filename if filename is not None else f"{name}.png"
    write_xml(folder / "annotations" / f"{name}.xml", objects, named)


def write_xml(path: Path, content: str, filename: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation><filename>{filename}</filename>{content}</annotation>", encoding="utf-8")
    return path


def face(label: str, *corners: object) -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, corners, strict=True))
    return f"<object><name>{label}</name><bndbox>{box}</bndbox></object>"


def portrait() -> tuple[Image, Box]:
    """A person without a mask, and the face's box in pixels."""
    return skimage.data.astronaut()[:256, 80:400], Box(100, 62, 194, 178)


def portraits(folder: Path, count: int) -> Path:
    """A Pascal VOC set of `portrait` as often as that."""
    image, box = portrait()
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        pictures.write_photo(folder / "images" / f"{number}.png", image)
        annotate(folder, str(number), face("without_mask", *map(int, (box.x1, box.y1, box.x2, box.y2))))
    return folder


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_coco(path: Path, images: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]]) -> Path:
    """With the categories 1 `Mask` and 2 `No Mask`."""
    categories = [{"id": 1, "name": "Mask"}, {"id": 2, "name": "No Mask"}]
    return write_text(path, json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def whole(image: Image) -> list[Box]:
    """Finds one face, as large as the photo."""
    return [Box(0, 0, image.shape[1], image.shape[0])]


def load(*folders: Path, names: LabelNames | None = None) -> PhotoData:
    return load_photos(folders, 1, whole, names=names)


def photos_of(data: PhotoData) -> dict[str, LabelledPhoto]:
    """By file name."""
    return {photo.path.name: photo for part in data.splits.values() for photo in part}


def faces_of(data: PhotoData) -> dict[str, list[LabelledFace]]:
    """By file name."""
    return {name: list(photo.faces) for name, photo in sorted(photos_of(data).items())}
