"""Label files: one function per kind. A damaged one is refused or read, but never taken for a photo of nobody."""

from __future__ import annotations

import json
import re
from pathlib import Path

from edge.errors import MaskdError
from edge.evaluation.labels.names import NO_FACE, STATUSES, UNSURE
from tests.fuzz.file_targets import refused
from tests.support.labelled_sets import face, load, photos_of, write_photo, write_text

WIDTH, HEIGHT = 64, 48


def feed_voc(data: bytes, folder: Path) -> bool:
    faces = _faces(folder / "voc", "a.xml", data)
    assert faces != 0 or not re.search(rb"xmin|<name", data, re.IGNORECASE), "objects went unread"
    return faces is not None


def voc_seeds(_folder: Path) -> list[bytes]:
    objects = face("with_mask", 1, 2, 30, 40) + face("No Mask", 31.5, 2, 60, 40)
    polygon = "<polygon><x1>1</x1><y1>20</y1><x2>30</x2><y2>2</y2><x3>9</x3><y3>40</y3></polygon>"
    return [
        f"<annotation><size><width>64</width><height>48</height></size>{objects}</annotation>".encode(),
        f'<annotation xmlns="urn:voc"><object><name>Mask</name>{polygon}</object></annotation>'.encode(),
        f"<annotation>{face('with_mask', '0,1', '0,2', '0,5', '0,9')}</annotation>".encode("utf-16"),
    ]


def feed_yolo(data: bytes, folder: Path) -> bool:
    write_text(folder / "yolo" / "classes.txt", "Mask\nNo Mask\n")
    faces = _faces(folder / "yolo", "a.txt", data)
    assert faces != 0 or not data.decode(errors="replace").strip(), "lines went unread"
    return faces is not None


def yolo_seeds(_folder: Path) -> list[bytes]:
    return [b"0 0.5 0.5 0.25 0.5\n1 0.1 0.2 0.1 0.1\n", b"1 0.1 0.2 0.9 0.3 0.5 0.8 0.4 0.6\n"]


def feed_coco(data: bytes, folder: Path) -> bool:
    return _faces(folder / "coco", "a.json", data) is not None


def coco_seeds(_folder: Path) -> list[bytes]:
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 128, "height": 96}],
        "categories": [{"id": 1, "name": "Mask"}, {"id": 2, "name": "no-mask"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [10, 12.5, 40, 30]},
            {"image_id": 1, "category_id": 2, "segmentation": [[60, 10, 90, 10, 90, 40]], "iscrowd": 0},
        ],
    }
    return [json.dumps(document).encode()]


def feed_classes(data: bytes, folder: Path) -> bool:
    """A list of classes, as text and as YAML."""
    taken = []
    for name in ("classes.txt", "data.yaml"):
        place = folder / name.partition(".")[0]
        place.mkdir(exist_ok=True)
        (place / name).write_bytes(data)
        taken.append(_faces(place, "a.txt", b"0 0.5 0.5 0.25 0.5\n"))
    assert 0 not in taken
    return any(taken)


def classes_seeds(_folder: Path) -> list[bytes]:
    return [b"Mask\nNo Mask\n", b"nc: 2\nnames: [Mask, No Mask]\n", b"names:\n  0: with_mask\n  7: without_mask\n"]


def _faces(folder: Path, name: str, data: bytes) -> int | None:
    """How many faces are read from the label file of one photo; None where it is refused."""
    if not (folder / "a.png").exists():
        write_photo(folder / "a.png", WIDTH, HEIGHT)
    (folder / name).write_bytes(data)
    try:
        (photo,) = photos_of(load(folder)).values()
    except MaskdError as error:
        refused(error, folder)
        return None
    for found in photo.faces:
        assert found.label in (*STATUSES, UNSURE)
        assert found.label != NO_FACE
        assert 0 <= found.box.x1 < found.box.x2 <= WIDTH
        assert 0 <= found.box.y1 < found.box.y2 <= HEIGHT
    return len(photo.faces)
