"""How well a detector finds the faces of labelled photos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.labelled import LabelledPhoto, read_photo
from converter.metrics import PictureResult, average_precision
from edge.geometry import boxes_to_array
from edge.vision.faces import MOST_FACES, Face, best_input_shape, decode_boxes, faces_on_picture, suppress_repeats
from edge.vision.preprocess import Image, letterbox
from training.face_network import STRIDES

MIN_HEIGHT = 16
"""Pixels of a face's height in the photo from which on a detector is asked to find it."""
LOWEST_SCORE = 0.02
"""Below it the curve has nothing to gain."""


@dataclass(frozen=True, slots=True)
class KerasFaceDetector:
    """A detector before conversion, run as the daemon will run it; `network` takes pictures of any multiples of 32."""

    network: Any
    nms_iou: float = 0.45

    def detect(self, image: Image, min_score: float) -> list[Face]:
        """Faces of at least `min_score`, best first, in pixels of the picture."""
        height, width = best_input_shape(image.shape[1], image.shape[0])
        laid = letterbox(image, width, height)
        maps = self.network(laid.image[None].astype(np.float32), training=False)
        boxes, scores = [], []
        for stride in STRIDES:
            level_scores = np.asarray(maps[f"score_{stride}"]).reshape(-1)
            cells = np.flatnonzero(level_scores >= min_score)
            values = np.asarray(maps[f"box_{stride}"]).reshape(-1, 4)[cells]
            boxes.append(decode_boxes(cells, values, columns=width // stride, stride=stride))
            scores.append(level_scores[cells])
        all_boxes, all_scores = np.concatenate(boxes), np.concatenate(scores)
        kept = suppress_repeats(all_boxes, all_scores, max_iou=self.nms_iou, limit=MOST_FACES)
        return faces_on_picture(all_boxes[kept] / laid.scale, all_scores[kept], laid.source_size)


def picture_result(photo: LabelledPhoto, faces: Sequence[Face]) -> PictureResult:
    """What was found on a photo beside what is there; faces under MIN_HEIGHT and unlabelled ones count neither way."""
    asked = [face.box for face in photo.faces if face.box.height >= MIN_HEIGHT]
    small = [face.box for face in photo.faces if face.box.height < MIN_HEIGHT]
    return PictureResult(
        boxes_to_array([face.box for face in faces]),
        np.array([face.score for face in faces], np.float32),
        boxes_to_array(asked),
        boxes_to_array([*small, *photo.ignored]),
    )


def detector_results(detector: Any, photos: Iterable[LabelledPhoto]) -> dict[str, list[PictureResult]]:
    """A detector's results on photos, by the set that they belong to."""
    results: dict[str, list[PictureResult]] = {}
    for photo in photos:
        found = detector.detect(read_photo(photo.path), LOWEST_SCORE)
        results.setdefault(photo.set_name, []).append(picture_result(photo, found))
    return results


def detector_metrics(results: dict[str, list[PictureResult]], min_score: float) -> dict[str, Any]:
    """AP at IoU 0.5 of each set with faces, and false faces per 100 photos of each set without, at `min_score`."""
    figures: dict[str, Any] = {}
    for name, pictures in results.items():
        curve = average_precision(pictures)
        if curve.faces:
            precision, recall = curve.at_score(min_score)
            figures[name] = {
                "photos": len(pictures),
                "faces": curve.faces,
                "ap50": curve.ap,
                "min_score": min_score,
                "precision": precision,
                "recall": recall,
            }
        else:
            false_faces = sum(int((picture.scores >= min_score).sum()) for picture in pictures)
            figures[name] = {
                "photos": len(pictures),
                "min_score": min_score,
                "false_faces_per_100": 100 * false_faces / max(1, len(pictures)),
            }
    return figures
