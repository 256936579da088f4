"""Class folders get their boxes from the daemon's own detector."""

from __future__ import annotations

from pathlib import Path

import pytest
import skimage.data

from edge.errors import MaskdError
from edge.evaluation.examples import face_finder, load_photos
from edge.geometry import Box
from tests.support.pictures import write_photo


def test_a_class_folder_takes_the_box_of_the_detector(tmp_path: Path) -> None:
    folder = tmp_path / "people" / "without_mask"
    folder.mkdir(parents=True)
    write_photo(folder / "astronaut.png", skimage.data.astronaut())
    data = load_photos([folder.parent], 1, face_finder("face-detector"))
    (photo,) = (photo for part in data.splits.values() for photo in part)
    (face,) = photo.faces
    assert face.box.iou(Box(180, 62, 274, 178)) > 0.5


def test_a_detector_is_opened_when_a_photo_needs_it() -> None:
    find = face_finder("face-finder")
    with pytest.raises(MaskdError, match=r"class folders need a face detector, or --whole-image: .*'face-finder'"):
        find(skimage.data.astronaut())
