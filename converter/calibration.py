"""Photos that show the quantizer which values a model's tensors take, through the daemon's own preprocessing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edge.evaluation.examples import is_judgeable
from edge.evaluation.labelled import LabelledPhoto, read_photo
from edge.vision.preprocess import Image, crop_face, letterbox


def calibration_faces(
    photos: Sequence[LabelledPhoto], *, margin: float, size: int, count: int, seed: int
) -> Iterator[Image]:
    """One face from each of `count` photos, as the classifier sees it; fewer where there are not so many."""
    random = np.random.default_rng(seed)
    chosen = 0
    for index in random.permutation(len(photos)):
        faces = [face for face in photos[index].faces if is_judgeable(face)]
        if faces and chosen < count:
            chosen += 1
            face = faces[int(random.integers(len(faces)))]
            yield crop_face(read_photo(photos[index].path), face.box, margin=margin, size=size)


def calibration_pictures(
    photos: Sequence[LabelledPhoto], *, height: int, width: int, count: int, seed: int
) -> Iterator[Image]:
    """`count` photos as the detector sees them; fewer where there are not so many."""
    for index in np.random.default_rng(seed).permutation(len(photos))[:count]:
        yield letterbox(read_photo(photos[index].path), width, height).image
